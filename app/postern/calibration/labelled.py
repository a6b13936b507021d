"""The user's labelled sample: JSON Lines with the columns that the data stages write."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from postern.contract.errors import EmptyPrompt, LabelledDataInvalid
from postern.contract.exchange import Exchange
from postern.contract.text import segments

BinaryLabel = Annotated[int, Field(ge=0, le=1, strict=True)]


class LabelledLine(BaseModel):
    """One line. Other columns are allowed and ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: Annotated[str, Field(strict=True)]
    response: Annotated[str, Field(strict=True)] | None = None
    prompt_label: BinaryLabel | None = None
    """Whether the prompt alone is harmful: 1 or 0."""
    response_label: BinaryLabel | None = None
    """Whether the response is harmful, given the prompt: 1 or 0."""
    teacher_probability: (
        Annotated[float, Field(ge=0.0, le=1.0, strict=True, allow_inf_nan=False)] | None
    ) = None
    """The teacher's harmful probability for what the line labels; null if it gave none."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An exchange with its label, 0 or 1, and the teacher's opinion of it."""

    exchange: Exchange
    label: int
    teacher: float | None = None


@dataclass(frozen=True)
class LabelledData:
    """All labelled exchanges of a file. sha256: hash of its bytes."""

    rows: tuple[Labelled, ...]
    sha256: str
    has_teacher: bool
    """Whether any line has a number in the column `teacher_probability`."""


def read_labelled(path: Path) -> LabelledData:
    """Read a sample. Raises LabelledDataInvalid with the line number but no text of the line."""
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError) as exc:
        raise LabelledDataInvalid(f"{path}: cannot be read ({type(exc).__name__})") from exc
    rows: list[Labelled] = []
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            rows += _rows_of(line, place=f"{path}:{number}")
    if not rows:
        raise LabelledDataInvalid(f"{path}: contains no line")
    return LabelledData(
        rows=tuple(rows),
        sha256=hashlib.sha256(raw).hexdigest(),
        has_teacher=any(row.teacher is not None for row in rows),
    )


def _rows_of(line: bytes, *, place: str) -> Iterator[Labelled]:
    try:
        found = LabelledLine.model_validate_json(line)
    except ValidationError as exc:
        problem = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        where = "".join(f"{part}: " for part in problem["loc"] if isinstance(part, str))
        raise LabelledDataInvalid(f"{place}: {where}{problem['msg']}") from None
    _check(found, place)
    if found.prompt_label is not None:
        yield Labelled(Exchange(found.prompt), found.prompt_label, found.teacher_probability)
    if found.response_label is not None:
        exchange = Exchange(found.prompt, found.response)
        yield Labelled(exchange, found.response_label, found.teacher_probability)


def _check(line: LabelledLine, place: str) -> None:
    if line.prompt_label is None and line.response_label is None:
        raise LabelledDataInvalid(f"{place}: neither prompt_label nor response_label is 0 or 1")
    if line.response_label is not None and line.response is None:
        raise LabelledDataInvalid(f"{place}: response_label without a response")
    if None not in (line.prompt_label, line.response_label, line.teacher_probability):
        raise LabelledDataInvalid(
            f"{place}: teacher_probability with two labels: put the prompt and the response "
            "on separate lines"
        )
    try:
        segments(Exchange(line.prompt, line.response))
    except EmptyPrompt as exc:
        raise LabelledDataInvalid(f"{place}: {exc}") from None
