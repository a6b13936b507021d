"""Thresholds and deferral bands: their laws hold for any student."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.calibration.operating_points import deferral_band, operating_points

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
