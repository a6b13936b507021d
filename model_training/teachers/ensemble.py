"""Combines the margins of several members by temperatures and weights, which are fitted and
stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from postern.calibration.fit import Sample, fit
from postern.contract.exchange import SLICES, Slice
from postern.contract.probability import Floats
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.optimize import minimize

from model_training.data.rows import dump_json, write_atomically
from model_training.errors import RecipeInvalid
from model_training.recipe.config import WindowConfig

ENSEMBLE: Final = "ensemble.json"
_EVEN: Final = 1e-4

NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
AboveZero = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FittedMember(_Frozen):
    """A member and its part in each slice: weight * margin / temperature."""

    name: str
    kind: Literal["encoder", "ngrams", "artifact"]
    folder: str
    """Relative to the file that contains this."""
    fingerprint: str
    """Identifies its weights: other weights in the same folder are another member."""
    windows: WindowConfig | None = None
    """Set for an encoder."""
    temperature: dict[Slice, AboveZero]
    weight: dict[Slice, NotNegative]


class Ensemble(_Frozen):
    """The content of `ensemble.json`."""

    format: Literal[1] = 1
    members: Annotated[tuple[FittedMember, ...], Field(min_length=1)]

    def combine(self, margins: npt.NDArray[np.float64], slices: npt.NDArray[np.str_]) -> Floats:
        """(n,) margins of the ensemble. margins: (members, n); slices: (n,)."""
        found = np.zeros(margins.shape[1])
        for name in SLICES:
            here = slices == name
            factors = [one.weight[name] / one.temperature[name] for one in self.members]
            for factor, member in zip(factors, margins, strict=True):
                if factor:  # a member without weight has no say, even if it read nothing
                    found[here] += factor * member[here]
        return found


def read_ensemble(folder: Path) -> Ensemble:
    """Raises RecipeInvalid if there is none, or it is incomplete."""
    path = folder / ENSEMBLE
    try:
        return Ensemble.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise RecipeInvalid(
            f"{path}: cannot be read ({exc.strerror}); run stage 'fit-ensemble' first"
        ) from exc
    except ValidationError as exc:
        where = ".".join(str(part) for part in exc.errors(include_url=False)[0]["loc"])
        raise RecipeInvalid(f"{path}: is not an ensemble of this program ({where})") from exc


def write_ensemble(folder: Path, ensemble: Ensemble) -> None:
    write_atomically(folder / ENSEMBLE, dump_json(ensemble.model_dump(mode="json")))


Fit = tuple[Floats, Floats]
"""(members,) temperatures, (members,) weights."""


def fit_slice(margins: npt.NDArray[np.float64], sample: Sample) -> Fit:
    """Fit each member's temperature, then the weights of all, by log loss.

    margins: (members, n); sample: labels and weights of the n rows; its own margins are unused.
    Rows are reweighted so that both classes count equally, as in training. Then no bias is needed,
    and 0 stays the margin of a text on which the ensemble is undecided. A slice without rows of
    both classes gets temperature 1 and equal weights that sum to 1.
    """
    count = len(margins)
    if not sample.has_both_labels:
        return np.ones(count), np.full(count, 1 / count)
    weights = _balanced(sample)
    temperatures = np.array(
        [
            fit(Sample(one, sample.labels, weights, sample.folds), "temperature").temperature
            for one in margins
        ]
    )
    return temperatures, fit_weights(margins / temperatures[:, None], sample.labels, weights)


def fit_weights(
    scaled: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], weights: Floats
) -> Floats:
    """(members,) >= 0: the weights with the least log loss of their weighted sum.

    scaled: (members, n) calibrated margins. A slight pull towards equal weights decides if the rows
    do not. The problem is convex, so there is one solution.
    """
    signs = np.where(labels == 1, 1.0, -1.0)
    share = weights / weights.sum()
    even = 1.0 / len(scaled)

    def loss(factors: Floats) -> tuple[float, Floats]:
        margins = signs * (factors @ scaled)
        # d/dm log(1 + exp(-m)) = -1 / (1 + exp(m)), without overflow on either side. `sigmoid`
        # would differ in the last bit, and `ensemble.json` and its labels are identified by its
        # hash.
        slope = -share * signs * np.exp(-np.logaddexp(0.0, margins))
        gap = factors - even
        value = float(np.sum(share * np.logaddexp(0.0, -margins)) + _EVEN * gap @ gap)
        return value, scaled @ slope + 2 * _EVEN * gap

    found = minimize(
        loss,
        x0=np.full(len(scaled), even),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * len(scaled),
    )
    return np.asarray(found.x, dtype=np.float64)


def out_of_fold(margins: npt.NDArray[np.float64], sample: Sample) -> Floats:
    """(n,) margins of the ensemble, each by a fit that did not see the row's fold."""
    found = np.empty(margins.shape[1])
    for fold in np.unique(sample.folds):
        inside = sample.folds == fold
        temperatures, weights = fit_slice(margins[:, ~inside], sample.part(~inside))
        found[inside] = (weights / temperatures) @ margins[:, inside]
    return found


def fit_ensemble(
    members: Sequence[Mapping[str, Any]],
    margins: npt.NDArray[np.float64],
    samples: Mapping[Slice, Sample],
    slices: npt.NDArray[np.str_],
) -> Ensemble:
    """members: fields of each but temperature and weight; margins: (members, n); slices: (n,)."""
    fitted = {name: fit_slice(margins[:, slices == name], samples[name]) for name in SLICES}
    return Ensemble(
        members=tuple(
            FittedMember.model_validate(
                {
                    **member,
                    "temperature": {name: float(fitted[name][0][place]) for name in SLICES},
                    "weight": {name: float(fitted[name][1][place]) for name in SLICES},
                }
            )
            for place, member in enumerate(members)
        )
    )


def _balanced(sample: Sample) -> Floats:
    weights = sample.weights.copy()
    for label in (0, 1):
        here = sample.labels == label
        weights[here] /= weights[here].sum()
    return weights
