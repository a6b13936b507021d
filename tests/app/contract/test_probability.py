"""Logits -> probability: rises with the margin, stays in [0, 1], never overflows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.probability import (
    LEAST_PROBABILITY,
    Calibration,
    harmful_margin,
    harmful_probability,
    log_odds,
    log_odds_of,
    sigmoid,
    sigmoids,
)
from pydantic import ValidationError

MARGINS = st.floats(-1e6, 1e6)
CALIBRATIONS = st.builds(Calibration, temperature=st.floats(0.05, 20.0), bias=st.floats(-5.0, 5.0))


@given(st.lists(MARGINS, min_size=2, max_size=50), CALIBRATIONS)
@settings(max_examples=100)
def test_probability_rises_with_the_margin(margins: list[float], calibration: Calibration) -> None:
    ordered = np.sort(np.array(margins))
    probabilities = harmful_probability(ordered, calibration)
    assert (np.diff(probabilities) >= 0.0).all()
    assert ((probabilities >= 0.0) & (probabilities <= 1.0)).all()


@given(st.floats(-20.0, 20.0), st.floats(0.05, 3.0))
@settings(max_examples=100)
def test_it_rises_strictly_where_floats_can_show_it(margin: float, step: float) -> None:
    low, high = harmful_probability(np.array([margin, margin + step]), Calibration(temperature=1.0))
    assert low < high


@given(MARGINS)
@settings(max_examples=50)
def test_the_labels_are_each_others_mirror(margin: float) -> None:
    plain = Calibration(temperature=2.0)
    there, back = harmful_probability(np.array([margin, -margin]), plain)
    assert there + back == pytest.approx(1.0)


def test_known_values() -> None:
    margins = np.array([0.0, math.log(3.0), -1e308, 1e308])
    plain = harmful_probability(margins, Calibration(temperature=1.0))
    np.testing.assert_allclose(plain, [0.5, 0.75, 0.0, 1.0])
    halved = harmful_probability(np.array([math.log(9.0)]), Calibration(temperature=2.0))
    np.testing.assert_allclose(halved, [0.75])
    biased = harmful_probability(np.array([0.0]), Calibration(temperature=5.0, bias=math.log(3.0)))
    np.testing.assert_allclose(biased, [0.75])


def test_the_margin_is_harmful_minus_unharmful_in_float64() -> None:
    margins = harmful_margin(np.array([[1.0, 3.5], [2.0, -1.0]], dtype=np.float32))
    np.testing.assert_array_equal(margins, [2.5, -3.0])
    assert margins.dtype == np.float64


@pytest.mark.parametrize("values", [{"temperature": 0.0}, {"temperature": -1.0}, {}])
def test_a_calibration_that_turns_verdicts_round_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Calibration(**values)
    for not_finite in (math.inf, math.nan):
        with pytest.raises(ValidationError):
            Calibration(temperature=not_finite)
        with pytest.raises(ValidationError):
            Calibration(temperature=1.0, bias=not_finite)


@given(st.lists(st.floats(-700.0, 700.0) | st.sampled_from([-np.inf, np.inf]), max_size=9))
def test_sigmoid_never_overflows_and_has_its_mirror(odds: list[float]) -> None:
    found = sigmoids(np.array(odds, dtype=np.float64))
    assert ((found >= 0.0) & (found <= 1.0)).all()
    np.testing.assert_allclose(sigmoids(-np.array(odds, dtype=np.float64)), 1.0 - found, atol=1e-15)
    np.testing.assert_allclose(found, [sigmoid(one) for one in odds], rtol=1e-15)


@given(st.floats(0.0, 1.0))
def test_log_odds_and_sigmoid_undo_each_other(probability: float) -> None:
    inside = min(max(probability, LEAST_PROBABILITY), 1.0 - LEAST_PROBABILITY)
    assert sigmoid(log_odds_of(probability)) == pytest.approx(inside, rel=1e-9)
    assert log_odds(np.array([probability]))[0] == pytest.approx(
        log_odds_of(probability), rel=1e-12
    )
