"""Threads, workers and batches of the student on this machine."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from postern.settings.engine import EngineSettings

# Measured in docs/performance.md, Which engine.
_BATCH_TOKENS: Final = 512
_BATCHES_PER_WORKER: Final = 4
# All texts that wait, at 128 tokens each, of a hundred callers.
_CARD_BATCH_TOKENS: Final = 16_384
_MOST_WORKERS: Final = 64

# cgroup v2, https://docs.kernel.org/admin-guide/cgroup-v2.html: "quota period" in microseconds, or
# "max period". A container sees its own group at the root.
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that the scheduler may use for this process, and no more than its container may burn:
    more threads than that are all stopped together until the next period."""
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
    """What the settings leave open, decided for a machine. threads: inside one batch.
    threads_alone: inside one that has no other beside it. shares: see BatchQueue."""

    workers: int
    threads: int
    threads_alone: int
    max_batch_tokens: int
    shares: int


def batch_tokens(settings: EngineSettings) -> int:
    """Padded tokens of one batch at most."""
    usual = _CARD_BATCH_TOKENS if settings.device == "cuda" else _BATCH_TOKENS
    return settings.max_batch_tokens or usual


def engine_for(settings: EngineSettings, cores: int) -> Engine:
    """A processor is quickest with one thread for each batch and a batch for each core; a text that
    comes alone is, with all cores inside it (docs/performance.md, Which engine). A card is quickest
    with everything that waits in one batch."""
    on_card = settings.device == "cuda"
    workers = settings.workers or (1 if on_card else min(cores, _MOST_WORKERS))
    threads = settings.intra_op_threads or max(1, cores // workers)
    return Engine(
        workers,
        threads,
        # A second session on a card would hold the weights there twice.
        threads if on_card else settings.intra_op_threads or cores,
        batch_tokens(settings),
        1 if on_card else _BATCHES_PER_WORKER * workers,
    )
