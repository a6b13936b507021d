"""Bytes -> records, in bounded memory. A record is a line of JSON Lines or a row of CSV.

A record longer than the limit is dropped while it is read, so that it costs neither memory nor a
second pass. Offsets and hashes count the input's bytes as they came.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

CHUNK_BYTES: Final = 1 << 18
BOM: Final = b"\xef\xbb\xbf"
# A character outside the basic plane is 12 bytes in JSON; other columns need some room too.
_BYTES_PER_CHAR: Final = 12
_BYTES_BESIDE: Final = 1 << 16


def record_limit(max_exchange_chars: int) -> int:
    """Bytes that a record may have, for exchanges of so many characters."""
    return _BYTES_PER_CHAR * max_exchange_chars + _BYTES_BESIDE


@dataclass(frozen=True, slots=True)
class Record:
    """content: None if it was too long. is_open: the input ended inside a quoted cell.

    end: input bytes up to and including it. sha256: hash of these bytes, as hexadecimal digits.
    number: its position among all records, from 1; blank ones count.
    """

    content: bytes | None
    number: int
    end: int
    sha256: str
    is_open: bool = False


class Ends(Protocol):
    """Finds where records end. It remembers its place between calls."""

    @property
    def is_open(self) -> bool:
        """Whether the place is inside a quoted cell."""
        ...

    def find(self, data: bytearray, start: int) -> tuple[int, bool]:
        """(the place up to which it looked, whether a record ends there), from `start` on."""
        ...


class LineEnds:
    """Records of JSON Lines end with a line feed."""

    is_open = False

    def find(self, data: bytearray, start: int) -> tuple[int, bool]:
        found = data.find(b"\n", start)
        return (len(data), False) if found < 0 else (found + 1, True)


class CsvEnds:
    """Records of CSV end with a line break outside quotes. Quotes mean what they mean to the
    standard library's csv module: they count at the start of a cell, and doubled inside it."""

    _STOPS = re.compile(rb"[,\r\n]")

    def __init__(self) -> None:
        self._state = "start"

    @property
    def is_open(self) -> bool:
        return self._state == "quoted"

    def find(self, data: bytearray, start: int) -> tuple[int, bool]:
        place, size = start, len(data)
        while place < size:
            if self._state == "quoted":
                found = data.find(b'"', place)
                if found < 0:
                    return size, False
                place, self._state = found + 1, "quote"
            elif data[place] == 0x22 and self._state in ("start", "quote"):
                place, self._state = place + 1, "quoted"
            else:
                stop = self._STOPS.search(data, place)
                if stop is None:
                    self._state = "cell"
                    return size, False
                place, self._state = stop.end(), "start"
                if stop[0] != b",":
                    return place + (data[stop.start() : place + 1] == b"\r\n"), True
        return size, False


class Records:
    """Reads records one by one. read: up to so many bytes, none at the end; ready: whether `read`
    would not wait; is_whole_file: whether a byte order mark at the beginning is one."""

    def __init__(
        self,
        read: Callable[[int], bytes],
        ends: Ends,
        *,
        limit_bytes: int,
        ready: Callable[[], bool] = lambda: True,
        is_whole_file: bool = True,
    ) -> None:
        self._read = read
        self._ready = ready
        self._may_have_bom = is_whole_file
        self._ends = ends
        self._limit = limit_bytes
        self._data = bytearray()
        self._start = 0  # of the current record, in `_data`
        self._place = 0  # up to which it was looked through
        self._too_long = False
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._number = 0
        self.has_ended = False
        """Whether everything was read and returned."""
        self._is_whole = False

    def next(self, *, wait: bool = True) -> Record | None:
        """The next record; None at the end, or if it did not come yet and `wait` is false."""
        while not self.has_ended:
            self._place, found = self._ends.find(self._data, self._place)
            if found or (self._is_whole and self._place > self._start):
                return self._cut(is_open=not found and self._ends.is_open)
            if self._is_whole:
                self.has_ended = not self._too_long
                return self._cut(is_open=self._ends.is_open) if self._too_long else None
            if self._place - self._start > self._limit:
                self._too_long = True
            self._compact()
            if not wait and not self._ready():
                return None
            self._read_more()
        return None

    def skip_to(self, offset: int, *, number: int) -> str | None:
        """Pass over the input up to an offset behind the records read so far.

        number: of the last record before it. Returns the hash of all bytes up to the offset, or
        None if the input is shorter or a record that ended there is longer now.
        """
        last = b""
        while self._hashed < offset:
            if not self._has_more():
                return None
            taken = min(offset - self._hashed, len(self._data) - self._start)
            self._account(self._start + taken)
            last = bytes(self._data[self._start - 1 : self._start])
        if last not in (b"", b"\n", b"\r") and self._has_more():
            return None
        self._place, self._number = self._start, number
        return self._hash.hexdigest()

    def _has_more(self) -> bool:
        if self._start == len(self._data):
            self._start = 0
            self._data[:] = self._read(CHUNK_BYTES)
        return bool(self._data)

    def _cut(self, *, is_open: bool) -> Record:
        too_long = self._too_long or self._place - self._start > self._limit
        content = None if too_long else bytes(memoryview(self._data)[self._start : self._place])
        self._account(self._place)
        self._too_long = False
        self._number += 1
        return Record(content, self._number, self._hashed, self._hash.hexdigest(), is_open)

    def _account(self, place: int) -> None:
        with memoryview(self._data) as view:
            self._hash.update(view[self._start : place])
        self._hashed += place - self._start
        self._start = place

    def _compact(self) -> None:
        """Forget what was returned, and what was read of a record that is too long."""
        if self._too_long:
            self._account(self._place)
        del self._data[: self._start]
        self._place -= self._start
        self._start = 0

    def _read_more(self) -> None:
        chunk = self._read(CHUNK_BYTES)
        self._data += chunk
        self._is_whole = not chunk
        if self._may_have_bom and self._hashed == 0 and not self._is_whole:
            if BOM.startswith(self._data) and len(self._data) < len(BOM):
                return self._read_more()
            if self._data.startswith(BOM):
                self._account(len(BOM))
                self._place = len(BOM)
        return None
