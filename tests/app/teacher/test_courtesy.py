"""A teacher beside the student takes no more than its share, and all of it when nobody minds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.teacher.courtesy import Courtesy

GAP_S = 0.005


class World:
    """A clock, and a student who works and rests by a plan; time passes in `pass_time` alone."""

    def __init__(self, plan: list[float], *, share: float) -> None:
        self.now = 100.0
        self.works = False
        self.worked_s = 0.0
        self.waited_s = 0.0
        self._plan = [*plan, float("inf")]
        self.starved = False
        self.courtesy = Courtesy(
            share,
            clock=lambda: self.now,
            processor_s=lambda: 0.0 if self.starved else self.now,
            sleep=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        assert 0.0 < seconds <= 0.25
        self.waited_s += seconds
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> float:
        """How long the student worked meanwhile."""
        worked = 0.0
        while seconds > 0.0:
            step = min(seconds, self._plan[0])
            self.now += step
            seconds -= step
            self._plan[0] -= step
            worked += step if self.works else 0.0
            if self._plan[0] <= 0.0:
                self._plan.pop(0)
                self.works = not self.works
                self.courtesy.student_works(self.works)
        self.worked_s += worked
        return worked


durations = st.floats(0.0005, 0.5)


@given(
    plan=st.lists(durations, max_size=40),
    batches=st.lists(durations, min_size=1, max_size=20),
    share=st.floats(0.01, 1.0),
)
def test_beside_the_student_it_runs_for_its_share_its_rests_and_one_batch_at_most(
    plan: list[float], batches: list[float], share: float
) -> None:
    world = World(plan, share=share)
    both = 0.0
    for batch in batches:
        both += world.courtesy.run(lambda seconds=batch: world.pass_time(seconds))  # type: ignore[misc]
    rested = world.now - 100.0 - world.worked_s
    assert both <= share * world.worked_s + rested + max(batches) + 1e-6


@given(
    batches=st.lists(durations, min_size=1, max_size=20),
    gaps=st.lists(st.floats(0.0, GAP_S), min_size=1, max_size=20),
    share=st.floats(0.01, 1.0),
)
def test_beside_a_student_who_never_rests_it_runs_for_its_share_and_one_batch_at_most(
    batches: list[float], gaps: list[float], share: float
) -> None:
    """Short gaps between the student's batches are no rest."""
    world = World([0.001, *(one for gap in gaps * 400 for one in (0.3, gap))], share=share)
    both = 0.0
    for batch in batches:
        both += world.courtesy.run(lambda seconds=batch: world.pass_time(seconds))  # type: ignore[misc]
    longest = max(batches) + 0.02  # before its first batch the student is at rest
    assert both <= share * (world.now - 100.0) + longest


def test_who_never_rests_is_disturbed_for_a_twentieth_of_the_time() -> None:
    """A busy student has short gaps between its batches; they count as work."""
    world = World([0.001, *[0.02, GAP_S / 2] * 4000], share=0.05)
    both = sum(world.courtesy.run(lambda: world.pass_time(0.03)) for _ in range(100))
    assert both < 0.05 * (world.now - 100.0) + 0.04
    assert 40.0 < world.waited_s < 80.0  # a hundred batches of 0.03 s take a minute, not forever


def test_nobody_waits_for_a_student_at_rest() -> None:
    world = World([10.0, 0.1], share=0.05)
    for _ in range(50):
        world.courtesy.run(lambda: world.pass_time(0.1))
    assert world.waited_s == 0.0
    world.pass_time(5.05)  # into its work
    world.courtesy.run(lambda: world.pass_time(0.05))
    world.courtesy.run(lambda: world.pass_time(0.05))
    assert world.waited_s == pytest.approx(0.0475 + GAP_S, abs=0.002)  # what was owed, at rest


def test_who_got_no_core_owes_nothing() -> None:
    world = World([0.001, 1000.0], share=0.05)
    world.starved = True
    for _ in range(10):
        world.courtesy.run(lambda: world.pass_time(5.0))
    assert world.waited_s == 0.0


def test_without_a_limit_it_never_waits() -> None:
    world = World([0.001, 1000.0], share=1.0)
    for _ in range(50):
        world.courtesy.run(lambda: world.pass_time(0.1))
    assert world.waited_s == 0.0


def test_what_raises_is_owed_too() -> None:
    world = World([0.001, 1000.0], share=0.5)

    def fails() -> None:
        world.pass_time(0.1)
        raise ValueError("its own")

    world.pass_time(0.002)
    with pytest.raises(ValueError, match="its own"):
        world.courtesy.run(fails)
    world.courtesy.run(lambda: None)
    assert world.waited_s == pytest.approx(0.1, rel=0.05)
