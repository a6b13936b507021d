"""Divides a labelled sample into parts by prompt, and checks that it can carry a guarantee.

No I/O.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from postern.calibration.bounds import rows_needed, supportable
from postern.calibration.figures import Ints
from postern.calibration.fit import N_FOLDS
from postern.calibration.keys import normalized_key, prompt_hash
from postern.calibration.labelled import Labelled
from postern.contract.exchange import Slice
from postern.contract.probability import Floats

PARTS: Final = ("fit", "choose", "certify", "audit")
SHARES: Final = {"fit": 0.25, "choose": 0.2, "certify": 0.35, "audit": 0.2}
"""Share of the prompts in each part.

Most go to where rows are scarcest: every row tightens a bound.
"""
FEWEST: Final = 20
"""Fewest exchanges of each label in each part.

With fewer, a fitted threshold is a matter of luck.
"""

_SALT: Final = "calibrate:"
_CLASSES: Final = ("unharmful", "harmful")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Wanted:
    """The requested guarantee: at most this share beyond each edge, at confidence 1 - delta."""

    alpha_miss: float
    alpha_false_alarm: float
    delta: float

    def alpha(self, label: int) -> float:
        """Largest share of the class with this label that may lie beyond its edge."""
        return self.alpha_miss if label else self.alpha_false_alarm


@dataclass(frozen=True)
class ScoredSlice:
    """One slice of the sample. margins: (n,) nats; labels: (n,) 0 or 1; folds, parts: (n,).

    disguised: (n,) whether a trigger fired, so that a teacher is asked whatever the margin.
    teacher: (n,) in [0, 1], NaN where it gave none; None if there is no teacher.
    """

    margins: Floats
    labels: Ints
    folds: Ints
    parts: Ints
    disguised: Mask
    teacher: Floats | None

    def within(self, part: str) -> Mask:
        """Mask of the rows in a part."""
        return np.asarray(self.parts == PARTS.index(part))

    def rows(self) -> dict[str, tuple[int, int]]:
        """(harmful, unharmful) rows of each part."""
        return {
            part: (
                int((self.within(part) & (self.labels == 1)).sum()),
                int((self.within(part) & (self.labels == 0)).sum()),
            )
            for part in PARTS
        }


def scored_slice(
    rows: Sequence[Labelled],
    margins: Floats,
    teacher: Floats | None,
    *,
    disguised: Mask | None = None,
) -> ScoredSlice:
    """Divide the rows of one slice into parts by their prompt. disguised: None if none is.

    For counting rates, a prompt counts only once per label: repeats are not independent, and would
    make a bound look better than it is.
    """
    parts, kept = _dealt(rows)
    folds = [prompt_hash(row.exchange.prompt) % N_FOLDS for row in rows]
    return ScoredSlice(
        margins=margins[kept],
        labels=np.array([row.label for row in rows], dtype=np.int64)[kept],
        folds=np.array(folds, dtype=np.int64)[kept],
        parts=parts[kept],
        disguised=np.zeros(kept.sum(), dtype=np.bool_) if disguised is None else disguised[kept],
        teacher=None if teacher is None else teacher[kept],
    )


def taught(rows: Sequence[Labelled]) -> Mask:
    """(n,) rows of a slice for which a teacher's opinion is used: those for choosing and
    auditing."""
    parts, kept = _dealt(rows)
    return np.asarray(kept & np.isin(parts, [PARTS.index("choose"), PARTS.index("audit")]))


def shortages(sample: ScoredSlice, slice_: Slice, wanted: Wanted) -> list[str]:
    """What the sample lacks for the guarantee, in words with numbers; empty if it suffices."""
    return [
        problem
        for label in (1, 0)
        if (problem := _shortage(sample, slice_, label, wanted)) is not None
    ]


def _shortage(sample: ScoredSlice, slice_: Slice, label: int, wanted: Wanted) -> str | None:
    have = {part: counts[1 - label] for part, counts in sample.rows().items()}
    certify = rows_needed(wanted.alpha(label), wanted.delta)
    need = dict.fromkeys(PARTS, FEWEST) | {"certify": max(FEWEST, certify)}
    if all(have[part] >= need[part] for part in PARTS):
        return None
    # Scale by the part's share of the prompts, and add a little for chance.
    lacking = max((need[part] - have[part]) / SHARES[part] for part in PARTS)
    alpha, possible = wanted.alpha(label), supportable(have["certify"], wanted.delta)
    what = (
        f"to certify {alpha:.2%} at {1.0 - wanted.delta:.0%} confidence takes {certify} exchanges"
        if have["certify"] < certify
        else f"each part of the sample takes {FEWEST} exchanges"
    )
    could = f"; these could certify {possible:.2%}" if alpha < possible < 0.5 else ""
    return (
        f"slice {slice_}: {what} with distinct prompts: about {math.ceil(1.1 * lacking)} more "
        f"{_CLASSES[label]} ones are needed beside the {sum(have.values())} given{could}"
    )


def _dealt(rows: Sequence[Labelled]) -> tuple[Ints, Mask]:
    """(n,) the part of each row, and whether the row is kept."""
    parts = np.array([_part_of(row.exchange.prompt) for row in rows], dtype=np.int64)
    counted = np.isin(parts, [PARTS.index("certify"), PARTS.index("audit")])
    return parts, np.asarray(~counted | _first_of_its_kind(rows))


def _part_of(prompt: str) -> int:
    position = prompt_hash(prompt, salt=_SALT) / 2.0**64
    edges = np.cumsum([SHARES[part] for part in PARTS])[:-1]
    return int(np.searchsorted(edges, position, side="right"))


def _first_of_its_kind(rows: Sequence[Labelled]) -> Mask:
    seen: set[tuple[str, int]] = set()
    first = np.zeros(len(rows), dtype=np.bool_)
    for place, row in enumerate(rows):
        key = (normalized_key(row.exchange.prompt), row.label)
        first[place] = key not in seen
        seen.add(key)
    return first
