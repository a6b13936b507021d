"""The file of verdicts, and beside it how far it is. A killed run loses what came after the last
note, and nothing of it is written twice."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from io import FileIO, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from postern.contract.errors import PosternError

# As long as a run may have to repeat after it was killed.
NOTE_EVERY_S: Final = 0.5
_BUFFER_BYTES: Final = 1 << 16
_CHUNK_BYTES: Final = 1 << 20


class OutputInvalid(PosternError):
    """The verdicts cannot be written, or not continued, there."""


class Note(BaseModel):
    """How far a run is. job: what must be the same to continue, by name.

    lines: number of the last record. input_bytes, output_bytes: with the hashes of these bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: dict[str, Any]
    input_bytes: int = Field(0, ge=0)
    input_sha256: str = ""
    output_bytes: int = Field(0, ge=0)
    output_sha256: str = ""
    lines: int = Field(0, ge=0)
    rows: int = Field(0, ge=0)
    errors: int = Field(0, ge=0)


class Stream:
    """Standard output, a pipe or a device: nothing that could be continued."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: bytes) -> None:
        self._file.write(line)

    def flush(self) -> None:
        self._file.flush()


class Kept:
    """A regular file. Nothing is open before `start` or `resume`; the note stays until `finish`."""

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        """Raises OutputInvalid."""
        self._path = path = path.resolve()  # beside what /dev/stdout is, not beside its name
        self._note_path = path.with_name(path.name + ".progress")
        self._clock = clock
        self._noted_at = clock()
        self._buffer = bytearray()
        self._hash = hashlib.sha256()
        self._size = 0
        self.note = Note(job={})
        """The last that was written."""
        self._file: FileIO | None = None

    def saved(self, job: Mapping[str, Any]) -> Note | None:
        """The note of the run to continue; None if there is neither a note nor an output.

        Raises OutputInvalid if it was another job, or there is an output without a note.
        """
        try:
            note = Note.model_validate_json(self._note_path.read_bytes())
        except FileNotFoundError:
            # A kill right after `start` created it leaves it empty.
            if self._path.exists() and self._path.stat().st_size:
                raise OutputInvalid(
                    f"{self._path}: is complete or of another program, because there is no "
                    f"{self._note_path.name}"
                ) from None
            return None
        except (OSError, ValidationError):
            raise OutputInvalid(f"{self._note_path}: cannot be read") from None
        other = sorted(name for name in {*job, *note.job} if job.get(name) != note.job.get(name))
        if other:
            raise OutputInvalid(f"{self._path}: was begun with another {', '.join(other)}")
        return note

    def start(self, job: Mapping[str, Any]) -> None:
        """Begin a new file in place of what is there. Raises OutputInvalid."""
        with self._explained():
            file = self._file = self._opened()
            # In this order: a kill in between leaves a note that says that nothing was written.
            self._save(Note(job=dict(job)))
            file.truncate(0)

    def resume(self, note: Note) -> None:
        """Cut off what came after the note. Raises OutputInvalid if something before it changed."""
        with self._explained():
            file = self._file = self._opened()
            left = note.output_bytes
            while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                self._hash.update(chunk)
                left -= len(chunk)
            if left or (note.output_bytes and self._hash.hexdigest() != note.output_sha256):
                raise OutputInvalid(f"{self._path}: was changed since the run stopped")
            file.truncate(note.output_bytes)
            file.seek(note.output_bytes)
            self._size, self.note = note.output_bytes, note

    def write(self, line: bytes) -> None:
        """Raises OutputInvalid."""
        self._buffer += line
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Raises OutputInvalid."""
        assert self._file is not None  # noqa: S101 - for the type checker
        with self._explained():
            while self._buffer:
                written = write_some(self._file, self._buffer)
                self._hash.update(bytes(self._buffer[:written]))
                self._size += written
                del self._buffer[:written]

    def is_due(self) -> bool:
        """Whether it is time for a note."""
        return self._clock() - self._noted_at >= NOTE_EVERY_S

    def keep(self, note: Note) -> None:
        """Put everything on the disk, then note it. Raises OutputInvalid."""
        self.flush()
        assert self._file is not None  # noqa: S101 - for the type checker
        with self._explained():
            os.fsync(self._file.fileno())
            update = {"output_bytes": self._size, "output_sha256": self._hash.hexdigest()}
            self._save(note.model_copy(update=update))
        self._noted_at = self._clock()

    def finish(self) -> None:
        """Remove the note: the file is complete. Raises OutputInvalid."""
        with self._explained():
            self._note_path.unlink()
        self.close()

    def close(self) -> None:
        """Close the file; the note stays."""
        if self._file is not None:
            self._file.close()

    def _opened(self) -> FileIO:
        number = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        file = FileIO(number, "r+b")
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OutputInvalid(f"{self._path}: another run is writing it") from None
        return file

    def _save(self, note: Note) -> None:
        beside = self._note_path.with_name(self._note_path.name + ".new")
        left = bytearray(json.dumps(note.model_dump()).encode())
        with beside.open("wb", buffering=0) as file:
            while left:
                del left[: write_some(file, left)]
            os.fsync(file.fileno())
        beside.replace(self._note_path)
        self.note = note

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise OutputInvalid(f"{self._path}: cannot be written ({exc.strerror})") from exc


def write_some(file: RawIOBase, data: bytearray) -> int:
    """Write a part of the data, unbuffered. Returns its number of bytes."""
    return file.write(data) or 0


def is_regular(path: Path) -> bool:
    """Whether it is a file that can be continued, or would be one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True
