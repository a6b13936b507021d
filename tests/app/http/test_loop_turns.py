"""When bytes can have come at the earliest: not after now, not before the last time of reading."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from postern.http.loop_turns import LoopTurns

from tests.fakes import ManualClock

MS = st.integers(0, 50)
# Of each turn: milliseconds of callbacks before it reads, and of the handling of each read.
TURNS = st.lists(st.tuples(MS, st.lists(MS, max_size=4)), min_size=1, max_size=12)


class TurningLoop:
    """An event loop by hand: in each turn first what was called soon, then what is read."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.ready: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    def call_soon(self, callback: Callable[..., Any], *arguments: Any) -> None:
        self.ready.append((callback, arguments))

    def turn(self, turns: LoopTurns, work_s: float, reads_s: list[float]) -> list[float]:
        for _ in range(len(self.ready)):
            callback, arguments = self.ready.popleft()
            callback(*arguments)
        self.clock.advance(work_s)
        came = []
        for seconds in reads_s:
            came.append(turns.came(cast(Any, self)))
            assert came[-1] <= self.clock()
            self.clock.advance(seconds)
        return came


@given(plan=TURNS)
def test_what_is_read_came_after_the_turn_before_had_begun_to_read(
    plan: list[tuple[int, list[int]]],
) -> None:
    clock = ManualClock()
    loop, turns = TurningLoop(clock), LoopTurns(clock)
    before: float | None = None  # when the turn before began to read; None where it read nothing
    for work, reads in plan:
        came = loop.turn(turns, work / 1000.0, [one / 1000.0 for one in reads])
        spent = sum(reads) / 1000.0
        if came:
            began = clock() - spent
            expected = began if before is None else before
            assert abs(came[0] - expected) < 1e-9
            if before is not None:
                assert set(came) == {came[0]}  # all that is read now may have come that early
                assert abs(turns.turn_s - (began - before)) < 1e-9
            before = began
        else:
            before = None


def test_it_costs_nothing_while_nothing_is_read() -> None:
    clock = ManualClock()
    loop, turns = TurningLoop(clock), LoopTurns(clock)
    loop.turn(turns, 0.0, [0.0])
    for _ in range(3):
        loop.turn(turns, 0.0, [])
    assert not loop.ready
    assert turns.turn_s == 0.0
