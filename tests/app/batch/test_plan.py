"""Shards cover every record of every form once, and what cannot be judged is said before that."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.backlog.formats import ColumnsInvalid
from postern.batch.part import _chunks
from postern.batch.plan import InputChanged, InputInvalid, Plan, Reading, found_files, planned

MARKER = "zzmarkerzz"


def reading(**other: Any) -> Reading:
    return Reading(**({"limit_bytes": 300} | other))


def read_back(plan: Plan, how: Reading) -> list[tuple[int, str | None, str | None]]:
    """(number, prompt, error) of every row, shard by shard."""
    found = []
    for shard in plan.shards:
        for chunk in _chunks(shard, how):
            numbers = chunk.beside.column("row").to_pylist()
            for number, row in zip(numbers, chunk.rows, strict=True):
                prompt = None if row.exchange is None else row.exchange.prompt
                found.append((number, prompt, row.error))
    return found


@given(
    cells=st.lists(st.text('ab,"\r\n\ufeff', max_size=6), max_size=9),
    shard_records=st.integers(1, 4),
)
def test_csv_is_cut_between_records(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], shard_records: int
) -> None:
    """Quoted line breaks are inside a record."""
    path = tmp_path_factory.mktemp("csv") / "in.csv"
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["prompt"], *([cell] for cell in cells)])
    path.write_bytes(text.getvalue().encode())
    plan = planned([path], reading(), shard_records=shard_records)
    assert [row[:2] for row in read_back(plan, reading())] == [
        (place + 2, cell) for place, cell in enumerate(cells)
    ]
    assert all(shard.records <= shard_records for shard in plan.shards)
    assert plan.inputs[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_json_lines_keep_their_numbers_and_their_errors(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    long = b'{"prompt": "' + b"x" * 400 + b'"}\n'
    path.write_bytes(
        b'\xef\xbb\xbf{"prompt": "a"}\n\n{"prompt": 1}\n' + long + b'no\n{"prompt": "b"}'
    )
    plan = planned([path], reading(), shard_records=2)
    found = read_back(plan, reading())
    assert [(number, prompt) for number, prompt, _ in found] == [
        (1, "a"),
        (3, None),
        (4, None),
        (5, None),
        (6, "b"),
    ]
    assert found[1][2] == "Input should be a valid string"
    assert found[2][2] == "the line has more than 300 bytes"
    assert "Invalid JSON" in str(found[3][2])


@pytest.mark.parametrize("shard_records", [1, 3, 7, 100])
def test_parquet_is_cut_within_row_groups(tmp_path: Path, shard_records: int) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"prompt": [str(n) for n in range(20)]}), path, row_group_size=6)
    plan = planned([path], reading(), shard_records=shard_records)
    assert read_back(plan, reading()) == [(n + 1, str(n), None) for n in range(20)]


def test_kept_columns_stand_beside_the_verdicts(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_bytes(b"id,prompt\n1,a\n\xff,b\n")
    second.write_bytes(b"prompt,id\nc,3\nd\n")
    how = reading(keep=("id",))
    plan = planned([first, second], how, shard_records=9)
    (one,), (two,) = (list(_chunks(shard, how)) for shard in plan.shards)
    assert one.beside.to_pylist() == [
        {"file": str(first), "row": 2, "id": "1"},
        {"file": str(first), "row": 3, "id": "\ufffd"},
    ]
    assert two.beside.column("id").to_pylist() == ["3", ""]


def _changed(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"a cake", b"a bomb"))


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv", "in.parquet"])
def test_a_change_since_the_plan_is_noticed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.table({"prompt": ["a cake"]}), path)
    else:
        line = b'{"prompt": "a cake"}\n'
        path.write_bytes(line * 2 if name.endswith("jsonl") else b"prompt\na cake\nb\n")
    plan = planned([path], reading(), shard_records=9)
    if name.endswith("parquet"):
        pq.write_table(pa.table({"prompt": ["a bomb"]}), path)
    else:
        _changed(path)
    with pytest.raises(InputChanged, match="was changed since the job began"):
        read_back(plan, reading())


def test_a_file_that_is_gone_or_damaged_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    rows = [f"{MARKER} {n}" for n in range(500)]
    pq.write_table(pa.table({"prompt": rows}), path, compression="zstd")
    plan = planned([path], reading(), shard_records=9)
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)  # the footer is as it was
    path.write_bytes(content)
    with pytest.raises(InputInvalid, match="is damaged or no Parquet file") as damaged:
        read_back(plan, reading())
    assert MARKER not in str(damaged.value)
    path.unlink()
    with pytest.raises(InputInvalid, match="cannot be read \\(No such file"):
        read_back(plan, reading())


@pytest.mark.parametrize(
    ("tables", "more", "says"),
    [
        (({"text": ["a"]},), {}, "0.parquet: there is no column 'prompt'"),
        (({"prompt": ["a"]}, {"prompt": [1]}), {}, "1.parquet: column 'prompt' is int64"),
        (
            ({"prompt": ["a"], "id": [1]}, {"prompt": ["a"], "id": ["1"]}),
            {"keep": ("id",)},
            "1.parquet: its kept columns have other types than in .*0.parquet",
        ),
        (({"prompt": ["a"]},), {"keep": ("id",)}, "not one column 'id' to keep"),
        (({"prompt": ["a"], "row": [1]},), {"keep": ("row",)}, "the output has its own"),
    ],
    ids=str,
)
def test_columns_that_do_not_fit_are_refused(
    tmp_path: Path, tables: tuple[dict[str, Any], ...], more: dict[str, Any], says: str
) -> None:
    paths = [tmp_path / f"{place}.parquet" for place in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        pq.write_table(pa.table(table), path)
    with pytest.raises(ColumnsInvalid, match=says):
        planned(paths, reading(**more), shard_records=9)


def test_files_are_found_and_refused_by_their_names(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/c.ndjson", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = found_files([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/c.ndjson", "b.jsonl"]
    (tmp_path / "d.csv").touch()
    for named, says in (
        ([tmp_path], "all Parquet, all JSON Lines or all CSV"),
        ([tmp_path / "notes.txt"], "does not end in"),
        ([tmp_path / "gone.csv"], "does not exist"),
        ([tmp_path / "d.csv", tmp_path / "d.csv"], "named twice"),
    ):
        with pytest.raises(InputInvalid, match=says):
            found_files(named)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputInvalid, match="has no file"):
        found_files([tmp_path / "none"])
