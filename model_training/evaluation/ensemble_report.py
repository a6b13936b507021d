"""Compares the ensemble with its members, in the figures of `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.contract.exchange import SLICES
from postern.contract.probability import Floats

from model_training.data.rows import Row
from model_training.evaluation.evaluate import by_slice, figures, look_alike_figures
from model_training.evaluation.fit_policy import fit_policy, samples
from model_training.measures.figures import Ints, auprc
from model_training.measures.served import ScoredRows
from model_training.measures.tables import number, table
from model_training.recipe.config import RunConfig
from model_training.teachers.ensemble import Ensemble, out_of_fold

MEAN: Final = "mean of margins"
FITTED: Final = "fitted weights"
RESAMPLES: Final = 300

_HOW: Final = """\
Every contender reads text through the serving code. Like a student, it gets its calibration and
threshold from the calibration split. F1 and the false-positive rate are those of the `balanced`
point. The weights were fitted on the validation split; their figures there are out of fold, by
prompt. The encoders' checkpoints were chosen on part of the validation split, so their figures on
it are somewhat too good, and their weights relative to the n-grams somewhat too high. No member
trains on transfer sources. Test sets took part in no choice. Nor did transfer sources, unless they
are among a member's `development_sources`, which choose its checkpoint and `start_share`.
"""


@dataclass(frozen=True)
class ScoredByAll:
    """Rows that every member can read. margins: (members, n) float64."""

    rows: list[Row]
    margins: npt.NDArray[np.float64]

    @property
    def slices(self) -> npt.NDArray[np.str_]:
        return np.array([row.slice for row in self.rows], dtype=np.str_)

    def by(self, margins: Floats) -> ScoredRows:
        return ScoredRows(self.rows, margins)


def out_of_fold_margins(validation: ScoredByAll, config: RunConfig) -> Floats:
    """(n,) margins of the ensemble on its fitting rows, each from a fit without the row's fold."""
    found = np.zeros(len(validation.rows))
    by_name = samples(validation.by(validation.margins[0]), config)
    for name in SLICES:
        here = validation.slices == name
        if here.any():
            found[here] = out_of_fold(validation.margins[:, here], by_name[name])
    return found


def ensemble_report(
    ensemble: Ensemble, sets: Mapping[str, ScoredByAll], config: RunConfig
) -> dict[str, Any]:
    """The report as JSON. sets: `validation`, `calibration`, `transfer, <name>`, `test, <name>`."""
    names = [member.name for member in ensemble.members]
    margins: dict[str, dict[str, Floats]] = {
        name: {key: one.margins[place] for key, one in sets.items()}
        for place, name in enumerate(names)
    }
    margins[MEAN] = {key: one.margins.mean(axis=0) for key, one in sets.items()}
    margins[FITTED] = {key: ensemble.combine(one.margins, one.slices) for key, one in sets.items()}
    validated = {**margins[FITTED], "validation": out_of_fold_margins(sets["validation"], config)}
    return {
        "members": [member.model_dump(mode="json") for member in ensemble.members],
        "rows": {key: len(one.rows) for key, one in sets.items()},
        "contenders": {
            name: _figures(validated if name == FITTED else found, sets, config)
            for name, found in margins.items()
        },
        "leads": {
            key: share_of_leads(
                margins[FITTED][key],
                {name: margins[name][key] for name in names},
                one.by(one.margins[0]).labels,
            )
            for key, one in sets.items()
            if key.startswith("test, ")
        },
    }


def _figures(
    margins: Mapping[str, Floats], sets: Mapping[str, ScoredByAll], config: RunConfig
) -> dict[str, Any]:
    scored = {key: one.by(margins[key]) for key, one in sets.items()}
    policy = fit_policy(samples(scored["calibration"], config)).policy
    held_out = scored["validation"]
    return {
        "validation": by_slice(held_out, policy, n_resamples=0),
        "look_alikes": look_alike_figures(held_out, policy),
        **{
            kind: {
                key.removeprefix(f"{kind}, "): figures(one, policy)
                for key, one in scored.items()
                if key.startswith(f"{kind}, ")
            }
            for kind in ("transfer", "test")
        },
    }


