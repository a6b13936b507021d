"""The search for the highest rate ends, and ends where it should."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtests.search import highest_rate


@given(st.floats(0.2, 5000.0), st.floats(0.5, 1000.0), st.sampled_from([0.02, 0.05, 0.2]))
def test_it_finds_the_capacity(capacity: float, start: float, precision: float) -> None:
    rate, seen = highest_rate(
        lambda asked: asked, lambda asked: asked <= capacity, start=start, precision=precision
    )
    assert rate is not None
    assert rate <= capacity < rate * (1.0 + precision)
    assert rate in [asked for asked, _ in seen]
    assert seen == sorted(seen)


def test_one_hiccup_does_not_end_the_climb() -> None:
    hiccups = {15.0}

    def passes(rate: float) -> bool:
        if rate in hiccups:
            hiccups.remove(rate)
            return False
        return rate <= 100.0

    rate, _ = highest_rate(lambda asked: asked, passes, start=10.0)
    assert rate is not None
    assert rate > 95.0


def test_a_server_that_carries_nothing_has_no_rate() -> None:
    rate, seen = highest_rate(lambda asked: asked, lambda _: False, start=10.0)
    assert rate is None
    assert seen
