"""The head finds what was planted in the states, and finds nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from postern.contract.value import sides_and_distances

from model_training.errors import DataInvalid
from model_training.studies.value_head import FittedValue, ValueSample, fit_value

N, D = 3000, 6


def sample_of(*, planted: float, seed: int = 0) -> ValueSample:
    """Repair grows with state 0 below the threshold and with state 1 above it; harm with state 2.

    planted: log-odds for each standard deviation of a state; 0: only the distance tells.
    """
    rng = np.random.default_rng(seed)
    states = rng.normal(loc=3.0, scale=[1, 5, 0.2, 1, 1, 1], size=(N, D))
    probabilities = rng.uniform(0.02, 0.98, size=N)
    thresholds = np.full(N, 0.4)
    side, distances = sides_and_distances(probabilities, thresholds)
    z = (states - 3.0) / [1, 5, 0.2, 1, 1, 1]

    def drawn(odds: np.ndarray) -> np.ndarray:
        return np.asarray(rng.random(N) < 1 / (1 + np.exp(-odds)))

    repair = drawn(planted * z[np.arange(N), side] - 1.0 - distances)
    harm = ~repair & drawn(planted * z[:, 2] - 2.5 - distances)
    slices = np.where(rng.random(N) < 0.3, "pair", "prompt")
    return ValueSample(
        states, probabilities, thresholds, slices, repair, harm, rng.integers(0, 5, size=N)
    )


def gains_of(fitted: FittedValue, sample: ValueSample) -> np.ndarray:
    outputs = sample.states @ fitted.weights + fitted.bias
    found = np.empty(N)
    for name, head in fitted.heads.items():
        here = sample.slices == name
        found[here] = head.gains(outputs[here], sample.probabilities[here], sample.thresholds[here])
    return found


def won(sample: ValueSample, scores: np.ndarray, share: float = 0.1) -> int:
    """Repaired less harmed verdicts when the highest scores are deferred."""
    chosen = np.argsort(-scores)[: int(share * N)]
    return int(sample.repair[chosen].sum() - sample.harm[chosen].sum())


def test_a_planted_direction_is_found_and_pays_on_unseen_rows() -> None:
    fitted, unseen = fit_value(sample_of(planted=2.0), share=0.1), sample_of(planted=2.0, seed=1)
    # What counts of each column is its own state, in standard deviations.
    strength = np.abs(fitted.weights * np.array([1, 5, 0.2, 1, 1, 1])[:, None])
    assert strength.argmax(axis=0).tolist() == [0, 1, 2, 2]
    assert (strength.max(axis=0) > 3 * np.sort(strength, axis=0)[-2]).all()
    _, distances = sides_and_distances(unseen.probabilities, unseen.thresholds)
    assert won(unseen, gains_of(fitted, unseen)) > 1.3 * won(unseen, -distances)
    assert all(found["ridge"] for found in fitted.metrics["repair"].values())


def test_without_a_signal_in_the_states_the_band_is_left() -> None:
    sample = sample_of(planted=0.0)
    fitted = fit_value(sample, share=0.1)
    assert not fitted.weights.any()
    assert not fitted.bias.any()
    gains = gains_of(fitted, sample)
    side, distances = sides_and_distances(sample.probabilities, sample.thresholds)
    for name, head in fitted.heads.items():
        assert set(fitted.metrics["repair"]) == {"unharmful", "harmful"}
        assert max(head.repair.slope) < 0.0
        for here in ((sample.slices == name) & (side == one) for one in (0, 1)):
            asked = gains[here] >= head.threshold
            if asked.any() and not asked.all():
                assert distances[here][asked].max() < distances[here][~asked].min()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_no_more_than_the_share_is_asked_about_and_never_at_a_loss(share: float) -> None:
    sample = sample_of(planted=1.0)
    fitted = fit_value(sample, share=share)
    gains = gains_of(fitted, sample)
    for name, head in fitted.heads.items():
        assert head.threshold >= 0.0
        asked = (gains >= head.threshold)[sample.slices == name].mean()
        # Fitted on unseen folds, so that it is the share of traffic and not of these rows.
        assert asked < share + 0.03


def test_a_slice_without_rows_gets_no_head() -> None:
    sample = sample_of(planted=1.0)
    sample.slices[:] = "prompt"
    assert set(fit_value(sample, share=0.1).heads) == {"prompt"}


def test_too_few_repairs_are_refused() -> None:
    sample = sample_of(planted=1.0)
    sample.repair[np.flatnonzero(sample.repair)[19:]] = False
    with pytest.raises(DataInvalid, match="puts 19 of 3000 verdicts right"):
        fit_value(sample, share=0.1)
