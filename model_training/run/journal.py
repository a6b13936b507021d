"""Keeps finished calls permanently, so that nothing paid for is asked again."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from model_training.data.rows import naming
from model_training.errors import DataInvalid


class Journal:
    """An append-only file of `{"key", "reply"}` lines. A key is the hash of a request.

    `append` returns once its lines are on the disk. What it appends stays together: every line but
    the last says `"more"`, and if a kill or a full disk cut it short, all of it is dropped when the
    file is next opened. Thread-safe: waiting threads share one fsync. Raises DataInvalid on damage
    anywhere else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        self._waiting: list[tuple[str, bytes, bool]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._replies, self._size = self._read()
            with naming(path):
                os.ftruncate(self._descriptor, self._size)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def __contains__(self, key: str) -> bool:
        return key in self._replies

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, key: str) -> Any:
        """The reply to a finished call, as it was appended. Raises KeyError."""
        return json.loads(self._replies[key])

    def append(self, replies: Mapping[str, Any]) -> None:
        """Append replies by their keys.

        Raises OSError that names the file; nothing is half-kept.
        """
        with self._lock:
            left = len(replies)
            for key, reply in replies.items():
                left -= 1
                self._waiting.append((key, json.dumps(reply).encode(), left > 0))
        with self._disk:
            with self._lock:
                batch, self._waiting = self._waiting, []
            if batch:  # otherwise another thread wrote ours with its own
                self._write(batch)
        if any(key not in self._replies for key in replies):
            raise OSError(5, "could not be written", str(self._path))

    def _write(self, batch: list[tuple[str, bytes, bool]]) -> None:
        content = b"".join(
            b'{"key": "%s", "reply": %s%s}\n' % (key.encode(), reply, b', "more": true' * more)
            for key, reply, more in batch
        )
        try:
            with naming(self._path):
                _write_all(self._descriptor, content)
                os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(content)
        self._replies.update((key, reply) for key, reply, _ in batch)

    def _read(self) -> tuple[dict[str, bytes], int]:
        """Replies by key, and the length in bytes of what was appended whole."""
        content = self._path.read_bytes()
        read = whole = 0
        replies: dict[str, bytes] = {}
        together: dict[str, bytes] = {}
        for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(True), 1):
            read += len(line)
            try:
                entry = json.loads(line)
                together[str(entry["key"])] = json.dumps(entry["reply"]).encode()
                more = bool(entry.get("more", False))
            except (ValueError, KeyError, TypeError) as exc:
                raise DataInvalid(f"{self._path}:{number}: is not an entry of a journal") from exc
            if not more:
                replies |= together
                whole, together = read, {}
        return replies, whole


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
