"""Memory of a job is that of its processes, told apart; and a real model keeps its own time."""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from pathlib import Path

import pytest

from loadtests.backlog_memory import _below, _memory
from loadtests.fleet.confirm import confirm


def test_sessions_are_told_from_other_processes() -> None:
    command = ["bash", "-c", "exec -a 'ray::MapWorker(x)' sleep 60"]
    with subprocess.Popen(command) as process:
        name = Path(f"/proc/{process.pid}/cmdline")
        until = time.monotonic() + 30.0
        while not name.read_bytes().startswith(b"ray::"):
            assert time.monotonic() < until
            time.sleep(0.01)
        pids = list(_below(os.getpid()))
        assert {os.getpid(), process.pid} <= set(pids)
        found = _memory(pids)
        process.kill()
    assert set(found) == {"session 1", "other processes"}
    assert found["other processes"] > 10  # MiB, of this interpreter alone


def test_a_process_that_has_ended_has_no_memory() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert _memory([process.pid]) == {}


def test_a_real_model_has_no_other_scale() -> None:
    asked = argparse.Namespace(model="real", scale=2.0)
    with pytest.raises(ValueError, match="its scale is 1"):
        confirm(asked)
