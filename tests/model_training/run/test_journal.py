"""A journal keeps what it was given, whatever ends the process; damage is named."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from model_training.errors import DataInvalid
from model_training.run.journal import Journal
from tests.server_process import ROOT


def test_what_was_appended_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with Journal(path) as journal:
        journal.append({"a": {"text": "x\u2028y\ud800"}, "b": None})
        assert "a" in journal
        assert "c" not in journal
    with Journal(path) as journal:
        assert journal.get("a") == {"text": "x\u2028y\ud800"}
        assert len(journal) == 2


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_line_at_the_end_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "calls.jsonl"
    with Journal(path) as journal:
        journal.append({"a": "first"})
        journal.append({"b": "second"})
    os.truncate(path, path.stat().st_size - cut)
    with Journal(path) as journal:
        assert "a" in journal
        assert "b" not in journal
        journal.append({"b": "again"})
    with Journal(path) as journal:
        assert [journal.get(key) for key in "ab"] == ["first", "again"]


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_what_was_appended_together_is_kept_whole_or_not_at_all(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "calls.jsonl"
    with Journal(path) as journal:
        journal.append({"a": "first", "b": "first"})
        journal.append({"c": "second", "d": "second", "e": "second"})
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content[: 2 + lines]))  # as if a kill had cut the rest
    whole = ["a", "b", *(["c", "d", "e"] if lines == 3 else [])]
    with Journal(path) as journal:
        assert [key for key in "abcde" if key in journal] == whole
        journal.append({"f": "third"})
    with Journal(path) as journal:
        assert [key for key in "abcdef" if key in journal] == [*whole, "f"]


@pytest.mark.parametrize("line", ["{", "[]", '{"key": "a"}', "3"])
def test_damage_elsewhere_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"key": "a", "reply": 1}\n' + line + "\n")
    with pytest.raises(DataInvalid, match=r"calls\.jsonl:2"):
        Journal(path)


def test_threads_share_the_disk_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with Journal(path) as journal:

        def work(worker: int) -> None:
            for index in range(20):
                journal.append({f"{worker}-{index}": index})
                assert f"{worker}-{index}" in journal

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Journal(path) as journal:
        assert len(journal) == 160


_APPEND_FOR_EVER = """
import itertools, pathlib, sys
from model_training.run.journal import Journal
with Journal(pathlib.Path(sys.argv[1])) as journal:
    for index in itertools.count():
        journal.append({str(index): "x" * 200})
        print(index, flush=True)
"""


def test_what_was_confirmed_outlasts_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", _APPEND_FOR_EVER, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    confirmed = [next(process.stdout) for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    confirmed += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    with Journal(path) as journal:
        assert all(line.strip() in journal for line in confirmed)


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", _APPEND_FOR_EVER, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
        check=False,
    )
    assert done.returncode == 1
    assert "calls.jsonl" in done.stderr.splitlines()[-1]
    n_confirmed = len(done.stdout.splitlines())
    assert n_confirmed > 5
    assert path.read_bytes().count(b"\n") == n_confirmed
    with Journal(path) as journal:
        assert len(journal) == n_confirmed
