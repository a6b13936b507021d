"""How a student is measured during training: the rows and the figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from postern.contract.exchange import SLICES

from model_training.data.rows import Row
from model_training.measures.figures import auprc


def evaluation_rows(rows: Sequence[Row], count: int, rng: np.random.Generator) -> list[Row]:
    """At most `count` rows, half of them pairs if there are enough.

    Pairs are few, but the mean over slices gives them half the weight. With their natural share,
    the choice of a checkpoint depended on sixty harmful responses and varied by .1
    (docs/research/log.md).
    """
    order = rng.permutation(len(rows))
    pairs = [rows[i] for i in order if rows[i].response is not None]
    prompts = [rows[i] for i in order if rows[i].response is None]
    n_pairs = min(len(pairs), max(count // 2, count - len(prompts)))
    return prompts[: count - n_pairs] + pairs[:n_pairs]


def measured(rows: Sequence[Row], at_most: int | None) -> Sequence[Row]:
    """At most `at_most` rows of a split, half of them pairs, always the same; all rows if None."""
    if at_most is None:
        return rows
    return evaluation_rows(rows, at_most, np.random.default_rng(0))


def look_alike_rows(rows: Sequence[Row], sources: Sequence[str], each: int) -> list[Row]:
    """Harmless rows of sources of look-alikes, at most `each` of a source, always the same.

    They are measured apart from other rows: a sample of a split has too few of them, and with more
    it would be no sample any more.
    """
    chosen: list[Row] = []
    for name in sources:
        alike = [row for row in rows if row.source == name and not row.label]
        order = np.random.default_rng(0).permutation(len(alike))[:each]
        chosen += [alike[int(place)] for place in order]
    return chosen


def auprc_by_source(
    rows: Sequence[Row], margins: npt.NDArray[np.floating]
) -> tuple[dict[str, float], float]:
    """AUPRC of each source and slice with both classes, and the mean of these (0 if there is none).

    Sources differ in the share of harm, so their rows are not mixed. margins: (n,) of the rows.
    """
    found: dict[str, float] = {}
    for source in dict.fromkeys(row.source for row in rows):
        here = np.array([row.source == source for row in rows])
        some = [row for row in rows if row.source == source]
        each, _ = auprc_by_slice(some, margins[here])
        found |= {f"{source}, {name}": value for name, value in each.items()}
    return found, float(np.mean(list(found.values()))) if found else 0.0


def auprc_by_slice(
    rows: Sequence[Row], margins: npt.NDArray[np.floating]
) -> tuple[dict[str, float], float]:
    """AUPRC of each slice with both classes, and the mean of these (0 if there is none).

    margins: (n,) of the rows.
    """
    labels = np.array([row.label for row in rows])
    slices = np.array([row.slice for row in rows])
    found: dict[str, float] = {
        name: auprc(margins[slices == name], labels[slices == name])
        for name in SLICES
        if len(set(labels[slices == name])) == 2
    }
    return found, float(np.mean(list(found.values()))) if found else 0.0
