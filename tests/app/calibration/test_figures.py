"""The figures that need no scikit-learn are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.calibration import figures
from sklearn.metrics import brier_score_loss, f1_score, log_loss, precision_recall_curve


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties, labels with at least one harmful row, weights."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    size = draw(st.integers(2, 60))
    values = rng.integers(0, draw(st.integers(1, 40)) + 1, size) / 40
    labels = rng.integers(0, 2, size)
    labels[:2] = 0, 1
    return values, labels, rng.integers(1, 4, size).astype(np.float64)


@given(scored())
def test_they_are_scikit_learns(rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    values, labels, weights = rows
    inside = np.clip(values, 1e-12, 1 - 1e-12)
    expected = log_loss(labels, inside, labels=[0, 1], sample_weight=weights)
    assert figures.nll(values, labels, weights=weights) == pytest.approx(expected)
    assert figures.brier(values, labels) == pytest.approx(brier_score_loss(labels, values))


@given(scored())
def test_best_f1_is_that_of_the_precision_recall_curve(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    values, labels, weights = rows
    found = figures.threshold_at_best_f1(values, labels, weights=weights)
    precision, recall, _ = precision_recall_curve(labels, values, sample_weight=weights)
    best = (2 * precision * recall / np.maximum(precision + recall, 1e-12))[:-1].max()
    assert found in values
    assert f1_score(labels, values >= found, sample_weight=weights) == pytest.approx(best)


@given(scored())
def test_equal_mass_bins_see_what_they_should(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    values, labels, _ = rows
    assert 0.0 <= figures.equal_mass_calibration_error(values, labels) <= 1.0
    whole = figures.equal_mass_calibration_error(values, labels, n_bins=1)
    assert whole == pytest.approx(abs(values.mean() - labels.mean()))
    assert whole <= figures.equal_mass_calibration_error(values, labels) + 1e-12
