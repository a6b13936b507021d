"""Arrow tables are read and written exactly; what is no text is refused or an error of its row."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from postern.backlog.formats import VERDICT_COLUMNS, Columns, ColumnsInvalid
from postern.batch.columns import TableRow, check, table_rows, verdict_schema, verdict_table
from postern.contract.exchange import Exchange

from tests.app.backlog.test_formats import VERDICT


def test_numbers_and_categories_keep_every_bit() -> None:
    (row,) = verdict_table([VERDICT | {"probability": 0.1 + 0.2}]).to_pylist()
    assert row["probability"] == 0.1 + 0.2
    assert row["categories"] == [
        {"name": "weapons", "probability": 0.7},
        {"name": "crime", "probability": 0.5},
    ]
    for name in set(VERDICT_COLUMNS) - {"probability", "categories", "error"}:
        assert row[name] == VERDICT[name]
    assert row["error"] is None


def test_an_error_has_no_verdict() -> None:
    (row,) = verdict_table([{"error": "no"}], "postern_").to_pylist()
    assert row.pop("postern_error") == "no"
    assert set(row.values()) == {None}
    assert list(row) == verdict_schema("postern_").names[:-1]


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_text_of_every_kind_is_read(kind: pa.DataType) -> None:
    column = pa.array(["a", None, ""], pa.string())
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
    table = pa.table({"prompt": column, "response": pa.nulls(3)})
    assert table_rows(table, Columns()) == [
        TableRow(Exchange("a")),
        TableRow(error="the prompt is null"),
        TableRow(Exchange("")),
    ]


def test_a_null_response_is_absent_and_an_empty_one_is_not() -> None:
    table = pa.table({"q": ["a", "a"], "r": ["", None], "response": [1, 2]})
    rows = table_rows(table, Columns(prompt="q", response="r"))
    assert [row.exchange for row in rows] == [Exchange("a", ""), Exchange("a")]


def test_bytes_that_are_no_text_cost_their_own_row() -> None:
    lengths, data = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")
    broken = pa.Array.from_buffers(pa.string(), 2, [None, lengths, data])
    rows = table_rows(pa.table({"prompt": broken}), Columns())
    assert rows == [TableRow(Exchange("a")), TableRow(error="the prompt is not valid UTF-8")]
    rows = table_rows(pa.table({"prompt": ["a", "b"], "response": broken}), Columns())
    assert [row.error for row in rows] == [None, "the response is not valid UTF-8"]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"text": ["a"]}, "there is no column 'prompt'"),
        ({"prompt": [1]}, "column 'prompt' is int64 and not text"),
        ({"prompt": [b"a"]}, "column 'prompt' is binary and not text"),
        ({"prompt": [["a"]]}, "is list<.*> and not text"),
        ({"prompt": ["a"], "response": [0.5]}, "column 'response' is double and not text"),
        ({"prompt": ["a"], "harmful": ["yes"]}, "a column 'harmful' already; choose a prefix"),
    ],
    ids=str,
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, Any], says: str) -> None:
    with pytest.raises(ColumnsInvalid, match=says):
        table_rows(pa.table(columns), Columns())


def test_two_columns_of_one_name_are_refused() -> None:
    schema = pa.schema([("prompt", pa.string()), ("prompt", pa.string())])
    with pytest.raises(ColumnsInvalid, match="2 columns 'prompt'"):
        check(schema, Columns())
