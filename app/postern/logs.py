"""JSON log lines on standard error. Sizes, timings and verdicts; never text, never keys.

Logging never blocks: lines go to a bounded queue, and a thread writes them. Before that, a pipe
that nobody read stopped the whole server, its probes and SIGTERM included, after 178 requests.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import orjson

LOGGER = logging.getLogger("postern")

_STANDARD_ERROR: Final = 2
_WAITING_BYTES: Final = 4 << 20
_PIECE_BYTES: Final = 1 << 16
# The thread needs the interpreter's lock for each piece that it writes, so it lets some lines
# collect.
_GATHER_S: Final = 0.01
_END_S: Final = 1.0


class JsonFormatter(logging.Formatter):
    """One JSON object per line.

    Exceptions are shown by type and place, without their message, because the message of a library
    can repeat its input.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = type(record.exc_info[1]).__name__
            line["at"] = [
                f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
                for frame in traceback.extract_tb(record.exc_info[2])[-8:]
            ]
        return orjson.dumps(line, default=str).decode()


class QueuedHandler(logging.Handler):
    """Writes in a thread of its own. Lines that find no room are dropped and counted.

    on_drop: called with a number of lines. waiting_bytes: limit of the waiting lines.
    """

    def __init__(
        self, descriptor: int = _STANDARD_ERROR, *, waiting_bytes: int = _WAITING_BYTES
    ) -> None:
        super().__init__()
        self.on_drop: Callable[[int], object] = lambda lines: None
        self._descriptor = descriptor
        self._waiting_bytes = waiting_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # bytes of the waiting lines, and of those being written
        self._dropped = 0  # dropped since the last report
        self._guard = threading.RLock()  # a signal may log while the same thread holds it
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode() + b"\n"
        except Exception:  # a bug in a log call must not fail the request
            self._drop(1)
            return
        with self._guard:
            full = self._bytes + len(line) > self._waiting_bytes
            if not full:
                self._lines.append(line)
                self._bytes += len(line)
        if full:
            self._drop(1)
        elif not self._wake.is_set():
            self._wake.set()

    def end(self, timeout_s: float = _END_S) -> None:
        """Wait until everything is written, but only for a limited time: perhaps nobody reads."""
        give_up = time.monotonic() + timeout_s
        while self._bytes and time.monotonic() < give_up:
            time.sleep(_GATHER_S / 2)

    def _drop(self, lines: int) -> None:
        with self._guard:
            self._dropped += lines
        self.on_drop(lines)

    def _write_on(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(_GATHER_S)
            self._wake.clear()
            while piece := self._next_piece():
                self._write(piece)

    def _next_piece(self) -> list[bytes]:
        piece: list[bytes] = []
        with self._guard:
            if self._dropped and self._lines:
                line = {
                    "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    "level": "warning",
                    "event": "log-lines-dropped",
                    "lines": self._dropped,
                }
                self._dropped = 0
                piece.append(orjson.dumps(line) + b"\n")
                self._bytes += len(piece[0])
            size = 0
            while self._lines and size < _PIECE_BYTES:
                piece.append(self._lines.popleft())
                size += len(piece[-1])
        return piece

    def _write(self, piece: list[bytes]) -> None:
        data = memoryview(b"".join(piece))
        size = len(data)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:  # closed, full, or its reader has gone
            self._drop(len(piece))
        with self._guard:
            self._bytes -= size


_handlers: list[QueuedHandler] = []


def configure(level: str) -> None:
    """Send all loggers of this process through the formatter."""
    handler = QueuedHandler()
    handler.setFormatter(JsonFormatter())
    _handlers[:] = [handler]
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # our own start line already says what uvicorn announces.
    logging.getLogger("uvicorn.error").setLevel("WARNING")
    # Each request to the upstream has a line of ours already.
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel("WARNING")


def count_drops(on_drop: Callable[[int], object]) -> None:
    """on_drop: called with a number of lines, from any thread."""
    for handler in _handlers:
        handler.on_drop = on_drop


def end() -> None:
    """Must be called last. Writes the waiting lines, as long as somebody reads."""
    for handler in _handlers:
        handler.end()


def log(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line: an event and its figures."""
    LOGGER.log(level, event, extra={"fields": fields})
