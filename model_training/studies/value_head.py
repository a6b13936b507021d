"""Pooled states and both opinions -> the head for `value` deferral. No I/O.

Two events are predicted. Repair: the student is wrong and the fused opinion is right. Harm: the
other way round. The gain of asking is the chance of the first minus that of the second. Each event
on each side of the threshold has a logistic regression of its own, because a miss and a false alarm
have different signs. Its features are the distance from the threshold, by slice, which alone makes
a band; and the standardized state, under an L2 penalty that unseen folds choose. The state is left
out unless it helps there by more than a standard error.

Experimental: the head has not yet been shown to choose better than the deferral band.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from postern.calibration.figures import Ints
from postern.calibration.fit import N_FOLDS
from postern.calibration.logistic import fit_logistic
from postern.contract.exchange import SLICES, Slice
from postern.contract.probability import Floats, sigmoids
from postern.contract.value import Chance, ValueHead, sides_and_distances

from model_training.errors import DataInvalid

Event = Literal["repair", "harm"]

EVENTS: Final[tuple[Event, ...]] = ("repair", "harm")
SIDES: Final = ("unharmful", "harmful")
RIDGES: Final = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Candidate penalties, for the mean loss and standardized states."""
FEWEST: Final = 20
"""With fewer events on a side, its states would be learnt by heart."""

_ALONE: Final = math.inf  # an infinite penalty: only the distance
_BOUND: Final = 30.0
# Keeps a side of a slice without any event from diverging.
_ANCHOR: Final = 1e-5

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ValueSample:
    """The student's outputs on rows that it was not trained on.

    states: (n, d); probabilities, thresholds: (n,) in [0, 1]; slices: (n,); repair, harm: (n,)
    whether asking turns a wrong verdict right, or a right one wrong; folds: (n,) of 5, by prompt.
    """

    states: Floats
    probabilities: Floats
    thresholds: Floats
    slices: npt.NDArray[np.str_]
    repair: Mask
    harm: Mask
    folds: Ints

    def of(self, event: Event) -> Mask:
        """(n,) whether the event happens."""
        return self.repair if event == "repair" else self.harm


@dataclass(frozen=True)
class FittedValue:
    """weights: (d, 4) and bias: (4,), for the graph; heads: for the policy."""

    weights: Floats
    bias: Floats
    heads: dict[Slice, ValueHead]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class _Fit:
    """The fit of an event on a side. cells: (2 * slices,) intercept and slope of each; states:
    (d,).

    unseen: (m,) log-odds of the side's rows, each by a fit that did not see it.
    """

    cells: Floats
    states: Floats
    unseen: Floats
    metrics: dict[str, Any]


def fit_value(sample: ValueSample, *, share: float) -> FittedValue:
    """Fit the head. share: largest share of each slice to defer. Slices without rows get no head.

    Raises DataInvalid if the teacher repairs too little.
    """
    if sample.repair.sum() < FEWEST:
        raise DataInvalid(
            f"the teacher puts {int(sample.repair.sum())} of {len(sample.repair)} verdicts right; "
            f"a head takes {FEWEST} at least"
        )
    mean = sample.states.mean(axis=0)
    scale = np.maximum(sample.states.std(axis=0), 1e-6)
    standard = (sample.states - mean) / scale
    side, distances = sides_and_distances(sample.probabilities, sample.thresholds)
    cells = _cells(sample.slices, distances)
    fits: dict[Event, list[_Fit]] = {event: [] for event in EVENTS}
    gains = np.zeros(len(side))
    for event, sign in zip(EVENTS, (1.0, -1.0), strict=True):
        happens = sample.of(event)
        for here in (side == 0, side == 1):
            fit = _fit_side(standard[here], cells[here], happens[here], sample.folds[here])
            gains[here] += sign * sigmoids(fit.unseen)
            fits[event].append(fit)
    weights = np.stack([fit.states / scale for event in EVENTS for fit in fits[event]], axis=1)
    heads = {
        name: _head(fits, place, _threshold(gains[sample.slices == name], share))
        for place, name in enumerate(SLICES)
        if np.any(sample.slices == name)
    }
    return FittedValue(weights, -mean @ weights, heads, _metrics(sample, fits, share))


