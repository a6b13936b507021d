"""Files between stages: JSON Lines whose first line says how they were made."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from postern import __version__
from postern.contract.teacher_text import TEACHER_FORMAT
from pydantic import BaseModel, ConfigDict, ValidationError

from model_training.data.rows import Record, naming
from model_training.errors import DataInvalid, RecipeInvalid, first_problem

FILE_FORMAT: Literal[1] = 1
_HASH_BYTES = 1 << 20
_TEXT = "teacher_format"


class Header(BaseModel):
    """The first line of a stage file. inputs: sha256 of each file that the stage read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    stage: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    versions: dict[str, str]
    rows: int

    def same_work(self, other: Header) -> bool:
        """Whether both describe the same work on the same inputs, whatever the library versions.

        They differ if guards were asked with another text format.
        """
        return (self.stage, self.settings, self.inputs, self.versions.get(_TEXT)) == (
            other.stage,
            other.settings,
            other.inputs,
            other.versions.get(_TEXT),
        )


def header(stage: str, settings: Mapping[str, Any], inputs: Mapping[str, Path]) -> Header:
    """A header for work that is about to be done. `write_stage` fills in `rows`."""
    return Header(
        format=FILE_FORMAT,
        stage=stage,
        settings=dict(settings),
        inputs={name: sha256(path) for name, path in inputs.items()},
        versions=_versions(),
        rows=0,
    )


def write_stage(path: Path, head: Header, records: Sequence[BaseModel]) -> None:
    """Write header and rows beside `path`, then rename. Raises OSError that names the file."""
    lines = (record.model_dump_json() for record in records)
    first = json.dumps({"header": head.model_dump(mode="json") | {"rows": len(records)}})
    publish_lines(path, _chain(first, lines))


def publish_lines(path: Path, lines: Iterable[str]) -> None:
    """Readers see the old file or the whole new one. Removes what a killed writer left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in path.parent.glob(f".{path.name}.*"):
        abandoned.unlink(missing_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming(path), partial.open("wb") as file:
            for line in lines:
                file.write(line.encode("utf-8", "replace") + b"\n")
            file.flush()
            os.fsync(file.fileno())
            partial.replace(path)
            sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder, without which a new name does not survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_stage(path: Path, stage: str, record: type[Record]) -> tuple[Header, list[Record]]:
    """Raises DataInvalid with file and line if it is missing, damaged, cut short or of another
    stage."""
    head, lines = _open(path)
    if head.stage != stage:
        raise DataInvalid(f"{path}: was written by stage {head.stage!r}, not {stage!r}")
    rows: list[Record] = []
    for number, line in lines:
        try:
            rows.append(record.model_validate_json(line))
        except ValidationError as exc:
            raise DataInvalid(f"{path}:{number}: {first_problem(exc)}") from exc
    if len(rows) != head.rows:
        raise DataInvalid(
            f"{path}: contains {len(rows)} rows, but its header says {head.rows}; "
            "remove it and run the stage again"
        )
    return head, rows


def read_header(path: Path) -> Header | None:
    """Read the header of a stage file; None if there is no such file. Raises DataInvalid."""
    return _open(path)[0] if path.exists() else None


def is_done(path: Path, wanted: Header) -> bool:
    """Whether exactly this work was finished before and its file is complete."""
    if not path.exists():
        return False
    head, lines = _open(path)
    return head.same_work(wanted) and sum(1 for _ in lines) == head.rows


def require_fresh(path: Path, head: Header, inputs: Mapping[str, Path]) -> None:
    """Raises RecipeInvalid if a file was made from another version of its source."""
    for name, source in inputs.items():
        if name in head.inputs and source.exists() and sha256(source) != head.inputs[name]:
            raise RecipeInvalid(
                f"{path} was made from another {source.name}; run stage {head.stage!r} again"
            )


def sha256(path: Path) -> str:
    """Raises DataInvalid if the file cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BYTES):
                digest.update(block)
    except FileNotFoundError as exc:
        raise DataInvalid(f"{path}: is missing; run the stage that writes it first") from exc
    except OSError as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    return digest.hexdigest()


def _open(path: Path) -> tuple[Header, Iterator[tuple[int, bytes]]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError as exc:
        raise DataInvalid(f"{path}: is missing; run the stage that writes it first") from exc
    except OSError as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    if not content.endswith(b"\n"):
        raise DataInvalid(f"{path}: ends in the middle of a line")
    lines = content.removesuffix(b"\n").split(b"\n")
    try:
        head = Header.model_validate(json.loads(lines[0])["header"])
    except (ValueError, KeyError, TypeError) as exc:
        raise DataInvalid(f"{path}:1: is not the header of a stage file") from exc
    return head, enumerate(lines[1:], start=2)


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _versions() -> dict[str, str]:
    found = {"postern": __version__, "python": platform.python_version()}
    found[_TEXT] = str(TEACHER_FORMAT)
    for package in ("numpy", "torch", "transformers", "datasketch", "py3langid", "httpx"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
