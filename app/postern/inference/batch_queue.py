"""The queue: windows that wait, and which of them make the next batch. No clock, threads or
asyncio.

Order. Callers share by tokens: the caller served least comes first, so a flood from one caller does
not delay another. Within a caller, a request lets later and shorter requests pass, up to
`SHORTER_FIRST` times its own length. The part of a request beyond its first `WHOLE_TOKENS` steps
aside: each of its windows first lets `STEP_ASIDE` times the text before it pass. So one text of a
hundred windows takes a fifth of the machine while others wait, and all of it when none do.

Batches. The first window in order is always taken. Of the windows for the same student close behind
it (`LOOK_AHEAD` batches of tokens), those nearest in length join it, as long as padding stays
small. A window that `OVERTAKEN_AT_MOST` batches have passed over goes before all others, whatever
its length. A batch takes only a share of what waits: while little waits, batches are small, so that
the next arrival soon finds a free worker.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from postern.contract.windows import Window

SHORTER_FIRST: Final = 2
WHOLE_TOKENS: Final = 2048
STEP_ASIDE: Final = 4
LOOK_AHEAD: Final = 4
OVERTAKEN_AT_MOST: Final = 16
# Padding that a batch may hold: the cost of a batch of its own, plus a tenth.
PADDING_TOKENS: Final = 64
PADDING_SHARE: Final = 0.1
# Batches are not made smaller than this to save time: they would take as long.
_SMALLEST_SHARE: Final = 128
# Sorting more candidates costs more than it saves.
_CANDIDATES_AT_MOST: Final = 256


@dataclass(slots=True, eq=False)
class Waiting:
    """One waiting window. caller: shares fairly with other callers; place: its rank, see above."""

    window: Window
    caller: int = 0
    place: tuple[float, int] = (0.0, 0)
    overtaken: int = 0
    """Batches that held a window of a later place or of a caller served more, but not this one."""
    student: int = 0
    """The student that reads it. A batch is for one student."""
    is_tail: bool = False
    """Whether it lies beyond the first WHOLE_TOKENS of its request."""
    length: int = field(init=False)
    """Of the window. A busy queue asks for it dozens of times."""

    def __post_init__(self) -> None:
        self.length = self.window.length


@dataclass(slots=True)
class Sums:
    """Sums over waiting windows: tokens, and squares of lengths."""

    tokens: int = 0
    squares: int = 0

    def add(self, entry: Waiting, sign: int = 1) -> None:
        self.tokens += sign * entry.length
        self.squares += sign * entry.length**2


Entry = TypeVar("Entry", bound=Waiting)


@dataclass(slots=True)
class _Caller(Generic[Entry]):
    served: float
    """Tokens taken so far, for comparison between callers."""
    passed: int = 0
    """Tokens taken since something has been waiting: the clock of `place`."""
    entries: list[Entry] = field(default_factory=list)
    heads: Sums = field(default_factory=Sums)
    tails: Sums = field(default_factory=Sums)

    def sums_of(self, entry: Waiting) -> Sums:
        return self.tails if entry.is_tail else self.heads


class BatchQueue(Generic[Entry]):
    """Entries are added for a whole request, then removed one by one or taken in batches.

    shares: smallest number of batches into which a long queue is cut.
    """

    def __init__(self, *, max_batch_tokens: int, shares: int = 1) -> None:
        self._budget = max_batch_tokens
        self._shares = shares
        self._callers: dict[int, _Caller[Entry]] = {}  # callers that have something waiting
        self._numbers = itertools.count()
        self._left: dict[int, float] = {}  # tokens served to callers that have nothing waiting
        self._floor = 0.0
        self.tokens = 0

    def __len__(self) -> int:
        return sum(len(caller.entries) for caller in self._callers.values())

    def __iter__(self) -> Iterator[Entry]:
        """All waiting entries, caller by caller."""
        for caller in self._callers.values():
            yield from caller.entries

    def add(self, entries: Sequence[Entry], *, caller: int) -> None:
        """Add the windows of one request, in order."""
        if not entries:
            return
        lane = self._callers.get(caller)
        if lane is None:
            lane = self._callers[caller] = _Caller(served=self._start_of(caller))
        length, before = sum(entry.length for entry in entries), 0
        place = lane.passed + SHORTER_FIRST * min(length, WHOLE_TOKENS)
        for entry in entries:
            beyond = max(0, before + entry.length - WHOLE_TOKENS)
            entry.caller, entry.is_tail = caller, beyond > 0
            entry.place = (place + STEP_ASIDE * beyond, next(self._numbers))
            bisect.insort(lane.entries, entry, key=_place)
            lane.sums_of(entry).add(entry)
            before += entry.length
        self.tokens += before

    def remove(self, entry: Entry) -> bool:
        """Remove an entry. Returns whether it was waiting."""
        lane = self._callers.get(entry.caller)
        if lane is None:
            return False
        index = bisect.bisect_left(lane.entries, entry.place, key=_place)
        if index == len(lane.entries) or lane.entries[index] is not entry:
            return False
        del lane.entries[index]
        lane.sums_of(entry).add(entry, -1)
        self.tokens -= entry.length
        if not lane.entries:
            self._floor = max(self._floor, lane.served)
            self._left[entry.caller] = lane.served
            del self._callers[entry.caller]
        return True

    def ahead_of(self, tokens: int, *, caller: int) -> Sums:
        """Rough work served before the end of a request of that many tokens, without its own."""
        ahead = Sums()
        own = self._callers.get(caller)
        if own is not None:
            ahead.tokens, ahead.squares = own.heads.tokens, own.heads.squares
            passing = math.inf if tokens > WHOLE_TOKENS else (ahead.tokens + tokens) / STEP_ASIDE
            _add_share(ahead, own.tails, passing)
        fair = ahead.tokens + tokens
        for number, other in self._callers.items():
            if number != caller:
                _add_share(ahead, _both(other), fair)
        return ahead

    def take(
        self,
        *,
        drop: Callable[[Entry], bool],
        idle_workers: int = 1,
        room: Callable[[Entry], float] = lambda _: math.inf,
    ) -> tuple[list[Entry], list[Entry]]:
        """(the next batch, entries dropped on the way). Both leave the queue.

        drop: tells whether an entry is no longer worth running. idle_workers: number that could
        take from the queue now, the asking one included; they share what waits. room: padded tokens
        that a batch may have if this entry is first in order; the entry itself is taken in any
        case.
        """
        candidates, dropped = self._candidates(drop)
        for entry in dropped:
            self.remove(entry)
        if not candidates:
            return [], dropped
        of_one = _of_one_student(candidates)
        budget = min(self._budget, room(of_one[0]))
        batch = _choose(of_one, min(budget, self._share(idle_workers)), budget)
        taken = set(map(id, batch))
        last = max(i for i, entry in enumerate(candidates) if id(entry) in taken)
        for entry in candidates[:last]:
            entry.overtaken += id(entry) not in taken
        for entry in batch:
            lane = self._callers[entry.caller]
            lane.served += entry.length
            lane.passed += entry.length
            self.remove(entry)
        return batch, dropped

    def _start_of(self, caller: int) -> float:
        """Where a caller starts: level with the one served least.

        A caller that was served more keeps the difference, up to one batch. So leaving and coming
        back gains nothing, and older history is forgotten.
        """
        least = min((one.served for one in self._callers.values()), default=self._floor)
        return max(least, min(self._left.get(caller, 0.0), least + self._budget))

    def _share(self, idle_workers: int) -> int:
        share = -(-self.tokens // max(idle_workers, self._shares))
        return min(self._budget, max(_SMALLEST_SHARE, share))

    def _candidates(self, drop: Callable[[Entry], bool]) -> tuple[list[Entry], list[Entry]]:
        """The first entries in order, as many as are considered for one batch."""
        found: list[Entry] = []
        dropped: list[Entry] = []
        room = LOOK_AHEAD * self._budget
        for entry in self._in_order():
            if drop(entry):
                dropped.append(entry)
                continue
            found.append(entry)
            room -= entry.length
            if room <= 0 or len(found) == _CANDIDATES_AT_MOST:
                break
        return found, dropped

    def _in_order(self) -> Iterator[Entry]:
        if len(self._callers) == 1:
            (only,) = self._callers.values()
            yield from only.entries
            return
        heap = [(lane.served, number, 0) for number, lane in self._callers.items()]
        heapq.heapify(heap)
        while heap:
            served, number, index = heap[0]
            entries = self._callers[number].entries
            entry = entries[index]
            if index + 1 < len(entries):
                heapq.heapreplace(heap, (served + entry.length, number, index + 1))
            else:
                heapq.heappop(heap)
            yield entry


def _place(entry: Waiting) -> tuple[float, int]:
    return entry.place


def _both(lane: _Caller[Entry]) -> Sums:
    return Sums(lane.heads.tokens + lane.tails.tokens, lane.heads.squares + lane.tails.squares)


def _add_share(ahead: Sums, others: Sums, tokens: float) -> None:
    if others.tokens:
        share = min(1.0, tokens / others.tokens)
        ahead.tokens += math.ceil(share * others.tokens)
        ahead.squares += math.ceil(share * others.squares)


def _of_one_student(candidates: list[Entry]) -> list[Entry]:
    """Those for the student of the first window that was overtaken too often, or of the first."""
    overdue = (entry for entry in candidates if entry.overtaken >= OVERTAKEN_AT_MOST)
    student = next(overdue, candidates[0]).student
    return [entry for entry in candidates if entry.student == student]


def _choose(candidates: list[Entry], share: float, budget: float) -> list[Entry]:
    """The batch: first the windows that were overtaken too often, in order; then a run of similar
    lengths."""
    overdue = [entry for entry in candidates if entry.overtaken >= OVERTAKEN_AT_MOST]
    if overdue:
        batch: list[Entry] = []
        longest = 0
        for entry in overdue:
            longest = max(longest, entry.length)
            if batch and longest * (len(batch) + 1) > budget:
                return batch
            batch.append(entry)
    else:
        batch = candidates[:1]
    taken = set(map(id, batch))
    return _with_like(batch, [e for e in candidates if id(e) not in taken], share)


def _with_like(batch: list[Entry], others: list[Entry], share: float) -> list[Entry]:
    """The batch and those of `others` that fit its length best, within `share` padded tokens."""
    longest = max(entry.length for entry in batch)
    tokens = sum(entry.length for entry in batch)
    others.sort(key=lambda entry: entry.length)  # stable: equal lengths keep their order
    above = bisect.bisect_right(others, longest, key=lambda entry: entry.length)
    below = above - 1
    while below >= 0 or above < len(others):
        cost_below = longest - others[below].length if below >= 0 else math.inf
        cost_above = (
            (others[above].length - longest) * len(batch) if above < len(others) else math.inf
        )
        chosen = others[below] if cost_below <= cost_above else others[above]
        padded = max(longest, chosen.length) * (len(batch) + 1)
        real = tokens + chosen.length
        if padded > share or padded - real > PADDING_TOKENS + PADDING_SHARE * real:
            break
        batch.append(chosen)
        longest, tokens = max(longest, chosen.length), real
        if cost_below <= cost_above:
            below -= 1
        else:
            above += 1
    return batch
