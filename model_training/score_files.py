"""Scores of labelled exchanges in a file, without any text: what curves and coverage start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.calibrate import disguises, opinion, score
from app.calibration.keys import prompt_hash
from app.calibration.labelled import Labelled
from app.contract.artifact import Artifact
from app.contract.errors import EmptyPrompt
from app.contract.exchange import Slice
from app.contract.text import segments
from model_training.errors import DataInvalid
from model_training.rows import BinaryLabel, Row, write_atomically


class ScoreRow(BaseModel):
    """One exchange. set: `validation`, or the name of a test set; key: hash of its prompt.

    disguised: a trigger fired, so that a server asks its teacher whatever the student says.
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
    """Raises DataInvalid with the line number."""
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
    """JSON Lines, whole or not at all."""
    write_atomically(path, "".join(row.model_dump_json() + "\n" for row in rows).encode())


def score_sets(
    sets: Mapping[str, Sequence[Row]],
    student: Artifact,
    teachers: Sequence[Artifact],
    *,
    threads: int,
) -> list[ScoreRow]:
    """Scores every set by the code that serves; text without anything visible is left out."""
    found: list[ScoreRow] = []
    for name, rows in sets.items():
        found += _score_set(name, list(_visible(rows)), student, teachers, threads=threads)
    return found


def _score_set(
    name: str,
    rows: Sequence[Labelled],
    student: Artifact,
    teachers: Sequence[Artifact],
    *,
    threads: int,
) -> list[ScoreRow]:
    hidden = disguises(rows)
    margins = score(student, rows, hidden, threads=threads)
    told = np.full(len(rows), np.nan)
    if teachers:
        told = opinion(teachers, rows, hidden, threads=threads)
    return [
        ScoreRow(
            set=name,
            slice=row.exchange.slice,
            label=row.label,
            key=f"{prompt_hash(row.exchange.prompt):016x}",
            student_margin=float(margin),
            teacher=None if np.isnan(says) else float(says),
            disguised=disguise is not None,
        )
        for row, disguise, margin, says in zip(rows, hidden, margins, told, strict=True)
    ]


def _visible(rows: Sequence[Row]) -> Iterator[Labelled]:
    for row in rows:
        try:
            segments(row.exchange)
        except EmptyPrompt:
            continue
        yield Labelled(row.exchange, row.label)
