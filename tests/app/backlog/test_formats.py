"""Formats read an exchange from a row, write its verdict, and refuse columns that do not fit."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.backlog.formats import (
    VERDICT_COLUMNS,
    Columns,
    ColumnsInvalid,
    Csv,
    Format,
    JsonLines,
    Row,
)
from postern.backlog.records import CsvEnds, Records
from postern.contract.exchange import Exchange

VERDICT: dict[str, Any] = {
    "model": {"name": "tiny"},
    "operating_point": "balanced",
    "harmful": True,
    "probability": 0.75,
    "threshold": 0.5,
    "decided_by": "student",
    "deferred": False,
    "degraded": False,
    "language": "und",
    "language_supported": True,
    "tokens": 3,
    "windows": 1,
    "categories": [
        {"name": "weapons", "probability": 0.7, "applies": True},
        {"name": "crime", "probability": 0.5, "applies": True},
    ],
}
OWN = "true,0.75,0.5,balanced,student,false,false,und,true,3,1,weapons crime,\n"


def opened(text: str | bytes, **columns: Any) -> tuple[Csv, list[Row]]:
    data = text.encode() if isinstance(text, str) else text
    records = Records(io.BytesIO(data).read, CsvEnds(), limit_bytes=200)
    form = Csv(records.next(), Columns(**columns), limit_bytes=200)
    return form, rows_of(form, records)


def rows_of(form: Format, records: Records) -> list[Row]:
    rows = []
    while (record := records.next()) is not None:
        row = form.row(record)
        if row is not None:
            rows.append(row)
    return rows


def test_cells_stay_and_the_verdict_follows() -> None:
    form, (one, two) = opened(
        '\ufeffid,prompt,response\r\n=1+1,"two\r\nlines, ""quoted""",\r\n\r\n2,ask,answer'
    )
    assert form.header.decode() == "id,prompt,response," + ",".join(VERDICT_COLUMNS) + "\n"
    assert one.exchange == Exchange('two\r\nlines, "quoted"')  # an empty cell is absent
    assert two.exchange == Exchange("ask", "answer")
    assert form.line(one, VERDICT).decode() == '=1+1,"two\r\nlines, ""quoted""",,' + OWN
    assert form.line(two, {"error": "no"}).decode() == "2,ask,answer,,,,,,,,,,,,,no\n"


def test_columns_have_other_names() -> None:
    form, (one,) = opened(
        "question,answer,harmful\na,b,1\n",
        prompt="question",
        response="answer",
        prefix="postern_",
    )
    assert one.exchange == Exchange("a", "b")
    assert form.header.startswith(b"question,answer,harmful,postern_harmful,postern_probability,")


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        ("", {}, "first row must name the columns"),
        ("text\na\n", {}, "no column 'prompt'; see --prompt-column"),
        ("prompt;response\na;b\n", {}, "no column 'prompt'"),
        ("prompt,prompt\na,b\n", {}, "2 columns 'prompt'"),
        ("prompt\na\n", {"response": "answer"}, "no column 'answer'; see --response-column"),
        ("prompt,error\na,b\n", {}, "a column 'error' already; see --column-prefix"),
        (b"\xff\xfep\x00r\x00", {}, "not UTF-8"),
        ('prompt,"a', {}, "first row must name the columns"),
        ("p" * 300, {}, "first row must name the columns"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    text: str | bytes, columns: dict[str, Any], says: str
) -> None:
    with pytest.raises(ColumnsInvalid, match=says):
        opened(text, **columns)


def test_bad_rows_say_why_and_keep_their_columns_apart() -> None:
    text = b'prompt,note\n\xff,a\nfine,\xff\nb\nc,d,e\n%s,f\n"g,h\n' % (b"x" * 300)
    form, rows = opened(text)
    assert [row.error for row in rows] == [
        "the text is not valid UTF-8",
        None,  # the bad bytes stand in a column that nobody judges
        "the row has 1 cells, and the first row 2",
        "the row has 3 cells, and the first row 2",
        "the row has more than 200 bytes, or a quoted cell is not closed",
        "a quoted cell is not closed",
    ]
    written = [form.line(row, {"error": row.error}) for row in rows]
    assert written[0].startswith(b"\xff,a,")
    assert written[1].startswith(b"fine,\xff,")
    width = len(VERDICT_COLUMNS) + 2
    for line in written:
        assert len(next(csv.reader([line.decode(errors="replace")]))) == width


@given(
    st.sampled_from(["unknown", "+1", "=x", "@y", "-z"]),
    st.floats(0.0, 1.0),
    st.booleans(),
)
def test_no_cell_of_ours_begins_a_formula(error: str, probability: float, flag: bool) -> None:
    form, (one,) = opened("prompt\na\n")
    given = VERDICT | {"probability": round(probability, 6), "harmful": flag, "deferred": flag}
    (cells,) = csv.reader([form.line(one, given).decode()])
    assert not any(cell[:1] in ("=", "+", "-", "@") and cell for cell in cells[1:])
    _, rows = opened(f"prompt,b\n{error}\n" + "x" * 300)
    assert all(row.error and row.error.startswith("the ") for row in rows)


def test_a_line_that_is_too_long_is_told_as_such() -> None:
    form = JsonLines(limit_bytes=200)
    records = Records(io.BytesIO(b'{"prompt": "' + b"x" * 300).read, CsvEnds(), limit_bytes=200)
    (row,) = rows_of(form, records)
    assert row.error == "the line has more than 200 bytes"
