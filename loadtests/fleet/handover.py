"""What a real server takes between two batches of a worker, beside the model's own time.

A worker's thread ends, the event loop gets a turn, answers go out, a batch is chosen, and the
thread gets a core again. For the simulation all this is one number, measured here while the queue
is never empty.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slept:
    """A batch of the sleeping server. asked_s: as long as the model would have taken."""

    thread: int
    asked_s: float
    started: float
    ended: float


def read_notes(text: str) -> list[Slept]:
    """What `loadtests.sleeping_server` wrote. A last line that is cut short is left out."""
    lines = text[: text.rfind("\n") + 1].splitlines()
    split = (line.split() for line in lines)
    return [Slept(int(one[0]), *map(float, one[1:])) for one in split]


def mean_handover_s(batches: Iterable[Slept]) -> float:
    """Mean time from one start of a thread to its next, without what was asked for.

    Only meaningful of a time when work always waited. Raises ValueError if no thread ran twice.
    """
    by_thread: defaultdict[int, list[Slept]] = defaultdict(list)
    for one in batches:
        by_thread[one.thread].append(one)
    beside = [
        later.started - sooner.started - sooner.asked_s
        for some in by_thread.values()
        for sooner, later in itertools.pairwise(some)
    ]
    if not beside:
        raise ValueError("no worker ran two batches")
    return sum(beside) / len(beside)
