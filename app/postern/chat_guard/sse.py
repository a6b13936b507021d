"""Server-sent events, after the WHATWG HTML standard, section 9.2; bounded, no I/O."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from postern.chat_guard.identifiers import is_key
from postern.contract.errors import UpstreamInvalid

DONE: Final = "[DONE]"
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class SseParser:
    """Bytes in any pieces -> the data of whole events.

    Comments and fields other than `data` are dropped. At most `max_event_bytes` are kept.
    """

    def __init__(self, *, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._line = bytearray()
        self._data: list[str] = []
        self._data_bytes = 0
        self._after_cr = False
        self._first_line = True

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Data of the events that this chunk completes, one by one.

        So an error after an event does not undo that event. The result must be read to its end.
        Raises UpstreamInvalid.
        """
        if not chunk:
            return
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]  # the second half of a line end whose first half came before
        self._after_cr = chunk[-1:] == b"\r"
        start = 0
        for end in _LINE_END.finditer(chunk):
            self._keep(chunk[start : end.start()])
            start = end.end()
            yield from self._end_line()
        self._keep(chunk[start:])

    def close(self) -> Iterator[str]:
        """The last event, if the sender omitted the empty line after it."""
        if self._line:
            yield from self._end_line()
        yield from self._end_event()

    def _keep(self, piece: bytes) -> None:
        self._line += piece
        if len(self._line) + self._data_bytes > self._max:
            raise UpstreamInvalid("an event of the upstream is too large")

    def _end_line(self) -> Iterator[str]:
        line = bytes(self._line)
        self._line.clear()
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line:
            yield from self._end_event()
            return
        name, _, value = line.partition(b":")
        if name != b"data":
            return
        try:
            self._data.append(value.removeprefix(b" ").decode())
        except UnicodeDecodeError:
            raise UpstreamInvalid("the stream of the upstream is not UTF-8") from None
        self._data_bytes += len(value) + 1

    def _end_event(self) -> Iterator[str]:
        data, self._data, self._data_bytes = self._data, [], 0
        if data:
            yield "\n".join(data)


def event(data: Any) -> bytes:
    """One event with JSON as its data."""
    return b"data: " + to_json(data) + b"\n\n"


def named_event(name: str, data: Any) -> bytes:
    """The same with a name, unless that is no name and could break the line."""
    return (f"event: {name}\n".encode() if is_key(name) else b"") + event(data)


def done() -> bytes:
    return f"data: {DONE}\n\n".encode()


def to_json(value: Any) -> bytes:
    """UTF-8. A lone surrogate stays an escape: some upstreams split pairs over two chunks."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
