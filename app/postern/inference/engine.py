"""Threads, workers and batch sizes for the student on this machine."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from postern.settings.engine import EngineSettings

Runtime = Literal["onnxruntime", "openvino"]

# Measured in docs/research/engines.md.
_BATCH_TOKENS: Final = 512
_BATCHES_PER_WORKER: Final = 4
# A queue of texts from a hundred callers, at 128 tokens each.
_CARD_BATCH_TOKENS: Final = 16_384
_MOST_WORKERS: Final = 64

# cgroup v2, https://docs.kernel.org/admin-guide/cgroup-v2.html: "quota period" in microseconds, or
# "max period". Inside a container, its own group is mounted at the root.
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that the scheduler may use for this process, at most the CPU quota of its container.

    With more threads than that, the kernel stops all of them until the next period.
    """
    cores = _allowed()
    try:
        burn, period = quota.read_text().split()
        if burn != "max":
            cores = min(cores, max(1, math.ceil(int(burn) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):
        pass
    return cores


def _allowed() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Engine:
    """Settings completed for this machine. threads: inside one batch.

    threads_alone: inside a batch that has no other beside it. shares: see BatchQueue.
    """

    workers: int
    threads: int
    threads_alone: int
    max_batch_tokens: int
    shares: int


def runtimes_for(
    settings: EngineSettings, *, installed: bool, wide: bool, promised: bool, is_first: bool = True
) -> tuple[Runtime, ...]:
    """What may run a student here, the best first; the next one if a graph does not run on it.

    installed: whether OpenVINO is; wide: whether the processor multiplies int8 in 512 bits or in
    tiles (AVX-512 with VNNI, AMX). Only there was OpenVINO measured to be quicker with the same
    verdicts (docs/research/engines.md).
    promised: whether something is said of verdicts that only ONNX Runtime was measured to keep: a
    certificate, or agreement with pages that judge on their own. is_first: whether most texts are
    for this student. OpenVINO's kernels for a second one would take 340 MB more.
    """
    if settings.engine != "auto":
        return (settings.engine,)
    wins = installed and wide and not promised and is_first and settings.device == "cpu"
    return ("openvino", "onnxruntime") if wins else ("onnxruntime",)


def batch_tokens(settings: EngineSettings) -> int:
    """Largest number of padded tokens in one batch."""
    usual = _CARD_BATCH_TOKENS if settings.device == "cuda" else _BATCH_TOKENS
    return settings.max_batch_tokens or usual


def engine_for(settings: EngineSettings, cores: int) -> Engine:
    """Choose threads, workers and batch sizes for this machine.

    A CPU is quickest with one batch per core and one thread per batch; a text that comes alone is
    quickest with all cores inside it (docs/research/engines.md). A GPU is quickest with everything
    that waits in one batch.
    """
    on_card = settings.device == "cuda"
    workers = settings.workers or (1 if on_card else min(cores, _MOST_WORKERS))
    threads = settings.intra_op_threads or max(1, cores // workers)
    return Engine(
        workers,
        threads,
        # A second session on a GPU would hold the weights twice.
        threads if on_card else settings.intra_op_threads or cores,
        batch_tokens(settings),
        1 if on_card else _BATCHES_PER_WORKER * workers,
    )