def _metrics(sample: ValueSample, fits: Mapping[Event, list[_Fit]], share: float) -> dict[str, Any]:
    return {
        "rows": len(sample.repair),
        "share": share,
        **{
            event: {name: fit.metrics for name, fit in zip(SIDES, fits[event], strict=True)}
            for event in EVENTS
        },
    }


def _cells(slices: npt.NDArray[np.str_], distances: Floats) -> Floats:
    """(n, 2 * slices): an intercept and the distance, in the columns of the row's own slice."""
    columns = [part * (slices == name) for name in SLICES for part in (1.0, distances)]
    return np.stack(columns, axis=1)


def _fit_side(states: Floats, cells: Floats, happens: Mask, folds: Ints) -> _Fit:
    """Choose the penalty of highest likelihood on unseen folds, then fit once on all rows."""
    ridges = RIDGES if happens.sum() >= FEWEST else ()
    unseen = {one: _unseen(states, cells, happens, folds, one) for one in (_ALONE, *ridges)}
    losses = {ridge: _losses(odds, happens) for ridge, odds in unseen.items()}
    best = min(losses, key=lambda ridge: float(losses[ridge].sum()))
    saved = losses[_ALONE] - losses[best]
    if saved.sum() <= math.sqrt(max(len(saved), 1)) * saved.std() if len(saved) else True:
        best = _ALONE
    found = _fit(states, cells, happens, best)
    width = cells.shape[1]
    figures = {
        "rows": len(happens),
        "events": int(happens.sum()),
        "ridge": None if best == _ALONE else best,
        "nll": float(losses[best].mean()) if len(happens) else None,
        "nll_by_distance_alone": float(losses[_ALONE].mean()) if len(happens) else None,
    }
    return _Fit(found[:width], found[width:], unseen[best], figures)


def _unseen(states: Floats, cells: Floats, happens: Mask, folds: Ints, ridge: float) -> Floats:
    """(n,) log-odds, each by a fit that did not see the row's fold."""
    odds = np.zeros(len(happens))
    for fold in range(N_FOLDS):
        out = folds == fold
        found = _fit(states[~out], cells[~out], happens[~out], ridge)
        odds[out] = np.concatenate([cells[out], states[out]], axis=1) @ found
    return odds


def _losses(odds: Floats, happens: Mask) -> Floats:
    return np.asarray(np.logaddexp(0.0, np.where(happens, -odds, odds)), dtype=np.float64)


def _fit(states: Floats, cells: Floats, happens: Mask, ridge: float) -> Floats:
    """(cells + d,) coefficients; those of the states are 0 if only the distance is used."""
    width, alone = cells.shape[1], ridge == _ALONE
    features = cells if alone else np.concatenate([cells, states], axis=1)
    penalties = np.full(features.shape[1], _ANCHOR if alone else ridge)
    penalties[:width] = _ANCHOR
    found = np.zeros(width + states.shape[1])
    if len(happens):
        bound = np.full(features.shape[1], _BOUND)
        found[: features.shape[1]] = fit_logistic(
            features, happens.astype(np.int64), lower=-bound, upper=bound, ridge=penalties
        )
    return found


def _head(fits: Mapping[Event, list[_Fit]], place: int, threshold: float) -> ValueHead:
    def chance(event: Event) -> Chance:
        bias, slope = np.stack([fit.cells[2 * place : 2 * place + 2] for fit in fits[event]]).T
        return Chance(
            bias=(float(bias[0]), float(bias[1])), slope=(float(slope[0]), float(slope[1]))
        )

    return ValueHead(repair=chance("repair"), harm=chance("harm"), threshold=threshold)


def _threshold(gains: Floats, share: float) -> float:
    """The lowest gain that at most a share of rows reaches; never below 0."""
    falling = np.sort(gains)[::-1]
    beyond = falling[math.floor(share * len(falling)) :]
    lowest = float(np.nextafter(beyond[0], 2.0)) if len(beyond) else 0.0
    return min(1.0, max(0.0, lowest))
