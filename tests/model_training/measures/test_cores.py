"""Torch trains on all cores, even if another library bound the main thread before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_training.measures.cores import own_cores

_ROOT = Path(__file__).resolve().parents[3]
# The library that weighs ensembles, then torch, as in `make train`.
_ASK = """
import os
from model_training.measures.cores import free_for_torch, own_cores
cores = own_cores()
import sklearn.linear_model
if FREE:
    free_for_torch(cores)
import torch
threads = torch.get_num_threads()
bound = os.sched_getaffinity(0)
free_for_torch(cores)
print(threads, os.sched_getaffinity(0) == bound)
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads are not bound here")
@pytest.mark.skipif(len(own_cores()) < 2, reason="one core is all cores")
@pytest.mark.parametrize(
    ("bind", "free", "all_cores"),
    [("true", True, True), ("true", False, False), ("false", False, True)],
)
def test_torch_finds_all_cores_after_a_library_that_bound_the_process(
    bind: str, free: bool, all_cores: bool
) -> None:
    environment = {**os.environ, "OMP_PROC_BIND": bind}
    environment.pop("OMP_NUM_THREADS", None)
    found = subprocess.run(
        [sys.executable, "-c", _ASK.replace("FREE", str(free))],
        cwd=_ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert int(found[0]) == (len(own_cores()) if all_cores else 1)
    assert found[1] == "True"  # torch's own binding stays
