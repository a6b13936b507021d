"""Records are cut as the csv module would, in any chunks, and memory does not follow their size."""

from __future__ import annotations

import csv
import hashlib
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.backlog.records import BOM, CsvEnds, Ends, LineEnds, Record, Records


def chunks_of(data: bytes, size: int) -> Records:
    return records_of(data, CsvEnds(), size=size)


def records_of(data: bytes, ends: Ends, *, size: int = 1 << 18, limit: int = 1 << 20) -> Records:
    source = io.BytesIO(data)
    return Records(lambda most: source.read(min(most, size)), ends, limit_bytes=limit)


def read_all(records: Records) -> list[Record]:
    found = []
    while (record := records.next()) is not None:
        found.append(record)
    assert records.has_ended
    return found


@given(
    st.lists(st.text(alphabet='ab",\r\n', max_size=6), max_size=12),
    st.integers(1, 5),
)
def test_rows_are_those_of_the_csv_module(pieces: list[str], size: int) -> None:
    text = ",".join(pieces)
    expected = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    found = []
    for record in read_all(chunks_of(text.encode(), size)):
        assert record.content is not None
        if record.content.strip(b"\r\n"):
            found += list(csv.reader([record.content.decode()]))
    assert found == expected


@given(st.binary(max_size=60), st.integers(1, 7), st.booleans())
def test_no_byte_is_lost_and_every_record_knows_what_came_before(
    data: bytes, size: int, is_csv: bool
) -> None:
    read, ends = 0, CsvEnds() if is_csv else LineEnds()
    for record in read_all(records_of(data, ends, size=size)):
        assert record.content is not None
        start = len(BOM) if read == 0 and data.startswith(BOM) else read
        assert record.content == data[start : record.end]
        assert record.sha256 == hashlib.sha256(data[: record.end]).hexdigest()
        read = record.end
    assert read == len(data) or data == BOM


@given(st.lists(st.text(alphabet='ab",\n', max_size=8), max_size=8), st.data())
def test_reading_goes_on_behind_any_record(rows: list[str], data: st.DataObject) -> None:
    text = "\n".join(rows).encode()
    whole = read_all(chunks_of(text, 3))
    if not whole:
        return
    place = data.draw(st.integers(0, len(whole) - 1))
    again = chunks_of(text, 4)
    found = again.skip_to(whole[place].end, number=whole[place].number)
    assert found == whole[place].sha256
    assert read_all(again) == whole[place + 1 :]


def test_a_record_that_grew_or_an_input_that_shrank_is_no_place_to_go_on() -> None:
    assert chunks_of(b"a\nb", 9).skip_to(3, number=2) is not None
    assert chunks_of(b"a\nbc", 9).skip_to(3, number=2) is None
    assert chunks_of(b"a\n", 9).skip_to(3, number=2) is None


@pytest.mark.parametrize("data", [b"x" * 50_000_000, b'"' + b"x\n" * 25_000_000])
def test_what_is_too_long_is_dropped_while_it_is_read(data: bytes) -> None:
    source = io.BytesIO(b"a\n" + data + b'"\nb\n')
    records = Records(source.read, CsvEnds(), limit_bytes=1 << 20)
    if data[:1] == b"x":
        records = Records(source.read, LineEnds(), limit_bytes=1 << 20)
    tracemalloc.start()
    found = [record.content for record in read_all(records)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [b"a\n", None, b"b\n"]
    assert peak < 8 << 20


def test_a_quote_that_is_never_closed_is_told() -> None:
    (one,) = read_all(chunks_of(b'a,"b\nc\n', 3))
    assert one.is_open
    (one,) = read_all(chunks_of(b'a,"b\nc"\n', 3))
    assert not one.is_open


def test_what_has_not_come_yet_is_not_waited_for() -> None:
    arrived = [b'{"a"', b": 1}\n{"]
    records = Records(
        lambda _: arrived.pop(0) if arrived else b"",
        LineEnds(),
        limit_bytes=99,
        ready=lambda: bool(arrived),
    )
    first = records.next(wait=False)
    assert first is not None
    assert first.content == b'{"a": 1}\n'
    assert records.next(wait=False) is None
    assert not records.has_ended
    last = records.next()
    assert last is not None
    assert last.content == b"{"
