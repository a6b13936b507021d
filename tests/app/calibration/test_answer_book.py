"""The file of a teacher's answers: what is no such file is left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from postern.calibration.inquiry import AnswerBook
from postern.contract.errors import CalibrationImpossible
from postern.teacher.opinion import Opinion

KEY = "a" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "opinions.jsonl"


def test_a_line_that_a_kill_cut_short_is_dropped(path: Path) -> None:
    with AnswerBook(path) as book:
        book.keep(KEY, Opinion("answered", 0.25))
    whole = path.read_bytes()
    for length in (1, 5, 20, len(whole) - 1):
        path.write_bytes(whole + whole[:length])
        with AnswerBook(path) as book:
            assert book.get(KEY) == Opinion("answered", 0.25)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("found", [b"a note", b'{"prompt": "a"}', b'{"key": "x"}\n', b"\n"])
def test_another_file_is_left_as_it_is(path: Path, found: bytes) -> None:
    path.write_bytes(found)
    with pytest.raises(CalibrationImpossible, match="name another file"):
        AnswerBook(path)
    assert path.read_bytes() == found


def test_two_processes_do_not_share_one(path: Path) -> None:
    with AnswerBook(path), pytest.raises(CalibrationImpossible, match="another process uses it"):
        AnswerBook(path)
    with AnswerBook(path) as book:
        assert len(book) == 0
