"""Thresholds and deferral bands: their laws hold for any student."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.calibration.figures import threshold_at_best_expected_f1, threshold_at_best_f1
from postern.calibration.operating_points import deferral_band, operating_points
from postern.contract.errors import EmptyInput

PROBABILITY = st.floats(0.0, 1.0)


@given(st.integers(0, 10_000), st.floats(-1.0, 3.0))
@settings(deadline=None, max_examples=60)
def test_strict_is_never_above_balanced_nor_balanced_above_permissive(
    seed: int, separation: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], rng.integers(0, 2, 60)])
    probabilities = 1 / (1 + np.exp(-(separation * (2 * labels - 1) + rng.normal(size=62))))
    points = operating_points(probabilities, labels, rng.random(62) + 0.1)
    thresholds = [points[name].threshold for name in ("strict", "balanced", "permissive")]

    assert thresholds == sorted(thresholds)
    for point in points.values():
        low, high = point.deferral_band
        assert 0.0 <= low <= point.threshold <= high <= 1.0


def test_points_keep_their_promise_on_a_good_student() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 4000)
    probabilities = 1 / (1 + np.exp(-2 * ((2 * labels - 1) + rng.normal(size=4000))))
    points = operating_points(probabilities, labels, np.ones(4000))

    assert np.mean(probabilities[labels == 1] >= points["strict"].threshold) >= 0.95
    assert np.mean(probabilities[labels == 0] >= points["permissive"].threshold) <= 0.01


@given(st.lists(st.tuples(PROBABILITY, st.floats(0.1, 9.0)), min_size=1, max_size=80))
@settings(deadline=None)
def test_no_threshold_has_a_higher_expected_f1(values: list[tuple[float, float]]) -> None:
    probabilities, weights = np.array(values).T

    def expected_f1(threshold: float) -> float:
        flagged = probabilities >= threshold
        found = (weights * probabilities)[flagged].sum()
        return float(2 * found / max(weights[flagged].sum() + weights @ probabilities, 1e-300))

    balanced = threshold_at_best_expected_f1(probabilities, weights=weights)
    best = max(map(expected_f1, probabilities))
    assert expected_f1(balanced) == pytest.approx(best, abs=1e-9)
    assert balanced == pytest.approx(best / 2)


def test_balanced_hardly_moves_from_sample_to_sample() -> None:
    rng = np.random.default_rng(0)
    balanced, observed = [], []
    for _ in range(60):
        margins = 3.0 * rng.normal(size=600) - 1.0
        probabilities = 1 / (1 + np.exp(-margins))
        labels = (rng.random(600) < probabilities).astype(np.int64)
        balanced.append(operating_points(probabilities, labels, np.ones(600))["balanced"].threshold)
        observed.append(threshold_at_best_f1(probabilities, labels))
    assert np.std(balanced) < 0.2 * np.std(observed)
    assert np.mean(balanced) == pytest.approx(np.mean(observed), abs=0.03)


def test_points_need_harm() -> None:
    with pytest.raises(EmptyInput):
        operating_points(np.array([0.1, 0.2]), np.array([0, 0]), np.ones(2))


@given(st.lists(PROBABILITY, min_size=1, max_size=200), PROBABILITY, st.floats(0.0, 0.5))
@settings(deadline=None)
def test_a_band_holds_its_threshold_and_at_most_its_share(
    values: list[float], threshold: float, share: float
) -> None:
    probabilities = np.array(values)
    low, high = deferral_band(probabilities, np.ones(len(values)), threshold=threshold, share=share)
    inside = (probabilities >= low) & (probabilities <= high)

    assert 0.0 <= low <= threshold <= high <= 1.0
    # A band cannot be narrower than its threshold, on which rows may lie.
    assert inside.mean() <= share or low == high == threshold


@given(st.lists(PROBABILITY, min_size=1, max_size=200), PROBABILITY)
@settings(deadline=None)
def test_a_larger_share_never_narrows_the_band(values: list[float], threshold: float) -> None:
    probabilities, weights = np.array(values), np.ones(len(values))
    narrow = deferral_band(probabilities, weights, threshold=threshold, share=0.05)
    wide = deferral_band(probabilities, weights, threshold=threshold, share=0.2)

    assert wide[0] <= narrow[0]
    assert narrow[1] <= wide[1]
