"""Compares the deferral modes `value` and `band`: differences in F1 with paired intervals.

No I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from postern.contract.probability import Floats

from model_training.measures import curves
from model_training.measures.curves import Opinions
from model_training.measures.tables import number, table

RATES: Final = (0.05, 0.10)
HELD_OUT: Final = "validation"
_GROUPS: Final = {"held-out": True, "test sets": False}


def value_or_band(sets: Mapping[str, Opinions], *, n_resamples: int) -> dict[str, Any]:
    """By rate: F1 of `value` minus that of `band` for each set, and the mean of groups of sets.

    sets: those whose student has a value head. Intervals: 95 %, percentile bootstrap paired by row.
    """
    found: dict[str, Any] = {}
    for rate in RATES:
        # Each set has its own seed: with a shared one, the mean would seem too uncertain.
        drawn = {
            name: curves.value_less_band(one, rate, n_resamples=n_resamples, seed=seed)
            for seed, (name, one) in enumerate(sets.items())
        }
        by_set = {name: _difference(*one) for name, one in drawn.items()}
        groups = {
            group: [one for name, one in drawn.items() if name.startswith(HELD_OUT) == held_out]
            for group, held_out in _GROUPS.items()
        }
        means = {
            group: _difference(
                float(np.mean([difference for difference, _ in some])),
                np.mean([resampled for _, resampled in some], axis=0),
            )
            for group, some in groups.items()
            if some
        }
        found[str(rate)] = {"sets": by_set, "means": means}
    return found


def value_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Markdown: which of the two modes is better, and by how much."""
    sets, value = report["sets"], report["value"]
    for rate, found in value.items():
        for group, one in found["means"].items():
            yield f"- {group}, {float(rate):.0%} deferred: {_verdict(one)}"
    yield ""
    head = ["set", *(f"at {float(rate):.0%}" for rate in value), "area, band", "area, value"]
    rows = []
    for name in next(iter(value.values()))["sets"]:
        cells = [_cell(found["sets"][name]) for found in value.values()]
        area = sets[name]["curves"]["area"]
        rows.append([name, *cells, number(area["band"]), number(area["value"])])
    yield table(head, rows)
    yield ""
    yield (
        "F1 of `value` less F1 of `band`, both with the same number of rows deferred; the area is "
        f"the mean F1 over deferral rates up to {curves.AREA_TO:.0%}."
    )


def _difference(difference: float, resampled: Floats) -> dict[str, Any]:
    low, high = np.quantile(resampled, [0.025, 0.975])
    better = "value" if low > 0.0 else "band" if high < 0.0 else "neither"
    return {"difference": difference, "interval_95": (float(low), float(high)), "better": better}


def _verdict(one: Mapping[str, Any]) -> str:
    said = {
        "value": "`value` is better than `band`",
        "band": "`band` is better than `value`",
        "neither": "neither mode is shown to be better",
    }
    return f"{said[one['better']]}; difference in F1 {_cell(one)}"


def _cell(one: Mapping[str, Any]) -> str:
    low, high = one["interval_95"]
    return f"{one['difference']:+.4f} ({low:+.4f} to {high:+.4f})"
