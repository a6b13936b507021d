"""The file of feedback: lines are appended whole and flushed to the disk, or not at all.

It is opened for each line, so an operator may move it away at any time. A lock beside it keeps a
second server away from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from postern.contract.errors import FeedbackUnwritable, SettingsInvalid

# Texts of users: for the owner alone.
_MODE: Final = 0o600
# A link would let whoever may write the folder choose another file.
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_BEGINNING: Final = b'{"prompt":'


class FeedbackFile:
    """Used by one thread at a time. on_delete: told the name of a file that was deleted."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        max_files: int,
        on_delete: Callable[[str], None],
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._on_delete = on_delete
        self._lock: int | None = None

    def open(self) -> None:
        """Lock and try the file, and mend a last line that a crash cut off.

        Raises SettingsInvalid if another process writes it, or it cannot be written.
        """
        lock_path = self._path.with_name(self._path.name + ".lock")
        try:
            self._lock = os.open(
                lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self._opened() as number:
                self._mend(number)
        except BlockingIOError:
            self.close()
            raise SettingsInvalid("feedback_file: another server writes it") from None
        except OSError as exc:
            self.close()
            raise SettingsInvalid(f"feedback_file cannot be written ({exc.strerror})") from exc

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def append(self, line: bytes) -> None:
        """Append a line and flush it to the disk. Raises FeedbackUnwritable: then it is as before.

        line: with its line break.
        """
        if len(line) > self._max_bytes:
            raise FeedbackUnwritable("the text alone is larger than feedback_max_file_bytes")
        try:
            self._rotate(len(line))
            with self._opened() as number:
                self._mend(number)  # an operator may have edited it meanwhile
                before = os.fstat(number).st_size
                try:
                    _write(number, line)
                    os.fsync(number)
                except OSError:
                    # Half a line would make the whole file unreadable.
                    os.ftruncate(number, before)
                    raise
        except SettingsInvalid as exc:
            raise FeedbackUnwritable(str(exc)) from exc
        except OSError as exc:
            raise FeedbackUnwritable(exc.strerror or type(exc).__name__) from exc

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """A descriptor. Raises OSError."""
        created = False
        try:
            number = os.open(self._path, _FLAGS)
        except FileNotFoundError:
            number = os.open(self._path, _FLAGS | os.O_CREAT, _MODE)
            created = True
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise OSError(0, "not a regular file")
            if created:
                os.fchmod(number, _MODE)  # whatever the process's mask says
                self._flush_folder()
            yield number
        finally:
            os.close(number)

    def _rotate(self, more_bytes: int) -> None:
        """Begin a new file if the current one has no room. Raises OSError."""
        try:
            size = os.stat(self._path, follow_symlinks=False).st_size
        except FileNotFoundError:
            return
        if not size or size + more_bytes <= self._max_bytes:
            return
        for surplus in self._from_number(self._max_files - 1):
            surplus.unlink()
            self._on_delete(surplus.name)
        for number in range(self._max_files - 2, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).rename(self._numbered(number + 1))
        self._path.rename(self._numbered(1))
        self._flush_folder()

    def _numbered(self, number: int) -> Path:
        """`labels.jsonl` -> `labels.1.jsonl`, so that both readers still know the format."""
        return self._path.with_name(f"{self._path.stem}.{number}{self._path.suffix}")

    def _from_number(self, least: int) -> list[Path]:
        """Numbered files from this number on: more than one, if fewer are kept than before."""
        named = re.compile(re.escape(self._path.stem) + r"\.([1-9][0-9]*)")
        found = []
        for path in self._path.parent.glob(f"*{glob.escape(self._path.suffix)}"):
            number = named.fullmatch(path.stem)
            if path.suffix == self._path.suffix and number and int(number[1]) >= least:
                found.append(path)
        return sorted(found)

    def _flush_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _mend(self, number: int) -> None:
        """Complete or cut off a last line without a line break. Raises SettingsInvalid, OSError."""
        size = os.fstat(number).st_size
        if not size or os.pread(number, 1, size - 1) == b"\n":
            return
        length = min(size, self._max_bytes)
        tail = os.pread(number, length, size - length)
        _, found, last = tail.rpartition(b"\n")
        if _is_json(last):
            _write(number, b"\n")  # edited by hand
        elif (found or length == size) and _may_be_ours(last):
            os.ftruncate(number, size - len(last))
        else:
            raise SettingsInvalid("feedback_file does not end with a line of feedback")


def _write(number: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(number, left) :]


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _may_be_ours(line: bytes) -> bool:
    """Whether it begins as our lines do. Another program's file is left as it is."""
    return line.startswith(_BEGINNING) or _BEGINNING.startswith(line)
