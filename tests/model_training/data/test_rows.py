"""Rows keep their text and labels; a damaged file is named with its line and not half-read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from model_training.data.rows import (
    Row,
    Source,
    normalized_key,
    prompt_hash,
    read_pool,
    read_rows,
    read_sources,
    write_atomically,
    write_rows,
)
from model_training.errors import DataInvalid

_ROWS = [
    Row(source="a", prompt="Hello\u2028there", response=None, label=0),
    Row(source="b", prompt="how", response="", label=1),
]


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", _ROWS)
    assert read_rows(tmp_path / "rows.jsonl") == _ROWS


def test_absent_response_is_not_an_empty_one() -> None:
    assert [row.slice for row in _ROWS] == ["prompt", "pair"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "rows.jsonl:2"),
        ('{"source": "a", "prompt": 3, "response": null, "label": 0}', "2: prompt"),
        ('{"source": "a", "prompt": "x", "response": null, "label": 2}', "2: label"),
        ('{"source": "a", "prompt": "x", "label": 0}', "2: response"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(_ROWS[0].model_dump_json() + "\n" + line + "\n")
    with pytest.raises(DataInvalid, match=message):
        read_rows(path)


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    content = gzip.compress(b'{"source": "a", "prompt": "x"}\n' * 1000)
    (tmp_path / "a.jsonl.gz").write_bytes(content[:-20])
    with pytest.raises(DataInvalid, match=r"a\.jsonl\.gz"):
        read_pool(tmp_path, _source())


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b'{"source": "a", "prompt": "x"}\n' * 1000))
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    with pytest.raises(DataInvalid, match=r"a\.jsonl\.gz"):
        read_pool(tmp_path, _source())


def test_error_messages_never_repeat_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"source": "a", "prompt": ["secret text"]}\n')
    with pytest.raises(DataInvalid) as caught:
        read_pool(tmp_path, _source("a.jsonl"))
    assert "secret" not in str(caught.value)


def test_missing_catalogue_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"sources\.json"):
        read_sources(tmp_path)


def test_catalogue_is_read(tmp_path: Path) -> None:
    entry = _source().model_dump()
    (tmp_path / "sources.json").write_text(json.dumps([{**entry, "notes": "ignored"}]))
    assert read_sources(tmp_path) == [_source()]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_same_prompt_has_one_hash() -> None:
    assert prompt_hash("Hello, World!") == prompt_hash("  hello world ")
    assert prompt_hash("hello world") != prompt_hash("hello word")
    assert normalized_key("!?") == "!?"


def _source(file: str = "a.jsonl.gz") -> Source:
    return Source(name="a", file=file, split="train", licence="MIT", permissive=True, default=True)
