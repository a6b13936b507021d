"""uvicorn's HTTP/1.1 protocol with a deadline for headers and a count of open connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from postern.http.loop_turns import LoopTurns

ARRIVED = "arrived"
"""In the state of a request: from when its deadline counts, in seconds on the monotonic clock."""
CROWDED = "crowded"
"""In the state of a request on one connection too many; `server/observe.py` refuses it."""


def bounded_protocol(
    *, header_timeout_s: float, max_connections: int, turns: LoopTurns
) -> type[HttpToolsProtocol]:
    """A protocol for `uvicorn.Config(http=…)`, which takes a class and no arguments for it.

    A connection whose next request has not sent all its headers within `header_timeout_s` of its
    first byte is closed; a fresh connection has as long to begin. uvicorn alone waits for ever, so
    that idle connections could fill its limit, and answers beyond that limit in plain text. A body
    that is still coming when its request has been answered has as long to end.

    A connection that ends with the reply, as those of HTTP/1.0 proxies do, is closed only after
    such a body: the system resets a connection that is closed on unread bytes, and the client may
    lose the reply with it (RFC 9112, section 9.6).
    """

    class BoundedProtocol(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _body_is_whole = True
        _leaves_after_body = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._arm()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._arm()

        def on_headers_complete(self) -> None:
            self._disarm()
            self._body_is_whole = False
            state: dict[str, Any] = self.scope["state"]
            state[ARRIVED] = turns.came(self.loop)
            state[CROWDED] = len(self.connections) > max_connections
            super().on_headers_complete()
            self.cycle.transport = cast(
                asyncio.Transport, _LingeringTransport(self.transport, self._leave)
            )

        def on_message_complete(self) -> None:
            self._body_is_whole = True
            self._disarm()
            super().on_message_complete()
            if self._leaves_after_body:
                self.transport.close()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self._body_is_whole and not self.transport.is_closing():
                self._arm()

        def _leave(self) -> None:
            """In place of closing at once. uvicorn reads on and drops what comes."""
            if self._body_is_whole or not self.cycle.response_complete:
                self.transport.close()
                return
            self._leaves_after_body = True
            if self.transport.can_write_eof():
                self.transport.write_eof()  # a client that reads to the end has the reply now

        def send_400_response(self, msg: str) -> None:
            # The rest of a refused body may be no HTTP. Its reply has gone out, and so has the end
            # of what is written here.
            if self._leaves_after_body:
                self.transport.close()
            else:
                super().send_400_response(msg)

        def _arm(self) -> None:
            self._disarm()
            self._deadline = self.loop.call_later(header_timeout_s, self._give_up)

        def _disarm(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            # A pipelined request may be late while the reply to the one before it is being sent.
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()
            else:
                self._arm()

    return BoundedProtocol


class _LingeringTransport:
    """A transport that is closed in another way: once what the peer still sends has been read."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
