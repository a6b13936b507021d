"""A small HTTP/1.1 client: kept-alive connections, replies parsed in C.

The client shares two cores with the server that it measures, so it does little: it writes requests
as they were built, reads only status and length of replies, and keeps a body on demand. Its cost on
one core is `generator_cpu_s_per_1000_texts` in every result.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

# Outcomes that are not an HTTP status.
BROKEN = "broken"
"""The connection failed before the whole reply arrived."""
UNANSWERED = "unanswered"
"""No reply arrived within the run's patience: a hung request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """outcome: the HTTP status, or BROKEN. sent, came: seconds on `time.perf_counter`."""

    outcome: str
    sent: float
    came: float
    body: bytes = b""


Done = Callable[[Answer], None]


@dataclass(slots=True)
class _Sent:
    wire: bytes
    done: Done
    keep_body: bool
    retried: bool = False
    written: float = 0.0


class Target:
    """Where requests go, and the headers that every request carries."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        place = urlsplit(url)
        if place.scheme != "http" or place.hostname is None:
            raise ValueError("the URL must start with http:// and name a host")
        self.host = place.hostname
        self.port = place.port or 80
        self.prefix = place.path.rstrip("/")
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._lines = f"Host: {place.netloc}\r\n{lines}"

    def post(self, path: str, body: bytes) -> bytes:
        """The bytes of one request."""
        head = (
            f"POST {self.prefix}{path} HTTP/1.1\r\n{self._lines}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("latin-1") + body

    def get(self, path: str) -> bytes:
        return f"GET {self.prefix}{path} HTTP/1.1\r\n{self._lines}\r\n".encode("latin-1")


class Client:
    """Sends immediately over an idle or a new connection.

    Beyond `max_connections`, requests wait here. The wait counts because latency starts at the
    scheduled time.
    """

    def __init__(self, target: Target, *, max_connections: int) -> None:
        self.target = target
        self.max_connections = max_connections
        self.peak_connections = 0
        self.peak_waiting = 0
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._connecting = 0
        self._waiting: collections.deque[_Sent] = collections.deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, wire: bytes, done: Done, *, keep_body: bool = False) -> None:
        """Calls `done` exactly once, unless the client is closed first."""
        self._place(_Sent(wire, done, keep_body))

    async def ask(self, wire: bytes) -> Answer:
        """One request and its whole reply."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def done(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        self.send(wire, done, keep_body=True)
        return await future

    async def ask_patiently(self, wire: bytes, *, patience_s: float) -> Answer:
        """Like `ask`, but UNANSWERED if the server hangs.

        The connection stays open in case the reply still arrives.
        """
        asked = time.perf_counter()
        try:
            async with asyncio.timeout(patience_s):
                return await self.ask(wire)
        except TimeoutError:
            return Answer(UNANSWERED, asked, time.perf_counter())

    async def close(self) -> None:
        """Drop open connections. Requests without a reply get no answer."""
        self._waiting.clear()
        for task in list(self._tasks):
            task.cancel()
        for connection in list(self._open):
            connection.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._idle.clear()

    def _place(self, sent: _Sent) -> None:
        if self._idle:
            self._idle.pop().write(sent)
        elif len(self._open) + self._connecting < self.max_connections:
            self._connecting += 1
            task = asyncio.ensure_future(self._connect(sent))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._waiting.append(sent)
            self.peak_waiting = max(self.peak_waiting, len(self._waiting))

    async def _connect(self, sent: _Sent) -> None:
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self), self.target.host, self.target.port
            )
        except OSError:
            sent.done(Answer(BROKEN, started, time.perf_counter()))
            return
        finally:
            self._connecting -= 1
        self._open.add(connection)
        self.peak_connections = max(self.peak_connections, len(self._open))
        connection.write(sent)

    def _free(self, connection: _Connection) -> None:
        if self._waiting:
            connection.write(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _lost(self, connection: _Connection, sent: _Sent | None, *, untouched: bool) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if sent is not None:
            if untouched and not sent.retried:
                # The server closed the idle connection just as we wrote. Like any client, try once
                # more.
                sent.retried = True
                self._place(sent)
            else:
                sent.done(Answer(BROKEN, sent.written, time.perf_counter()))
        if self._waiting:
            self._place(self._waiting.popleft())


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._sent: _Sent | None = None
        self._served = 0
        self._touched = False
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def write(self, sent: _Sent) -> None:
        self._sent = sent
        self._touched = False
        self._body = []
        sent.written = time.perf_counter()
        assert self._transport is not None
        if self._transport.is_closing():  # `connection_lost` follows soon and reports this request
            return
        self._transport.write(sent.wire)

    def drop(self) -> None:
        self._sent = None
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: uvloop's transports have a different base class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._touched = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            assert self._transport is not None
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        sent, self._sent = self._sent, None
        self._client._lost(self, sent, untouched=self._served > 0 and not self._touched)

    # --- httptools ---

    def on_body(self, body: bytes) -> None:
        if self._sent is not None and self._sent.keep_body:
            self._body.append(body)

    def on_message_complete(self) -> None:
        sent, self._sent = self._sent, None
        if sent is None:  # more than we asked for
            return
        status = self._parser.get_status_code()
        keep = self._parser.should_keep_alive()
        self._served += 1
        came = time.perf_counter()
        answer = Answer(str(status), sent.written, came, b"".join(self._body))
        assert self._transport is not None
        if keep:
            self._client._free(self)
        else:
            self._transport.close()  # `connection_lost` then places the next waiting request
        sent.done(answer)
