"""Calibration and fusion: fitted on rows whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from postern.calibration.figures import nll
from postern.calibration.fit import METHODS, Sample, choose_calibration, fit, fit_fusion
from postern.contract.decision import Fusion
from postern.contract.probability import Calibration, harmful_probability, log_odds


def known_sample(truth: Calibration, *, size: int = 6000) -> Sample:
    """Margins whose labels were drawn with the probability that a calibration gives them."""
    rng = np.random.default_rng(0)
    margins = rng.normal(scale=4.0, size=size)
    probabilities = harmful_probability(margins, truth)
    return Sample(
        margins=margins,
        labels=(rng.random(size) < probabilities).astype(np.int64),
        weights=np.ones(size),
        folds=rng.integers(0, 5, size),
    )


def test_fit_finds_what_made_the_labels() -> None:
    found = fit(known_sample(Calibration(temperature=2.0, bias=-1.0)), "platt")

    assert found.temperature == pytest.approx(2.0, rel=0.1)
    assert found.bias == pytest.approx(-1.0, abs=0.1)


def test_beta_scaling_finds_both_temperatures() -> None:
    truth = Calibration(temperature=1.0, bias=0.5, temperature_unharmful=4.0)
    found, metrics = choose_calibration(known_sample(truth, size=20_000))

    assert metrics["method"] == "beta"
    assert found.temperature == pytest.approx(1.0, rel=0.15)
    assert found.temperature_unharmful == pytest.approx(4.0, rel=0.15)
    assert found.bias == pytest.approx(0.5, abs=0.15)


def test_bias_is_kept_only_where_unseen_folds_want_it() -> None:
    shifted, metrics = choose_calibration(known_sample(Calibration(temperature=2.0, bias=-1.0)))
    assert metrics["method"] == "platt"
    assert shifted.bias < -0.5
    assert metrics["ece_15_after"] < metrics["ece_15_before"]
    assert metrics["nll_after"] < metrics["nll_before"]


@pytest.mark.parametrize("method", METHODS)
def test_perfectly_separated_rows_give_a_finite_fit(method: str) -> None:
    margins = np.linspace(-5, 5, 40)
    sample = Sample(
        margins, (margins > 0).astype(np.int64), np.ones(40), np.arange(40, dtype=np.int64) % 5
    )
    found = fit(sample, method)  # type: ignore[arg-type]

    assert np.isfinite(found.bias)
    assert 0.04 < found.temperature < 21.0


def test_fusion_weighs_a_teacher_by_what_it_knows() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 8000)

    def opinion(noise: float) -> np.ndarray:
        return 1 / (1 + np.exp(-((2 * labels - 1) + rng.normal(scale=noise, size=8000))))

    poor, good, blind = opinion(3.0), opinion(0.8), rng.random(8000)
    found = fit_fusion(poor, good, labels)
    fused = np.array([found.probability(s, t) for s, t in zip(poor, good, strict=True)])

    assert found.teacher > 3 * found.student > 0
    assert nll(fused, labels) < min(nll(poor, labels), nll(good, labels))
    assert fit_fusion(poor, blind, labels).teacher == pytest.approx(0.0, abs=0.03)
    assert fit_fusion(poor, 1 - good, labels).teacher == 0.0  # never turned round


def test_log_odds_are_those_of_the_contract() -> None:
    values = np.array([0.0, 1e-12, 0.2, 0.5, 1.0])
    plain = Fusion(student=1.0, teacher=0.0)
    back = [plain.probability(value, 0.5) for value in values]
    assert 1 / (1 + np.exp(-log_odds(values))) == pytest.approx(back, abs=1e-12)
