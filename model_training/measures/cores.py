"""The cores that threads may run on, where OpenMP binds the main thread. No torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def on_all_cores() -> Iterator[None]:
    """Threads that are created inside may run on any core, even if the creating thread may not.

    With OMP_PROC_BIND, as `make train` sets it, the main thread is bound to one core. Threads of
    another library that it starts would share that core, which halves the speed on two cores.
    Without OMP_PROC_BIND, this does nothing.
    """
    if not threads_are_bound():
        yield
        return
    before = os.sched_getaffinity(0)
    with suppress(OSError):  # if a sandbox forbids it, the result is the same, but slower
        os.sched_setaffinity(0, range(default_threads()))
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)


def default_threads() -> int:
    return os.cpu_count() or 1


def threads_are_bound() -> bool:
    """Whether OpenMP binds threads to cores, as `make train` asks of it."""
    return os.environ.get("OMP_PROC_BIND", "false").lower() not in ("false", "0")


def own_cores() -> frozenset[int]:
    """The cores that the main thread may use now; empty where threads cannot be bound."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def free_for_torch(cores: frozenset[int]) -> None:
    """Let the main thread onto these cores again, as long as torch is not loaded.

    With OMP_PROC_BIND, the first library with OpenMP binds the main thread to one core. If an
    earlier stage loaded one that is not torch, torch would find one core, and train on one thread.
    Once torch is loaded, its own binding must stay.
    """
    if threads_are_bound() and cores and "torch" not in sys.modules:
        with suppress(OSError):  # if a sandbox forbids it, training is right, but slower
            os.sched_setaffinity(0, cores)
