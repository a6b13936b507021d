"""Files with scores of labelled exchanges, without text: the input for curves and coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from postern.calibration.calibrate import disguises, opinion, score
from postern.calibration.keys import prompt_hash
from postern.calibration.labelled import Labelled
from postern.contract.artifact import Artifact
from postern.contract.errors import EmptyPrompt
from postern.contract.exchange import Slice
from postern.contract.probability import Floats
from postern.contract.text import segments
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_training.data.rows import BinaryLabel, Row, write_atomically
from model_training.errors import DataInvalid


class ScoreRow(BaseModel):
    """One exchange. set: `validation`, or the name of a test set; key: hash of its prompt.

    disguised: a trigger fired, so a server asks its teacher whatever the student says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    set: str
    slice: Slice
    label: BinaryLabel
    key: str
    student_margin: Annotated[float, Field(allow_inf_nan=False)]
    teacher: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    disguised: bool = False


def read_scores(path: Path) -> list[ScoreRow]:
    """Read scores. Raises DataInvalid with the line number."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(ScoreRow.model_validate_json(line))
        except ValidationError as exc:
            problem = exc.errors(include_input=False, include_url=False)[0]
            raise DataInvalid(f"{path}:{number}: {problem['loc']}: {problem['msg']}") from exc
    return found


def write_scores(path: Path, rows: Sequence[ScoreRow]) -> None:
    """Write JSON Lines, whole or not at all."""
    write_atomically(path, "".join(row.model_dump_json() + "\n" for row in rows).encode())


def score_sets(
    sets: Mapping[str, Sequence[Row]],
    student: Artifact,
    teachers: Sequence[Artifact],
    *,
    threads: int,
    known: Sequence[ScoreRow] | None = None,
) -> list[ScoreRow]:
    """Score every set with the serving code. Text without anything visible is left out.

    known: scores of the same sets, from which the teacher's opinions are taken. Raises DataInvalid
    if they are of other rows.
    """
    found: list[ScoreRow] = []
    for name, rows in sets.items():
        kept = _visible(rows)
        if known is None:
            told = _opinions(kept, teachers, threads=threads)
        else:
            told = _known_opinions(name, kept, known)
        found += _score_set(name, kept, student, told, threads=threads)
    return found


def _opinions(rows: Sequence[Labelled], teachers: Sequence[Artifact], *, threads: int) -> Floats:
    """(n,) in [0, 1] of all teachers together; NaN without any."""
    if not teachers:
        return np.full(len(rows), np.nan)
    return opinion(teachers, rows, disguises(rows), threads=threads)


def _known_opinions(name: str, rows: Sequence[Labelled], known: Sequence[ScoreRow]) -> Floats:
    """(n,) opinions of the set with that name, NaN where none was given.

    Raises DataInvalid if they are of other rows.
    """
    found = [row for row in known if row.set == name]
    if [(row.key, row.slice, row.label) for row in found] != [
        (_key(row), row.exchange.slice, row.label) for row in rows
    ]:
        raise DataInvalid(f"the scores hold a set {name!r} of other rows than these, or none")
    return np.array([np.nan if row.teacher is None else row.teacher for row in found])


def _score_set(
    name: str, rows: Sequence[Labelled], student: Artifact, told: Floats, *, threads: int
) -> list[ScoreRow]:
    hidden = disguises(rows)
    margins = score(student, rows, hidden, threads=threads)
    return [
        ScoreRow(
            set=name,
            slice=row.exchange.slice,
            label=row.label,
            key=_key(row),
            student_margin=float(margin),
            teacher=None if np.isnan(says) else float(says),
            disguised=disguise is not None,
        )
        for row, disguise, margin, says in zip(rows, hidden, margins, told, strict=True)
    ]


def _key(row: Labelled) -> str:
    return f"{prompt_hash(row.exchange.prompt):016x}"


def _visible(rows: Sequence[Row]) -> list[Labelled]:
    """The rows with something to judge."""
    found = []
    for row in rows:
        try:
            segments(row.exchange)
        except EmptyPrompt:
            continue
        found.append(Labelled(row.exchange, row.label))
    return found
