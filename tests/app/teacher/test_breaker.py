"""The breaker against a plain account of what happened, and the rules that bound questions."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from postern.teacher.breaker import Breaker
from postern.teacher.shares import NearestShare, RetryBudget, SlidingShare

from tests.fakes import ManualClock

FAILURES, CALLS, OPEN_S = 3, 5, 10.0


class BreakerMachine(RuleBasedStateMachine):
    """Any order of questions, answers and waiting; several questions are out at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.breaker = Breaker(failures=FAILURES, calls=CALLS, open_s=OPEN_S, clock=self.clock)
        self.out: list[tuple[int, int]] = []  # ticket, and the turn it was given in
        self.turn = 0
        self.recent: deque[bool] = deque(maxlen=CALLS)
        self.opened_at: float | None = None

    @property
    def may_probe(self) -> bool:
        return self.opened_at is not None and self.clock.time_s - self.opened_at >= OPEN_S

    @property
    def probes(self) -> int:
        return sum(turn == self.turn for _, turn in self.out) if self.opened_at else 0

    @rule()
    def ask(self) -> None:
        expected = self.opened_at is None or (self.may_probe and not self.probes)
        assert self.breaker.refuses is not expected
        ticket = self.breaker.admit()
        assert (ticket is not None) is expected
        if ticket is not None:
            self.out.append((ticket, self.turn))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), end=st.sampled_from(["succeeded", "failed", "released"]))
    def answer(self, data: st.DataObject, end: str) -> None:
        ticket, turn = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        getattr(self.breaker, end)(ticket)
        if turn != self.turn or end == "released":
            return  # old news, or none
        self.recent.append(end == "failed")
        if self.opened_at is not None:
            self._turns(None if end == "succeeded" else self.clock.time_s)
        elif sum(self.recent) >= FAILURES:
            self._turns(self.clock.time_s)

    def _turns(self, opened_at: float | None) -> None:
        self.opened_at = opened_at
        self.recent.clear()
        self.turn += 1

    @rule(seconds=st.sampled_from([1.0, 5.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def its_state_is_that_of_the_account(self) -> None:
        expected = "closed" if self.opened_at is None else "half_open" if self.may_probe else "open"
        assert self.breaker.state == expected
        assert self.probes <= 1


BreakerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestBreaker = BreakerMachine.TestCase


def test_a_probe_that_is_given_up_makes_room_for_another() -> None:
    clock = ManualClock()
    breaker = Breaker(failures=1, calls=1, open_s=1.0, clock=clock)
    first = breaker.admit()
    assert first is not None
    breaker.failed(first)
    clock.advance(1.0)
    probe = breaker.admit()
    assert probe is not None
    assert breaker.admit() is None
    breaker.released(probe)
    again = breaker.admit()
    assert again is not None
    breaker.succeeded(again)
    assert breaker.state == "closed"


@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(0, 5), st.booleans()), max_size=60),
    st.floats(0.0, 1.0),
    st.integers(0, 3),
)
@settings(max_examples=100)
def test_the_cap_holds_in_every_window(
    events: list[tuple[float, int, bool]], share: float, at_least: int
) -> None:
    clock = ManualClock()
    cap = SlidingShare(share=share, window_s=6.0, at_least=at_least, clock=clock)
    came: list[float] = []
    taken: list[float] = []
    for wait_s, count, takes in events:
        clock.advance(wait_s)
        cap.come(count)
        came += [clock.time_s] * count
        if takes and cap.take():
            taken.append(clock.time_s)
            # A slice is a tenth of a second: what came in the last window, and at most one more.
            start = clock.time_s - 6.0
            in_window = sum(at > start + 0.1 for at in taken)
            assert in_window <= max(at_least, share * sum(at >= start for at in came))
    assert cap.came <= len(came)
    assert cap.taken <= len(taken)


def test_places_come_back_as_time_goes_by() -> None:
    clock = ManualClock()
    cap = SlidingShare(share=0.5, window_s=60.0, at_least=1, clock=clock)
    cap.come(4)
    assert [cap.take() for _ in range(3)] == [True, True, False]
    clock.advance(61.0)
    assert [cap.take() for _ in range(2)] == [True, False]


@given(st.floats(0.0, 1.0), st.integers(1, 300))
@settings(max_examples=50)
def test_retries_are_a_share_of_the_questions(share: float, questions: int) -> None:
    budget = RetryBudget(share)
    retries = 0
    for _ in range(questions):
        budget.asked()
        retries += budget.take()
    assert retries <= 1.0 + share * questions + 1e-6
    if share == 0.0:
        assert retries == 0


@given(st.lists(st.floats(0.0, 10.0), min_size=300, max_size=600), st.floats(0.01, 0.5))
@settings(max_examples=40)
def test_the_nearest_are_about_that_share(distances: list[float], share: float) -> None:
    nearest = NearestShare(share, memory=200, warm_up=50)
    found = [nearest.holds(distance) for distance in distances]
    assert found[:50] == [None] * 50
    for place in range(200, len(distances)):
        memory = distances[max(0, place - 200) : place]
        rank = sum(other <= distances[place] for other in memory)
        assert found[place] == (rank < share * len(memory))


@pytest.mark.parametrize("distance", [0.0, 1.0])
def test_a_flood_of_one_text_is_not_near_for_being_frequent(distance: float) -> None:
    nearest = NearestShare(0.1, memory=500, warm_up=50)
    found = [nearest.holds(distance) for _ in range(500)]
    assert not any(found[60:])


def test_the_nearest_follow_the_traffic() -> None:
    nearest = NearestShare(0.2, memory=100, warm_up=10)
    for index in range(300):
        nearest.holds(math.fmod(index * 0.618, 1.0))
    assert nearest.holds(0.01) is True
    assert nearest.holds(0.9) is False
    for index in range(300):
        nearest.holds(5.0 + math.fmod(index * 0.618, 1.0))
    assert nearest.holds(0.9) is True
