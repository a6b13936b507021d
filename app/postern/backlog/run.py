"""One run: from the beginning, or from where an earlier one stopped, to the end of the input."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from postern.backlog.formats import Csv, JsonLines, Row
from postern.backlog.lanes import Lanes, NextRow
from postern.backlog.output import Kept, Note, OutputInvalid, Stream
from postern.backlog.records import Record, Records
from postern.contract.errors import PosternError

CONTINUES: Final = "the same command with --resume continues"


class InputChanged(PosternError):
    """The input is not the one that the output was begun with."""


@dataclass(frozen=True)
class Source:
    """An opened input, its records, and what they mean. job: of the input and the output."""

    records: Records
    form: JsonLines | Csv
    job: dict[str, Any]
    size: int | None
    unit: str


def begin(output: Kept, note: Note, source: Source, *, resume: bool) -> Note:
    """The note to go on from: an earlier one, or the given one."""
    saved = output.saved(note.job) if resume else None
    if saved is None or not saved.output_bytes:
        output.start(note.job)
        return note
    if source.records.skip_to(saved.input_bytes, number=saved.lines) != saved.input_sha256:
        raise InputChanged("the input is not the one that the output was begun with")
    output.resume(saved)
    return saved


async def judge_rows(
    source: Source,
    output: Kept | Stream,
    note: Note,
    lanes: Lanes[Row],
    show: Callable[[int, int], None],
) -> int:
    """Judge and write what is left. Returns how many rows could not be judged, earlier ones too.

    show: called with the bytes read and the rows written. Raises OutputInvalid.
    """
    errors, rows = note.errors, note.rows
    try:
        if not note.output_bytes and isinstance(source.form, Csv):
            output.write(source.form.header)
        async with aclosing(lanes.verdicts(_next_row(source), pause=output.flush)) as verdicts:
            async for row, verdict in verdicts:
                output.write(source.form.line(row, verdict))
                rows, errors = rows + 1, errors + ("error" in verdict)
                if isinstance(output, Kept) and output.is_due():
                    output.keep(_noted(note, row.record, rows=rows, errors=errors))
                show(row.record.end, rows)
        output.flush()
        if isinstance(output, Kept):
            output.finish()
    except OutputInvalid as exc:
        raise OutputInvalid(f"{exc}; {CONTINUES}") from exc
    return errors


def _noted(note: Note, last: Record, *, rows: int, errors: int) -> Note:
    return Note(
        job=note.job,
        input_bytes=last.end,
        input_sha256=last.sha256,
        lines=last.number,
        rows=rows,
        errors=errors,
    )


def _next_row(source: Source) -> NextRow[Row]:
    def next_row(wait: bool) -> Row | None:
        while (record := source.records.next(wait=wait)) is not None:
            row = source.form.row(record)
            if row is not None:
                return row
        return None

    return next_row
