"""Figures: known values, bounds, and monotony."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from model_training.measures import figures as scores

PROBABILITY = st.floats(0.0, 1.0)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels with at least one row of each label."""
    size = draw(st.integers(2, 40))
    values = draw(st.lists(PROBABILITY, min_size=size, max_size=size))
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), min_size=size - 2, max_size=size - 2))]
    return np.array(values), np.array(labels, dtype=np.int64)


def test_known_figures() -> None:
    values = np.array([0.1, 0.4, 0.35, 0.8])
    labels = np.array([0, 0, 1, 1], dtype=np.int64)

    assert scores.auprc(values, labels) == pytest.approx(0.8333, abs=1e-4)
    assert scores.f1(values, labels, threshold=0.35) == pytest.approx(0.8)
    assert scores.recall(values, labels, threshold=0.5) == 0.5
    assert scores.false_positive_rate(values, labels, threshold=0.4) == 0.5
    assert scores.recall_at_fpr(values, labels, rate=0.0) == 0.5
    assert scores.recall_at_fpr(values, labels, rate=0.5) == 1.0
    assert scores.brier(np.array([0.0, 1.0]), np.array([0, 1])) == 0.0
    assert scores.nll(np.array([0.5, 0.5]), np.array([0, 1])) == pytest.approx(np.log(2))


@given(scored() | scored().map(lambda rows: (np.round(rows[0], 1), rows[1])), PROBABILITY)
@settings(deadline=None)
def test_the_figures_are_those_of_scikit_learn(
    rows: tuple[np.ndarray, np.ndarray], threshold: float
) -> None:
    """To the last bit, ties and all: published reports were made with it."""
    values, labels = rows
    assert scores.auprc(values, labels) == average_precision_score(labels, values)
    expected = precision_recall_fscore_support(
        labels, values >= threshold, average="binary", zero_division=0.0
    )
    assert scores.precision_recall_f1(values, labels, threshold=threshold) == expected[:3]


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_score_that_is_not_finite_has_no_rank(score: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        scores.auprc(np.array([0.5, score]), np.array([0, 1]))


def test_calibration_error_of_a_constant_is_its_distance_from_the_rate() -> None:
    labels = np.array([0, 0, 0, 1], dtype=np.int64)

    assert scores.expected_calibration_error(np.full(4, 0.25), labels) == pytest.approx(0.0)
    assert scores.expected_calibration_error(np.full(4, 0.9), labels) == pytest.approx(0.65)


def test_calibration_error_counts_the_edges_of_the_scale() -> None:
    probabilities = np.array([0.0, 1.0])

    assert scores.expected_calibration_error(probabilities, np.array([0, 1])) == 0.0
    assert scores.expected_calibration_error(probabilities, np.array([1, 0])) == 1.0


def test_weights_count_as_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.random(50), rng.integers(0, 2, 50)
    weights = rng.integers(1, 4, 50)
    repeated, labels_repeated = np.repeat(values, weights), np.repeat(labels, weights)
    for figure in (scores.expected_calibration_error, scores.nll):
        assert figure(values, labels, weights=weights.astype(np.float64)) == pytest.approx(
            figure(repeated, labels_repeated)
        )
    for threshold in (scores.threshold_at_fpr, scores.threshold_at_recall):
        assert threshold(
            values, labels, rate=0.3, weights=weights.astype(np.float64)
        ) == pytest.approx(threshold(repeated, labels_repeated, rate=0.3))


@given(scored(), PROBABILITY)
@settings(deadline=None)
def test_thresholds_keep_their_promise(rows: tuple[np.ndarray, np.ndarray], rate: float) -> None:
    values, labels = rows
    at_fpr = scores.threshold_at_fpr(values, labels, rate=rate)
    at_recall = scores.threshold_at_recall(values, labels, rate=rate)

    assert scores.false_positive_rate(values, labels, threshold=at_fpr) <= rate + 1e-9
    assert scores.recall(values, labels, threshold=at_recall) >= rate - 1e-9


@given(scored())
@settings(deadline=None, max_examples=20)
def test_no_threshold_beats_the_one_of_best_f1(rows: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = rows
    best = scores.f1(values, labels, threshold=scores.threshold_at_best_f1(values, labels))

    assert all(scores.f1(values, labels, threshold=value) <= best + 1e-9 for value in values)


@given(scored())
@settings(deadline=None)
def test_figures_stay_in_their_range(rows: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = rows
    for figure in (scores.auprc, scores.brier, scores.expected_calibration_error):
        assert 0.0 <= figure(values, labels) <= 1.0
    assert scores.nll(values, labels) >= 0.0


@given(scored(), st.sampled_from([0.01, 0.05, 0.2]))
@settings(deadline=None)
def test_recall_rises_with_the_allowed_false_positives(
    rows: tuple[np.ndarray, np.ndarray], rate: float
) -> None:
    values, labels = rows

    assert scores.recall_at_fpr(values, labels, rate=rate) <= scores.recall_at_fpr(
        values, labels, rate=2 * rate
    )


def test_bootstrap_is_seeded_and_holds_the_figure() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    values = labels * 0.5 + rng.random(300)
    first, again = (
        scores.bootstrap_interval(scores.auprc, values, labels, n_resamples=100, seed=3)
        for _ in range(2)
    )

    assert first == again
    assert first[0] < scores.auprc(values, labels) < first[1]


@pytest.mark.parametrize(
    "figure", [scores.expected_calibration_error, scores.brier, scores.nll, scores.auprc]
)
def test_nothing_to_score_is_an_error(figure: object) -> None:
    assert callable(figure)
    with pytest.raises(scores.EmptyInput):
        figure(np.zeros(0), np.zeros(0, dtype=np.int64))


def test_a_missing_label_is_an_error() -> None:
    values = np.array([0.2, 0.3])
    with pytest.raises(scores.EmptyInput, match="label 1"):
        scores.recall(values, np.zeros(2, dtype=np.int64), threshold=0.5)
    with pytest.raises(scores.EmptyInput, match="label 0"):
        scores.false_positive_rate(values, np.ones(2, dtype=np.int64), threshold=0.5)
