"""Edges keep what they state: as laws, and at the stated confidence over many samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.calibration.guarantee import GRID, bound, lower_edge, upper_edge
from postern.contract.probability import Calibration, harmful_probability

from tests.app.calibration.samples import Population

SHARES = st.sampled_from([0.01, 0.05, 0.1, 0.3])
PROBABILITIES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=300).map(np.array)
PLAIN = Calibration(temperature=0.5)


@given(PROBABILITIES, SHARES, SHARES)
def test_the_counted_bound_is_within_alpha_or_the_edge_is_trivial(
    values: np.ndarray, alpha: float, delta: float
) -> None:
    low = lower_edge(values, alpha=alpha, delta=delta)
    high = upper_edge(values, alpha=alpha, delta=delta)
    for edge, beyond, trivial in (
        (low, values < low.threshold, 0.0),
        (high, values > high.threshold, 1.0),
    ):
        assert edge.bound.events == beyond.sum()
        assert edge.bound.n == len(values)
        assert edge.bound.upper_bound <= alpha + 1e-9 or edge.threshold == trivial


@given(PROBABILITIES, SHARES)
def test_the_two_edges_are_mirrors(values: np.ndarray, alpha: float) -> None:
    low = lower_edge(values, alpha=alpha, delta=0.05)
    high = upper_edge(1.0 - values, alpha=alpha, delta=0.05)
    assert low.threshold == pytest.approx(1.0 - high.threshold, abs=0.02)


@given(PROBABILITIES)
def test_asking_for_more_never_narrows_the_band(values: np.ndarray) -> None:
    lows = [lower_edge(values, alpha=a, delta=0.05).threshold for a in (0.01, 0.05, 0.2)]
    highs = [upper_edge(values, alpha=a, delta=0.05).threshold for a in (0.01, 0.05, 0.2)]
    assert lows == sorted(lows)
    assert highs == sorted(highs, reverse=True)


def test_too_few_rows_certify_nothing() -> None:
    assert lower_edge(np.full(58, 0.9), alpha=0.05, delta=0.05).threshold == 0.0
    assert lower_edge(np.full(59, 0.9), alpha=0.05, delta=0.05).threshold == pytest.approx(
        GRID[GRID <= 0.9].max()
    )


@pytest.mark.parametrize(("alpha", "delta"), [(0.05, 0.1), (0.01, 0.2)])
def test_stated_bounds_hold_at_the_stated_confidence(alpha: float, delta: float) -> None:
    """The true rate beyond an edge exceeds alpha in at most a share delta of the samples."""
    population, rng, draws, failed = Population(apart=2.0), np.random.default_rng(0), 1000, [0, 0]
    for _ in range(draws):
        harmful = harmful_probability(rng.normal(1.0, 1.0, size=500), PLAIN)
        unharmful = harmful_probability(rng.normal(-1.0, 1.0, size=500), PLAIN)
        low = lower_edge(harmful, alpha=alpha, delta=delta).threshold
        high = upper_edge(unharmful, alpha=alpha, delta=delta).threshold
        failed[0] += population.rate_below(low, PLAIN) > alpha
        failed[1] += population.rate_above(high, PLAIN) > alpha
    allowed = draws * delta + 4 * np.sqrt(draws * delta * (1 - delta))
    assert max(failed) <= allowed
    # And not because nothing is ever claimed: exact bounds on this many rows come close to delta.
    assert min(failed) > draws * delta / 5


def test_without_room_for_the_bound_the_check_would_fail() -> None:
    """The same check, on edges at the observed rate: it must notice that they claim too much."""
    population, rng, failed = Population(apart=2.0), np.random.default_rng(0), 0
    for _ in range(300):
        harmful = harmful_probability(rng.normal(1.0, 1.0, size=500), PLAIN)
        naive = float(np.quantile(harmful, 0.05))
        failed += population.rate_below(naive, PLAIN) > 0.05
    assert failed > 300 * 0.1 + 4 * np.sqrt(300 * 0.1 * 0.9)


def test_a_counted_rate_and_its_bound() -> None:
    found = bound(np.array([True] + [False] * 99), delta=0.05)
    assert (found.events, found.n, found.rate) == (1, 100, 0.01)
    assert found.upper_bound == pytest.approx(0.0466, abs=1e-4)
