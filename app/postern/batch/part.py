"""One shard -> one Parquet file of verdicts, in bounded memory. Any number of workers do this."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from postern.backlog.formats import Csv, Row
from postern.backlog.lanes import AHEAD_CHARS, ToJudge
from postern.backlog.records import CsvEnds, LineEnds, Records
from postern.batch.columns import table_rows, verdict_table
from postern.batch.judge import Judge
from postern.batch.plan import (
    Count,
    Frozen,
    InputChanged,
    InputInvalid,
    Reading,
    Shard,
    footer_sha256,
    form_of,
    unreadable,
)
from postern.contract.errors import PosternError

# Rows that are judged together, and of one group in the output.
CHUNK_ROWS: Final = 1024
# A chunk of Parquet is read whole: cells of megabytes in smaller ones.
_CHUNK_BYTES: Final = 32 << 20
_BUFFER_BYTES: Final = 1 << 20


class PartUnwritable(PosternError):
    """A part of the output cannot be written."""


class Done(Frozen):
    """A judged shard, in a file that is not yet part of the output. attempt: its name."""

    shard: Count
    attempt: str
    rows: Count
    errors: Count
    bytes: Count
    sha256: str


class _Chunk(NamedTuple):
    """Rows to judge, and the columns that stand before their verdicts."""

    rows: Sequence[ToJudge]
    beside: pa.Table


def judge_shard(judge: Judge, shard: Shard, reading: Reading, folder: Path) -> Done:
    """Judge a shard and write its part to `folder` under a name of its own, synced.

    Raises InputChanged, InputInvalid, ColumnsInvalid, PartUnwritable. Then the file is removed.
    """
    path = folder / f"{shard.index:06d}-{uuid.uuid4().hex}.parquet"
    rows = errors = 0
    try:
        writer: pq.ParquetWriter | None = None
        try:
            for chunk in _chunks(shard, reading):
                verdicts = judge.verdicts(chunk.rows)
                table = _joined(chunk.beside, verdict_table(verdicts, reading.prefix), judge)
                writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
                writer.write_table(table)
                rows += len(verdicts)
                errors += sum("error" in one for one in verdicts)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:  # nothing but blank records
            return Done(shard=shard.index, attempt="", rows=0, errors=0, bytes=0, sha256="")
        with path.open("rb") as file:
            os.fsync(file.fileno())
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except BaseException as exc:
        path.unlink(missing_ok=True)
        if isinstance(exc, OSError):
            raise PartUnwritable(f"{folder}: cannot be written ({exc.strerror or exc})") from exc
        raise
    return Done(
        shard=shard.index, attempt=path.name, rows=rows, errors=errors, bytes=size, sha256=sha256
    )


def _joined(beside: pa.Table, verdicts: pa.Table, judge: Judge) -> pa.Table:
    for name in verdicts.column_names:
        beside = beside.append_column(name, verdicts.column(name))
    identity = judge.identity
    return beside.replace_schema_metadata(
        {f"postern.{name}": value for name, value in identity.items()}
    )


def _chunks(shard: Shard, reading: Reading) -> Iterator[_Chunk]:
    """Raises what is wrong with the input; OSError is left for the output."""
    made = (_parquet_chunks if shard.form == "parquet" else _text_chunks)(shard, reading)
    while True:
        try:
            chunk = next(made)
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as exc:
            raise InputInvalid(f"{shard.path}: {unreadable(exc, shard.form)}") from exc
        yield chunk


def _beside(shard: Shard, numbers: Sequence[int], kept: dict[str, pa.Array]) -> pa.Table:
    file = pa.DictionaryArray.from_arrays(
        pa.array([0] * len(numbers), pa.int32()), pa.array([shard.file])
    )
    return pa.table({"file": file, "row": pa.array(numbers, pa.int64()), **kept})


def _text_chunks(shard: Shard, reading: Reading) -> Iterator[_Chunk]:
    form = form_of(shard, reading)
    left = shard.stop - shard.start
    with Path(shard.path).open("rb", buffering=0) as file:
        file.seek(shard.start)

        def read(most: int) -> bytes:
            nonlocal left
            content = file.read(min(most, left))
            left -= len(content)
            return content

        records = Records(
            read,
            CsvEnds() if shard.form == "csv" else LineEnds(),
            limit_bytes=reading.limit_bytes,
            is_whole_file=shard.start == 0,
        )
        rows: list[Row] = []
        chars = number = 0
        sha256 = ""
        while (record := records.next()) is not None:
            number, sha256 = record.number, record.sha256
            row = form.row(record)
            if row is None:
                continue
            rows.append(row)
            chars += row.chars
            if len(rows) == CHUNK_ROWS or chars >= AHEAD_CHARS:
                yield _text_chunk(shard, reading, form, rows)
                rows, chars = [], 0
        if (number, sha256) != (shard.records, shard.sha256):
            raise InputChanged(f"{shard.path}: was changed since the job began")
        if rows:
            yield _text_chunk(shard, reading, form, rows)


def _text_chunk(shard: Shard, reading: Reading, form: object, rows: Sequence[Row]) -> _Chunk:
    kept: dict[str, pa.Array] = {}
    if isinstance(form, Csv):
        for name in reading.keep:
            place = form.names.index(name)
            kept[name] = pa.array([_readable(row.cells[place]) for row in rows], pa.string())
    return _Chunk(rows, _beside(shard, [shard.before + one.record.number for one in rows], kept))


def _readable(cell: str) -> str:
    """Bytes that are not UTF-8 cannot stand in a Parquet file; the replacement character can."""
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _parquet_chunks(shard: Shard, reading: Reading) -> Iterator[_Chunk]:
    path = Path(shard.path)
    if footer_sha256(path) != shard.sha256:
        raise InputChanged(f"{shard.path}: was changed since the job began")
    with pq.ParquetFile(path, buffer_size=_BUFFER_BYTES) as file:
        judged = [reading.prompt, reading.response or "response"]
        wanted = list(dict.fromkeys([*judged, *reading.keep]))
        names = [name for name in wanted if name in file.schema_arrow.names]
        groups, place = _groups(file.metadata, shard)
        batches = file.iter_batches(_chunk_rows(file.metadata, groups), groups, columns=names)
        for batch in batches:
            first, place = place, place + batch.num_rows
            begin, end = max(first, shard.start), min(place, shard.stop)
            if begin < end:
                table = pa.Table.from_batches([batch]).slice(begin - first, end - begin)
                kept = {name: table.column(name) for name in reading.keep}
                numbers = range(begin + 1, end + 1)
                yield _Chunk(table_rows(table, reading.columns), _beside(shard, numbers, kept))


def _groups(metadata: pq.FileMetaData, shard: Shard) -> tuple[list[int], int]:
    """The row groups that hold the shard, and the row of the file that they begin with."""
    groups: list[int] = []
    begins = first = 0
    for group in range(metadata.num_row_groups):
        ends = first + metadata.row_group(group).num_rows
        if ends > shard.start and first < shard.stop:
            begins = begins if groups else first
            groups.append(group)
        first = ends
    return groups, begins


def _chunk_rows(metadata: pq.FileMetaData, groups: Sequence[int]) -> int:
    largest = 1.0
    for group in groups:
        one = metadata.row_group(group)
        largest = max(largest, one.total_byte_size / max(1, one.num_rows))
    return max(1, min(CHUNK_ROWS, int(_CHUNK_BYTES / largest)))
