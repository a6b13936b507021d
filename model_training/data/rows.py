"""The row record, the data folder, and JSON Lines files that are never half-written."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from postern.calibration.keys import normalized_key as normalized_key
from postern.calibration.keys import prompt_hash as prompt_hash
from postern.contract.exchange import Exchange, Label, Slice
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from model_training.errors import DataInvalid, first_problem

LANGUAGE_SEPARATOR: Final = "."
"""Between a source and the language of its rows."""
ENGLISH: Final = "en"
BinaryLabel = Annotated[int, Field(ge=0, le=1)]
Record = TypeVar("Record", bound=BaseModel)


class PoolRow(BaseModel):
    """One line of a data file: text with a label on its prompt, its response, both or neither."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    source: str
    prompt: str
    response: str | None = None
    prompt_label: BinaryLabel | None = None
    response_label: BinaryLabel | None = None
    category: str | None = None


class Source(BaseModel):
    """One entry of `sources.json`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    file: str
    split: Literal["train", "test"]
    licence: str
    permissive: bool
    default: bool
    style: str = ""
    label_kind: str = ""


class FurtherSource(BaseModel):
    """One entry of `sources_extra.json`: development sets, category tests, other languages."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    file: str
    split: str
    licence: str = ""
    permissive: bool = False
    label_kind: str = ""


class Row(BaseModel):
    """A labelled exchange for training or evaluation. `label`: 1 harmful, 0 unharmful.

    soft_label: the teacher's harmful probability, if a teacher gave one. topic: what it is about,
    where its source says so; translations of one prompt share it. twin: two rows with the same name
    differ in label and in little else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    prompt: str
    response: str | None
    label: BinaryLabel
    soft_label: Annotated[float, Field(ge=0, le=1)] | None = None
    topic: str | None = Field(default=None, exclude_if=lambda value: value is None)
    twin: str | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def exchange(self) -> Exchange:
        return Exchange(self.prompt, self.response)

    @property
    def slice(self) -> Slice:
        return self.exchange.slice

    @property
    def language(self) -> str:
        """BCP 47 tag of the prompt: named by a suffix of the source, English without one."""
        return self.source.partition(LANGUAGE_SEPARATOR)[2] or ENGLISH

    @property
    def harmful(self) -> bool:
        return self.label == Label.HARMFUL


def family_of(source: str) -> str:
    """The source without the language of its rows: `name` for `name.de`."""
    return source.partition(LANGUAGE_SEPARATOR)[0]


def read_sources(data: Path) -> list[Source]:
    """Read the catalogue of a data folder. Raises DataInvalid."""
    path = data / "sources.json"
    try:
        return TypeAdapter(list[Source]).validate_json(path.read_bytes())
    except OSError as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    except ValidationError as exc:
        raise DataInvalid(f"{path}: {first_problem(exc)}") from exc


def read_further_sources(data: Path) -> list[FurtherSource]:
    """Read the second catalogue of a data folder. Empty if there is none. Raises DataInvalid."""
    path = data / "sources_extra.json"
    if not path.exists():
        return []
    try:
        return TypeAdapter(list[FurtherSource]).validate_json(path.read_bytes())
    except OSError as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    except ValidationError as exc:
        raise DataInvalid(f"{path}: {first_problem(exc)}") from exc


def read_pool(data: Path, source: Source | FurtherSource) -> list[PoolRow]:
    """Read all rows of one source. Raises DataInvalid with the file and line number."""
    return read_pool_file(data / source.file)


def read_pool_file(path: Path) -> list[PoolRow]:
    """Read the rows of one data file. Raises DataInvalid with the file and line number."""
    return list(_read_lines(path, PoolRow))


def read_rows(path: Path) -> list[Row]:
    """Read rows written by `write_rows`. Raises DataInvalid with the file and line number."""
    return list(_read_lines(path, Row))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write JSON Lines beside `path`, then rename: readers never see half a file."""
    write_atomically(
        path, "".join(row.model_dump_json() + "\n" for row in rows).encode("utf-8", "replace")
    )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file name to an OSError of a write or fsync, which does not include it."""
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno or errno.EIO, exc.strerror or str(exc), str(path)) from exc


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename. Raises OSError that names the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming(path), partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read_lines(path: Path, record: type[Record]) -> Iterator[Record]:
    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.__class__.__name__})") from exc
    for number, line in enumerate(io.BytesIO(text), start=1):
        if not line.strip():
            continue
        try:
            yield record.model_validate_json(line)
        except ValidationError as exc:
            raise DataInvalid(f"{path}:{number}: {first_problem(exc)}") from exc


def dump_json(content: object) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
