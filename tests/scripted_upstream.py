"""An OpenAI-compatible chat API on a real socket that does as it is told, byte by byte.

In a test: `with StubUpstream() as upstream`, then `upstream.script = [...]`. As a script it streams
a canned answer: `python -m tests.scripted_upstream`.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

Step = bytes | float | threading.Event
"""Bytes to send, seconds to wait, or an event to wait for."""


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    left: threading.Event = field(default_factory=threading.Event)
    """The other side closed its connection before the script was over."""
    sent_bytes: int = 0
    header_lines: list[tuple[str, str]] = field(default_factory=list)
    """As they were sent, one that came twice too."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def completion(content: str | None = "Sure, here is a story.", **fields: Any) -> dict[str, Any]:
    """A whole answer of one choice; fields go into its message."""
    message = {"role": "assistant", "content": content} | fields
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "stub-1",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        "x_unknown": {"kept": 12345678901234567890},
    }


def chunk(
    delta: dict[str, Any] | str, *, index: int = 0, finish: str | None = None, **fields: Any
) -> bytes:
    """One event of a streamed answer."""
    content = delta if isinstance(delta, dict) else {"content": delta}
    choice = {"index": index, "delta": content, "finish_reason": finish}
    data = {
        "id": "chatcmpl-stub",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "stub-1",
        "choices": [choice],
    } | fields
    return f"data: {json.dumps(data)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, finish="stop")


def whole(body: Any, *, status: int = 200, **headers: str) -> list[Step]:
    """A reply with a length. body: JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    return [_head(status, fields), content]


def streamed(steps: Iterable[Step], *, ends: bool = True, **headers: str) -> list[Step]:
    """A reply in chunked encoding, one chunk for each piece of bytes."""
    fields = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    out: list[Step] = [_head(200, fields)]
    for step in steps:
        out.append(b"%x\r\n%b\r\n" % (len(step), step) if isinstance(step, bytes) else step)
    return [*out, b"0\r\n\r\n"] if ends else out


def answer(*texts: str, finish: str = "stop") -> list[Step]:
    """A well-behaved stream of these pieces of text."""
    return streamed([ROLE, *map(chunk, texts), chunk({}, finish=finish), DONE])


def _head(status: int, fields: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class StubUpstream:
    """Plays `script` to every request, or what `script` returns for it where it is a function.

    tls: the server's side; without it, plain HTTP.
    """

    def __init__(self, script: Any = (), *, tls: ssl.SSLContext | None = None) -> None:
        self.script: Any = script
        self.seen: list[Seen] = []
        self.n_connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def play(self, script: Sequence[Step]) -> None:
        self.script = script
        self.seen.clear()

    def say(self, **message: Any) -> None:
        """A whole completion with this message to every request from now on."""
        self.play(whole(completion(**message)))

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.n_connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._encrypted(connection) as connection:
                while (seen := _read_request(connection)) is not None:
                    self.seen.append(seen)
                    steps = self.script(seen) if callable(self.script) else self.script
                    if not _play(connection, steps, seen):
                        return
        except OSError:
            pass
        finally:
            self._open.discard(connection)

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        """Raises OSError where the other side does not trust the certificate."""
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_side=True)

    def close(self) -> None:
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            connection.close()
        self._thread.join(10.0)

    def __enter__(self) -> StubUpstream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _read_request(connection: socket.socket) -> Seen | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    header_lines = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    headers = {name.lower(): value for name, value in header_lines}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return Seen(method, path, headers, body, header_lines=header_lines)


def _play(connection: socket.socket, steps: Sequence[Step], seen: Seen) -> bool:
    """Whether the connection can be used again."""
    counted = False
    for step in steps:
        if isinstance(step, bytes):
            try:
                connection.sendall(step)
            except OSError:
                seen.left.set()
                raise
            seen.sent_bytes += len(step)
            counted = counted or b"Content-Length" in step or b"chunked" in step
            continue
        until = time.monotonic() + (step if isinstance(step, float) else 300.0)
        while time.monotonic() < until:
            if isinstance(step, threading.Event) and step.is_set():
                break
            if connection.fileno() < 0:  # the test is over
                return False
            readable, _, _ = select.select([connection], [], [], 0.01)
            if readable and _has_left(connection):
                seen.left.set()
                return False
    return counted and steps[-1] != b"" and not _is_cut(steps)


def _has_left(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except ConnectionResetError:  # closed with something unread
        return True


def _is_cut(steps: Sequence[Step]) -> bool:
    """A chunked reply without its end: the connection is closed to end it."""
    head = next((step for step in steps if isinstance(step, bytes)), b"")
    return b"chunked" in head and steps[-1] != b"0\r\n\r\n"


def _echo(seen: Seen) -> list[Step]:
    if seen.path.endswith("/models"):
        return whole({"object": "list", "data": [{"id": "stub-1", "object": "model"}]})
    if seen.json.get("stream"):
        return answer("Once upon a time ", "there was a gate. ", "It was kept well.")
    return whole(completion("Once upon a time there was a gate. It was kept well."))


if __name__ == "__main__":
    stub = StubUpstream(_echo)
    print(stub.url, flush=True)
    threading.Event().wait()
