"""Exact bounds on rates: against scipy, and by their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.calibration.bounds import (
    binomial_cdf,
    incomplete_beta,
    rows_needed,
    supportable,
    upper_bound,
)
from scipy.special import betainc
from scipy.stats import beta, binom

COUNTS = st.integers(1, 100_000).flatmap(
    lambda n: st.tuples(st.integers(0, min(n, 2000)), st.just(n))
)
DELTAS = st.sampled_from([0.2, 0.1, 0.05, 0.01, 1e-4])


@given(st.floats(0.1, 1e5), st.floats(0.1, 1e5), st.floats(0.0, 1.0))
def test_the_incomplete_beta_function_is_scipys(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(float(betainc(a, b, x)), rel=1e-7, abs=1e-11)


@given(COUNTS, st.floats(1e-6, 1.0 - 1e-6))
def test_the_binomial_tail_is_scipys(counts: tuple[int, int], rate: float) -> None:
    events, n = counts
    expected = float(binom.cdf(events, n, rate))
    assert binomial_cdf(events, n, rate) == pytest.approx(expected, rel=1e-7, abs=1e-11)


@given(COUNTS, DELTAS)
def test_the_upper_bound_is_clopper_and_pearsons(counts: tuple[int, int], delta: float) -> None:
    events, n = counts
    expected = 1.0 if events == n else float(beta.ppf(1.0 - delta, events + 1, n - events))
    assert upper_bound(events, n, delta) == pytest.approx(expected, rel=1e-7, abs=1e-11)


@given(COUNTS, DELTAS)
def test_the_bound_lies_above_the_rate_and_rises_with_every_event(
    counts: tuple[int, int], delta: float
) -> None:
    events, n = counts
    bound = upper_bound(events, n, delta)
    assert events / n <= bound <= 1.0
    if events < n:
        assert bound < upper_bound(events + 1, n, delta) or bound == 1.0
        assert upper_bound(events, 2 * n, delta) < bound


@pytest.mark.parametrize(
    ("alpha", "delta", "needed"), [(0.01, 0.05, 299), (0.001, 0.05, 2995), (0.05, 0.05, 59)]
)
def test_the_known_sizes_without_a_miss(alpha: float, delta: float, needed: int) -> None:
    assert rows_needed(alpha, delta) == needed
    assert supportable(needed, delta) <= alpha < supportable(needed - 1, delta)


@given(st.floats(0.002, 0.5), DELTAS, st.integers(0, 30))
def test_the_size_that_is_asked_for_is_the_smallest_that_suffices(
    alpha: float, delta: float, events: int
) -> None:
    needed = rows_needed(alpha, delta, events=events)
    assert upper_bound(events, needed, delta) <= alpha + 1e-9
    assert needed == events + 1 or upper_bound(events, needed - 1, delta) > alpha - 1e-9


def test_the_bound_fails_no_more_often_than_it_says() -> None:
    """By its definition: over many samples of a known rate."""
    rng = np.random.default_rng(0)
    rate, n, delta = 0.03, 400, 0.1
    events = rng.binomial(n, rate, size=4000)
    bounds = {int(k): upper_bound(int(k), n, delta) for k in set(events.tolist())}
    failed = np.mean([bounds[int(k)] < rate for k in events])
    assert 0.0 < failed <= delta + 3 * np.sqrt(delta * (1 - delta) / 4000)
