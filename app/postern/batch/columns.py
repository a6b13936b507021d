"""Arrow tables <-> rows and verdicts. No I/O. Needs pyarrow, which serving does not install."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from postern.backlog.formats import VERDICT_COLUMNS, Columns, ColumnsInvalid
from postern.contract.exchange import Exchange

_CATEGORY: Final = pa.struct([("name", pa.string()), ("probability", pa.float64())])
_TYPES: Final[dict[str, pa.DataType]] = {
    "harmful": pa.bool_(),
    "probability": pa.float64(),
    "threshold": pa.float64(),
    "operating_point": pa.string(),
    "decided_by": pa.string(),
    "deferred": pa.bool_(),
    "degraded": pa.bool_(),
    "language": pa.string(),
    "language_supported": pa.bool_(),
    "tokens": pa.int64(),
    "windows": pa.int64(),
    "categories": pa.list_(_CATEGORY),
    "error": pa.string(),
}
NOT_TEXT: Final = "the {} is not valid UTF-8"
_NO_PROMPT: Final = "the prompt is null"


@dataclass(frozen=True, slots=True)
class TableRow:
    """What to judge of one row of a table, or why it cannot be judged."""

    exchange: Exchange | None = None
    error: str | None = None

    @property
    def chars(self) -> int:
        if self.exchange is None:
            return 0
        return len(self.exchange.prompt) + len(self.exchange.response or "")


def verdict_schema(prefix: str = "") -> pa.Schema:
    """The columns of verdicts, in order. Each may be null: a row has a verdict or an `error`."""
    return pa.schema([(prefix + name, _TYPES[name]) for name in VERDICT_COLUMNS])


def verdict_table(verdicts: Sequence[Mapping[str, Any]], prefix: str = "") -> pa.Table:
    """A row for each verdict; numbers are exactly those of a reply of `POST /classify`.

    verdicts: results with their operating point, or only `error`.
    """
    columns = [
        pa.array([_cell(one.get(name)) for one in verdicts], type=_TYPES[name])
        for name in VERDICT_COLUMNS
    ]
    return pa.table(columns, schema=verdict_schema(prefix))


def _cell(value: Any) -> Any:
    if isinstance(value, list):  # categories that apply
        return [{"name": one["name"], "probability": one["probability"]} for one in value]
    return value


def check(schema: pa.Schema, columns: Columns) -> tuple[str, str | None]:
    """The names of the prompt's and the response's column. Raises ColumnsInvalid.

    A response is looked for only if one is named or there is a column `response`.
    """
    prompt = _place(schema, columns.prompt)
    response: str | None = None
    if columns.response is not None:
        response = _place(schema, columns.response)
    elif "response" in schema.names:
        response = _place(schema, "response")
    for name in verdict_schema(columns.prefix).names:
        if name in schema.names:
            raise ColumnsInvalid(f"there is a column {name!r} already; choose a prefix")
    return prompt, response


def _place(schema: pa.Schema, name: str) -> str:
    found = schema.get_all_field_indices(name)
    if len(found) != 1:
        count = "no column" if not found else f"{len(found)} columns"
        raise ColumnsInvalid(f"there is {count} {name!r}")
    kind = schema.field(name).type
    if not is_text(kind):
        raise ColumnsInvalid(f"column {name!r} is {kind} and not text")
    return name


def is_text(kind: pa.DataType) -> bool:
    """Whether cells of this type are text; all of them may be null."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def table_rows(table: pa.Table | pa.RecordBatch, columns: Columns) -> list[TableRow]:
    """What to judge of each row. A null response is an absent one. Raises ColumnsInvalid."""
    prompt, response = check(table.schema, columns)
    prompts = _cells(table.column(prompt), "prompt")
    if response is None:
        return [_row(one, None) for one in prompts]
    responses = _cells(table.column(response), "response")
    return [_row(one, other) for one, other in zip(prompts, responses, strict=True)]


class _NotText(str):
    """Why a cell cannot be read."""


def _row(prompt: str | None, response: str | None) -> TableRow:
    for cell in (prompt, response):
        if isinstance(cell, _NotText):
            return TableRow(error=str(cell))
    if prompt is None:
        return TableRow(error=_NO_PROMPT)
    return TableRow(Exchange(prompt, response))


def _cells(column: pa.ChunkedArray | pa.Array, what: str) -> list[str | None]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:  # Arrow does not check what it is given
        return list(_one_by_one(column, what))


def _one_by_one(column: pa.ChunkedArray | pa.Array, what: str) -> Iterator[str | None]:
    for cell in column:
        try:
            yield cell.as_py()
        except UnicodeDecodeError:
            yield _NotText(NOT_TEXT.format(what))
