"""Predictions are corrected by what became of others, within bounds, and never the wrong way."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.inference.hindsight import Hindsight

SECONDS = st.floats(1e-6, 1e3)
SEEN = st.lists(st.tuples(SECONDS, SECONDS, SECONDS), max_size=40)


def looked_back(seen: list[tuple[float, float, float]]) -> Hindsight:
    hindsight = Hindsight()
    for predicted, actual, available in seen:
        hindsight.observe(predicted_s=predicted, actual_s=actual, available_s=available)
    return hindsight


@given(seen=SEEN)
def test_the_factor_is_bounded(seen: list[tuple[float, float, float]]) -> None:
    assert 1.0 <= looked_back(seen).factor <= 4.0


@given(seen=SEEN, predicted=SECONDS, available=SECONDS, quick=SECONDS, slow=SECONDS)
def test_what_took_longer_never_makes_the_next_prediction_shorter(
    seen: list[tuple[float, float, float]],
    predicted: float,
    available: float,
    quick: float,
    slow: float,
) -> None:
    quick, slow = sorted((quick, slow))
    after_quick = looked_back(seen)
    after_slow = copy.deepcopy(after_quick)
    after_quick.observe(predicted_s=predicted, actual_s=quick, available_s=available)
    after_slow.observe(predicted_s=predicted, actual_s=slow, available_s=available)
    assert after_quick.factor <= after_slow.factor + 1e-9


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.7, 3.0, 20.0])
def test_what_is_always_so_late_is_expected_to_be(ratio: float) -> None:
    hindsight = looked_back([(1.0, ratio, 1.0)] * 2000)
    assert hindsight.factor == pytest.approx(min(max(ratio, 1.0), 4.0), rel=0.01)


def test_it_recovers_when_the_machine_does() -> None:
    hindsight = looked_back([(1.0, 5.0, 1.0)] * 500 + [(1.0, 1.0, 1.0)] * 1000)
    assert hindsight.factor == pytest.approx(1.0, abs=0.02)


def test_an_idle_servers_predictions_tell_little() -> None:
    """Their errors are those of threads and sockets, and nobody was near a deadline."""
    hindsight = looked_back([(0.003, 0.02, 10.0)] * 1000)
    assert hindsight.factor < 1.5
    assert looked_back([(0.0, 1.0, 1.0), (1.0, 1.0, -1.0)]).factor == Hindsight().factor