def share_of_leads(
    ours: Floats, theirs: Mapping[str, Floats], labels: Ints, *, resamples: int = RESAMPLES
) -> dict[str, float | None]:
    """For each of `theirs`, the share of bootstrap resamples in which our AUPRC is higher.

    ours, theirs: (n,) margins of the same rows, resampled within classes. A share is None if a
    class is missing.
    """
    classes = [np.flatnonzero(labels == label) for label in (0, 1)]
    if not all(len(rows) for rows in classes):
        return dict.fromkeys(theirs)
    rng = np.random.default_rng(0)
    leads = dict.fromkeys(theirs, 0)
    for _ in range(resamples):
        rows = np.concatenate([rng.choice(rows, size=len(rows)) for rows in classes])
        score = auprc(ours[rows], labels[rows])
        for name, other in theirs.items():
            leads[name] += score > auprc(other[rows], labels[rows])
    return {name: count / resamples for name, count in leads.items()}


def ensemble_markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    return "\n".join(
        [
            "# The teacher: its members, their mean, and fitted weights\n",
            _HOW,
            "## Weights\n",
            _weights_table(report["members"]),
            "A member's weight applies to its margin after division by its temperature.\n",
            "## AUPRC\n",
            _auprc_table(report["contenders"]),
            "## F1, and harmless look-alikes flagged\n",
            _f1_table(report["contenders"]),
            "## Certainty of the lead\n",
            f"Share of {RESAMPLES} bootstrap resamples of a test set in which the AUPRC of the "
            "fitted ensemble is above that of a member.\n",
            _leads_table(report["leads"]),
        ]
    )


def _weights_table(members: Sequence[Mapping[str, Any]]) -> str:
    head = ["member", "kind", *(f"{what}, {name}" for name in SLICES for what in _FITTED_VALUES)]
    return table(
        head,
        (
            [
                member["name"],
                member["kind"],
                *(number(member[what][name], 2) for name in SLICES for what in _FITTED_VALUES),
            ]
            for member in members
        ),
    )


_FITTED_VALUES: Final = ("temperature", "weight")


def _auprc_table(contenders: Mapping[str, Any]) -> str:
    first = next(iter(contenders.values()))
    head = [
        "",
        *(f"validation, {name}" for name in first["validation"]),
        *(f"transfer, {name}" for name in first["transfer"]),
        *(["transfer, mean"] if first["transfer"] else []),
        *(f"test, {name}" for name in first["test"]),
    ]

    def line(name: str, found: Mapping[str, Any]) -> list[str]:
        transfer = [one.get("auprc") for one in found["transfer"].values()]
        known = [value for value in transfer if value is not None]
        mean = [number(float(np.mean(known)) if known else None)] if transfer else []
        return [
            name,
            *(number(one.get("auprc")) for one in found["validation"].values()),
            *map(number, transfer),
            *mean,
            *(number(one.get("auprc")) for one in found["test"].values()),
        ]

    return table(head, (line(name, found) for name, found in contenders.items()))


def _f1_table(contenders: Mapping[str, Any]) -> str:
    first = next(iter(contenders.values()))
    kinds = ("validation", "test")
    head = ["", *(f"{kind}, {name}" for kind in kinds for name in first[kind]), "look-alikes"]
    return table(
        head,
        (
            [
                name,
                *(
                    number(one["at"]["balanced"].get("f1"))
                    for kind in kinds
                    for one in found[kind].values()
                ),
                number(found["look_alikes"].get("pooled", {}).get("balanced")),
            ]
            for name, found in contenders.items()
        ),
    )


def _leads_table(leads: Mapping[str, Mapping[str, float | None]]) -> str:
    names = list(next(iter(leads.values()), {}))
    return table(
        ["ahead of", *leads],
        ([name, *(number(found[name], 2) for found in leads.values())] for name in names),
    )
