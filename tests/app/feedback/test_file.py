"""Lines are appended whole or not at all; files are private, bounded and readable after a crash."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from postern.contract.errors import FeedbackUnwritable, SettingsInvalid
from postern.feedback.file import FeedbackFile

from tests.server_process import ROOT

LINE = b'{"prompt":"a"}\n'


def opened(path: Path, *, max_bytes: int = 100, max_files: int = 3) -> FeedbackFile:
    file = FeedbackFile(path, max_bytes=max_bytes, max_files=max_files, on_delete=deleted.append)
    file.open()
    return file


deleted: list[str] = []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    deleted.clear()
    return tmp_path / "labels.jsonl"


def test_only_the_owner_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        file = opened(path)
        for _ in range(20):
            file.append(LINE)
    finally:
        os.umask(before)
    for one in path.parent.iterdir():
        assert stat.S_IMODE(one.stat().st_mode) == 0o600, one.name


def test_files_are_bounded_in_size_and_number(path: Path) -> None:
    file = opened(path)
    lines = [b'{"prompt":"%04d"}\n' % number for number in range(40)]
    for line in lines:
        file.append(line)
    names = ["labels.2.jsonl", "labels.1.jsonl", "labels.jsonl"]
    kept = b"".join((path.parent / name).read_bytes() for name in names)
    assert sorted(one.name for one in path.parent.glob("*.jsonl")) == sorted(names)
    assert all((path.parent / name).stat().st_size <= 100 for name in names)
    assert kept == b"".join(lines)[-len(kept) :]  # the last lines, whole and in order
    assert deleted
    assert set(deleted) == {"labels.2.jsonl"}


def test_fewer_files_are_kept_after_the_limit_was_lowered(path: Path) -> None:
    for number in range(1, 7):
        (path.parent / f"labels.{number}.jsonl").write_bytes(LINE)
    others = ["labels.old.jsonl", "labels.9.json", "more.labels.5.jsonl"]
    for name in others:
        (path.parent / name).write_bytes(b"mine")
    file = opened(path, max_files=3)
    for _ in range(8):
        file.append(LINE)
    kept = ["labels.1.jsonl", "labels.2.jsonl", "labels.jsonl", "labels.jsonl.lock"]
    assert sorted(one.name for one in path.parent.iterdir()) == sorted([*kept, *others])
    assert set(deleted) == {f"labels.{number}.jsonl" for number in range(2, 7)}


def test_what_was_edited_meanwhile_stays_readable(path: Path) -> None:
    file = opened(path)
    file.append(LINE)
    path.write_bytes(LINE + LINE.rstrip())  # an editor that ends no line
    file.append(LINE)
    assert path.read_bytes() == LINE * 3
    path.write_bytes(LINE + b"note to myself")
    with pytest.raises(FeedbackUnwritable, match="does not end with a line of feedback"):
        file.append(LINE)
    assert path.read_bytes() == LINE + b"note to myself"


def test_a_line_larger_than_a_file_is_refused(path: Path) -> None:
    file = opened(path)
    with pytest.raises(FeedbackUnwritable, match="feedback_max_file_bytes"):
        file.append(b"x" * 100 + b"\n")
    assert path.read_bytes() == b""


def test_it_may_be_moved_away_at_any_time(path: Path) -> None:
    file = opened(path)
    file.append(LINE)
    path.rename(path.with_name("mine.jsonl"))
    file.append(LINE)
    assert path.with_name("mine.jsonl").read_bytes() == path.read_bytes() == LINE


def test_two_servers_do_not_share_one(path: Path) -> None:
    first = opened(path)
    with pytest.raises(SettingsInvalid, match="another server"):
        opened(path)
    first.close()
    opened(path).append(LINE)


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (LINE, LINE),
        (LINE + b'{"prompt":"half of a li', LINE),
        (LINE + b'{"pro', LINE),
        (LINE + b'{"prompt":"by hand"}', LINE + b'{"prompt":"by hand"}\n'),
        (b'{"prompt":"the only one', b""),
    ],
)
def test_a_line_that_a_crash_cut_off_is_mended(path: Path, found: bytes, left: bytes) -> None:
    path.write_bytes(found)
    opened(path).append(LINE)
    assert path.read_bytes() == left + LINE


@pytest.mark.parametrize("found", [b"precious text without a line break", LINE + b"more of it"])
def test_another_programs_file_is_left_as_it_is(path: Path, found: bytes) -> None:
    path.write_bytes(found)
    with pytest.raises(SettingsInvalid, match="does not end with a line of feedback"):
        opened(path)
    assert path.read_bytes() == found


def test_links_folders_and_missing_folders_are_refused(path: Path) -> None:
    path.symlink_to("elsewhere.jsonl")
    with pytest.raises(SettingsInvalid, match="symbolic links"):
        opened(path)
    assert not path.with_name("elsewhere.jsonl").exists()
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsInvalid, match="feedback_file cannot be written"):
        opened(path)
    with pytest.raises(SettingsInvalid, match="No such file"):
        opened(path.parent / "none" / "labels.jsonl")


_FULL = """
import resource, sys
from pathlib import Path
from postern.contract.errors import FeedbackUnwritable
from postern.feedback.file import FeedbackFile
resource.setrlimit(resource.RLIMIT_FSIZE, (50, resource.RLIM_INFINITY))
file = FeedbackFile(Path(sys.argv[1]), max_bytes=1000, max_files=2, on_delete=print)
file.open()
line = b'{"prompt":"1234567"}' + bytes([10])
for _ in range(3):
    try:
        file.append(line)
        print("written")
    except FeedbackUnwritable as exc:
        print(exc)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.append(line)
"""


def test_a_full_disk_leaves_no_half_line(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.stdout.splitlines() == [
        "written",
        "written",
        "the feedback was not recorded: File too large",
    ]
    assert path.read_bytes() == b'{"prompt":"1234567"}\n' * 3
