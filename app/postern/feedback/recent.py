"""The verdicts of the last minutes with their texts, bounded by number, memory and age. No I/O."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from postern.contract.decision import Verdict
from postern.contract.errors import VerdictAmbiguous
from postern.contract.exchange import Exchange, Slice
from postern.contract.feedback import LabelName

Limit = Literal["verdicts", "memory"]

# For the objects around a text: exchange, verdict and their numbers.
_EACH_BYTES: Final = 640
# For an entry and its place in the dictionary.
_ENTRY_BYTES: Final = 512


class Name(NamedTuple):
    """Whose request. caller: number of the API key, 0 if there are no keys."""

    caller: int
    request_id: str


@dataclass(frozen=True, slots=True)
class RecentLimits:
    """verdicts: exchanges. memory_bytes: an estimate from above. keep_s: seconds."""

    verdicts: int
    memory_bytes: int
    keep_s: float


@dataclass(slots=True)
class Result:
    """An exchange with its verdict.

    read_by: the student for other languages that read it. recorded: the label that was recorded.
    """

    exchange: Exchange
    verdict: Verdict
    read_by: str | None = None
    recorded: LabelName | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The results of a request, by index. request: tells two of the same name apart. reused: of
    another request with other texts, this name was kept."""

    results: Mapping[int, Result]
    kept_at: float
    size: int
    request: object
    reused: bool = False

    def index_of(self, slice_: Slice | None, index: int | None) -> int:
        """The one result that is meant. Raises VerdictAmbiguous."""
        fitting = [
            number
            for number, result in self.results.items()
            if index in (None, number) and slice_ in (None, result.exchange.slice)
        ]
        if len(fitting) != 1 or self.reused:
            raise VerdictAmbiguous(len(self.results), len(fitting), reused=self.reused)
        return fitting[0]


class Recent:
    """Forgets the oldest first. on_forget: told which limit made it forget, and how many
    verdicts."""

    def __init__(
        self,
        limits: RecentLimits,
        *,
        clock: Callable[[], float],
        on_forget: Callable[[Limit, int], None],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._on_forget = on_forget
        self._kept: OrderedDict[Name, Kept] = OrderedDict()
        self._verdicts = 0
        self.held_bytes = 0

    def keep(self, name: Name, results: Sequence[Result]) -> None:
        """Keep a request in place of an earlier one of the same name.

        If that one had other texts, nobody can tell which of the two a correction means. If it had
        the same, a client tried again, and the labels that were recorded stay.
        """
        before = self.find(name)
        kept = dict(enumerate(results))
        again = before is not None and _texts(before.results) == _texts(kept)
        if before is not None and again:
            for index, one in kept.items():
                one.recorded = before.results[index].recorded
        reused = before is not None and (before.reused or not again)
        self._replace(name, kept, object(), reused=reused)

    def revise(self, name: Name, index: int, result: Result, *, request: object) -> None:
        """Keep a result in place of the one with the same index of the same request.

        The others stay with their labels, unless they were forgotten. The time of all begins anew.
        Results of another request of the same name are dropped, and the name is ambiguous from then
        on.
        """
        before = self.find(name)
        same = before is not None and before.request is request
        others = before.results if before is not None and same else {}
        reused = before is not None and (before.reused or not same)
        self._replace(name, {**others, index: result}, request, reused=reused)

    def _replace(
        self, name: Name, results: Mapping[int, Result], request: object, *, reused: bool
    ) -> None:
        self._drop(name)
        size = _ENTRY_BYTES + sum(_size_of(one.exchange) for one in results.values())
        self._kept[name] = Kept(results, self._clock(), size, request, reused)
        self._verdicts += len(results)
        self.held_bytes += size
        self._shrink()

    def find(self, name: Name) -> Kept | None:
        """None if there is none, or its time is over."""
        self.expire()
        return self._kept.get(name)

    def expire(self) -> float | None:
        """Forget what is too old. Returns the seconds until that is due again; None if nothing is
        kept."""
        now = self._clock()
        while self._kept:
            name, oldest = next(iter(self._kept.items()))
            left_s = oldest.kept_at + self._limits.keep_s - now
            if left_s > 0.0:
                return left_s
            self._drop(name)
        return None

    def clear(self) -> None:
        """Forget everything."""
        for name in list(self._kept):
            self._drop(name)

    def _shrink(self) -> None:
        while self._kept:
            limit: Limit | None = None
            if self._verdicts > self._limits.verdicts:
                limit = "verdicts"
            elif self.held_bytes > self._limits.memory_bytes:
                limit = "memory"
            if limit is None:
                return
            self._on_forget(limit, self._drop(next(iter(self._kept))))

    def _drop(self, name: Name) -> int:
        """Returns the number of verdicts that it had."""
        gone = self._kept.pop(name, None)
        if gone is None:
            return 0
        self._verdicts -= len(gone.results)
        self.held_bytes -= gone.size
        return len(gone.results)


def _texts(results: Mapping[int, Result]) -> dict[int, Exchange]:
    return {index: one.exchange for index, one in results.items()}


def _size_of(exchange: Exchange) -> int:
    response = 0 if exchange.response is None else sys.getsizeof(exchange.response)
    return _EACH_BYTES + sys.getsizeof(exchange.prompt) + response
