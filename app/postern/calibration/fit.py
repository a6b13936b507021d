"""Margins and labels -> the calibration that is most likely on unseen rows. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from postern.calibration.figures import Ints, expected_calibration_error, nll
from postern.calibration.logistic import fit_logistic
from postern.contract.decision import Fusion
from postern.contract.probability import Calibration, Floats, harmful_probability, log_odds

Method = Literal["temperature", "platt", "beta"]

METHODS: Final[tuple[Method, ...]] = ("temperature", "platt", "beta")
N_FOLDS: Final = 5
UNCALIBRATED: Final = Calibration(temperature=1.0)

# Temperatures from e^-3 to e^3: perfectly separated rows do not diverge.
_INVERSE_TEMPERATURES: Final = (float(np.exp(-3.0)), float(np.exp(3.0)))
_BIASES: Final = (-10.0, 10.0)
_FUSION_WEIGHTS: Final = (0.0, 10.0)


@dataclass(frozen=True)
class Sample:
    """One slice. margins: (n,) nats; labels: (n,) 0 or 1; weights: (n,) > 0; folds: (n,) of 5."""

    margins: Floats
    labels: Ints
    weights: Floats
    folds: Ints

    def part(self, where: npt.NDArray[np.bool_]) -> Sample:
        """The rows for which the mask is true."""
        return Sample(
            self.margins[where], self.labels[where], self.weights[where], self.folds[where]
        )

    @property
    def has_both_labels(self) -> bool:
        """Whether it can be fitted at all."""
        return len(set(self.labels.tolist())) == 2


def choose_calibration(sample: Sample) -> tuple[Calibration, dict[str, Any]]:
    """Temperature, Platt or beta scaling: the most likely on unseen folds, the simplest of equals.

    Returns the fit on all rows, and figures of the out-of-fold probabilities.
    """
    out_of_fold = {method: _out_of_fold(sample, method) for method in METHODS}
    likelihood = {
        method: nll(found, sample.labels, weights=sample.weights)
        for method, found in out_of_fold.items()
    }
    method = min(METHODS, key=lambda name: likelihood[name])
    calibration = fit(sample, method)
    before = harmful_probability(sample.margins, UNCALIBRATED)

    def ece(probabilities: Floats) -> float:
        return expected_calibration_error(probabilities, sample.labels, weights=sample.weights)

    return calibration, {
        "rows": len(sample.labels),
        "harmful_rows": int(sample.labels.sum()),
        "method": method,
        **calibration.model_dump(),
        "cross_validated_nll": likelihood,
        "nll_before": nll(before, sample.labels, weights=sample.weights),
        "nll_after": likelihood[method],
        "ece_15_before": ece(before),
        "ece_15_after": ece(out_of_fold[method]),
    }


def fit(sample: Sample, method: Method) -> Calibration:
    """Fit temperature, Platt or beta scaling by maximum likelihood.

    Temperature after Guo et al. 2017; temperature and bias after Platt 1999; two temperatures and
    bias after Kull et al. 2017.
    """
    columns = _features(sample.margins, method)
    slopes = columns.shape[1] - (method != "temperature")
    bounds = np.array([_INVERSE_TEMPERATURES] * slopes + [_BIASES] * (columns.shape[1] - slopes))
    found = fit_logistic(
        columns, sample.labels, lower=bounds[:, 0], upper=bounds[:, 1], weights=sample.weights
    )
    return Calibration(
        temperature=float(1.0 / found[0]),
        bias=float(found[-1]) if method != "temperature" else 0.0,
        temperature_unharmful=float(1.0 / found[1]) if method == "beta" else None,
    )


def fit_fusion(student: Floats, teacher: Floats, labels: Ints) -> Fusion:
    """Most likely weights of two opinions, none negative. student, teacher: (n,) in [0, 1].

    Logistic regression on the two log-odds: an opinion that adds nothing gets little weight.
    """
    columns = np.column_stack([log_odds(student), log_odds(teacher), np.ones(len(labels))])
    bounds = np.array([_FUSION_WEIGHTS, _FUSION_WEIGHTS, _BIASES])
    found = fit_logistic(columns, labels, lower=bounds[:, 0], upper=bounds[:, 1])
    return Fusion(student=float(found[0]), teacher=float(found[1]), bias=float(found[2]))


def _features(margins: Floats, method: Method) -> Floats:
    if method == "temperature":
        return margins[:, None]
    ones = np.ones(len(margins))
    if method == "platt":
        return np.column_stack([margins, ones])
    return np.column_stack([np.logaddexp(0.0, margins), -np.logaddexp(0.0, -margins), ones])


def _out_of_fold(sample: Sample, method: Method) -> Floats:
    """(n,) probabilities, each from a fit that did not see the row's fold."""
    probabilities = np.empty_like(sample.margins)
    for fold in range(N_FOLDS):
        held_out = sample.folds == fold
        rest = sample.part(~held_out)
        calibration = fit(rest, method) if rest.has_both_labels else UNCALIBRATED
        probabilities[held_out] = harmful_probability(sample.margins[held_out], calibration)
    return probabilities


def calibrated(
    margins: Floats, slices: npt.NDArray[np.str_], calibration: Mapping[Any, Calibration]
) -> Floats:
    """(n,) probabilities, each by the calibration of its slice."""
    found = np.empty(len(margins), dtype=np.float64)
    for name, of_slice in calibration.items():
        here = slices == name
        found[here] = harmful_probability(margins[here], of_slice)
    return found
