"""Files -> shards of so many records, each with a hash, so that a change in between is noticed.

A shard is a range of bytes of JSON Lines or CSV, or a range of rows of Parquet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from postern.backlog.formats import Columns, ColumnsInvalid, Csv, JsonLines
from postern.backlog.records import CsvEnds, LineEnds, Record, Records
from postern.batch.columns import check, verdict_schema
from postern.contract.errors import PosternError

Form = Literal["parquet", "jsonl", "csv"]
Count = Annotated[int, Field(ge=0)]

SUFFIXES: Final[dict[str, Form]] = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
}
PLACE_COLUMNS: Final = ("file", "row")
_TAIL_BYTES: Final = 8  # the length of a Parquet file's footer, and "PAR1"


class InputInvalid(PosternError):
    """The input cannot be read, or is not what it should be."""


class InputChanged(PosternError):
    """The input is not the one that the job was begun with."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shard(Frozen):
    """A part of one file. start, stop: bytes, or rows in Parquet. before: records of the file that
    precede it. sha256: of its bytes, or of the footer in Parquet. file: the name as given."""

    index: Count
    file: str
    path: str
    form: Form
    start: Count
    stop: Count
    before: Count
    records: Count
    sha256: str


class Input(Frozen):
    """A file. sha256: of all its bytes."""

    file: str
    bytes: Count
    records: Count
    sha256: str


class Reading(Frozen):
    """What is read of a record. keep: columns that are copied to the output.

    limit_bytes: of a record of JSON Lines or CSV.
    """

    prompt: str = "prompt"
    response: str | None = None
    prefix: str = ""
    keep: tuple[str, ...] = ()
    limit_bytes: Annotated[int, Field(gt=0)]

    @property
    def columns(self) -> Columns:
        return Columns(self.prompt, self.response, self.prefix)


class Plan(Frozen):
    """All inputs, cut into shards."""

    inputs: tuple[Input, ...]
    shards: tuple[Shard, ...]

    @property
    def records(self) -> int:
        return sum(one.records for one in self.inputs)


def found_files(named: Sequence[Path]) -> list[Path]:
    """The files that were named, and those in the folders that were named, in order of their names.

    All have one form. Raises InputInvalid.
    """
    files: list[Path] = []
    for path in named:
        if not path.exists():
            raise InputInvalid(f"{path}: does not exist")
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES)
            if not inside:
                raise InputInvalid(f"{path}: has no file that ends in {', '.join(SUFFIXES)}")
            files += inside
        elif path.suffix in SUFFIXES:
            files.append(path)
        else:
            raise InputInvalid(f"{path}: does not end in {', '.join(SUFFIXES)}")
    if len({SUFFIXES[path.suffix] for path in files}) > 1:
        raise InputInvalid("the input must be all Parquet, all JSON Lines or all CSV")
    if len({path.absolute() for path in files}) < len(files):
        raise InputInvalid("a file is named twice")
    return files


def planned(files: Sequence[Path], reading: Reading, *, shard_records: int) -> Plan:
    """Read all files once. Raises InputInvalid, ColumnsInvalid."""
    shards: list[Shard] = []
    inputs: list[Input] = []
    kept: pa.Schema | None = None
    for path in files:
        form = SUFFIXES[path.suffix]
        try:
            fields = _kept_fields(path, form, reading)
            cuts = list(_cuts(path, form, shard_records, reading))
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest()
            size = path.stat().st_size
        except (OSError, pa.ArrowException) as exc:
            raise InputInvalid(f"{path}: {unreadable(exc, form)}") from exc
        except ColumnsInvalid as exc:
            raise ColumnsInvalid(f"{path}: {exc}") from exc
        if kept is not None and fields != kept:
            raise ColumnsInvalid(f"{path}: its kept columns have other types than in {files[0]}")
        kept = fields
        header = int(form == "csv")  # as an editor counts rows
        before = header
        for start, stop, records, sha256 in cuts:
            shards.append(
                Shard(
                    index=len(shards),
                    file=str(path),
                    path=str(path.absolute()),
                    form=form,
                    start=start,
                    stop=stop,
                    before=before,
                    records=records,
                    sha256=sha256,
                )
            )
            before += records
        inputs.append(Input(file=str(path), bytes=size, records=before - header, sha256=whole))
    return Plan(inputs=tuple(inputs), shards=tuple(shards))


def unreadable(exc: Exception, form: Form) -> str:
    """Why a file cannot be read, without anything that stands in it."""
    if isinstance(exc, OSError) and exc.strerror:
        return f"cannot be read ({exc.strerror})"
    return f"is damaged or no {'Parquet' if form == 'parquet' else 'text'} file"


def opened_csv(path: Path, reading: Reading) -> tuple[Csv, Record]:
    """The columns of a CSV file, and its first record. Raises OSError, ColumnsInvalid."""
    with path.open("rb", buffering=0) as file:
        header = Records(file.read, CsvEnds(), limit_bytes=reading.limit_bytes).next()
    form = Csv(header, reading.columns, limit_bytes=reading.limit_bytes)
    assert header is not None  # noqa: S101 - Csv refuses it
    return form, header


def form_of(shard: Shard, reading: Reading) -> JsonLines | Csv:
    """How the records of a text shard are read. Raises OSError, ColumnsInvalid."""
    if shard.form == "csv":
        return opened_csv(Path(shard.path), reading)[0]
    return JsonLines(limit_bytes=reading.limit_bytes)


def footer_sha256(path: Path) -> str:
    """Hash of a Parquet file's footer, which says where everything else stands."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
        file.seek(max(0, size - _TAIL_BYTES - int.from_bytes(tail[:4], "little")))
        return hashlib.sha256(file.read()).hexdigest()


def _kept_fields(path: Path, form: Form, reading: Reading) -> pa.Schema:
    """The columns to copy, with their types. Raises OSError, ArrowException, ColumnsInvalid."""
    if form == "jsonl":
        if reading.keep:
            raise ColumnsInvalid("JSON Lines have no columns to keep")
        return pa.schema([])
    if form == "csv":
        names = opened_csv(path, reading)[0].names
        schema = pa.schema([(name, pa.string()) for name in names])
    else:
        schema = pq.read_schema(path)
        check(schema, reading.columns)
    own = {*PLACE_COLUMNS, *verdict_schema(reading.prefix).names}
    for name in reading.keep:
        if len(schema.get_all_field_indices(name)) != 1:
            raise ColumnsInvalid(f"there is not one column {name!r} to keep")
        if name in own:
            raise ColumnsInvalid(f"column {name!r} cannot be kept: the output has its own")
    return pa.schema([schema.field(name).remove_metadata() for name in reading.keep])


def _cuts(
    path: Path, form: Form, shard_records: int, reading: Reading
) -> Iterator[tuple[int, int, int, str]]:
    """(start, stop, records, hash) of each shard."""
    if form == "parquet":
        rows, footer = pq.read_metadata(path).num_rows, footer_sha256(path)
        for start in range(0, rows, shard_records):
            stop = min(rows, start + shard_records)
            yield start, stop, stop - start, footer
        return
    start = opened_csv(path, reading)[1].end if form == "csv" else 0
    with path.open("rb", buffering=0) as file:
        while True:
            file.seek(start)
            records = Records(
                file.read,
                CsvEnds() if form == "csv" else LineEnds(),
                limit_bytes=reading.limit_bytes,
                is_whole_file=start == 0,
            )
            last: Record | None = None
            while last is None or last.number < shard_records:
                record = records.next()
                if record is None:
                    break
                last = record
            if last is None:
                return
            yield start, start + last.end, last.number, last.sha256
            start += last.end
