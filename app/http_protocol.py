"""uvicorn's HTTP/1.1 protocol with a deadline for headers and a count of open connections."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.loop_turns import LoopTurns

ARRIVED = "arrived"
"""In the state of a request: from when its deadline counts, in seconds on the monotonic clock."""
CROWDED = "crowded"
"""In the state of a request that came over one connection too many; `app/observe.py` refuses it."""


def bounded_protocol(
    *, header_timeout_s: float, max_connections: int, turns: LoopTurns
) -> type[HttpToolsProtocol]:
    """A protocol for `uvicorn.Config(http=…)`, which takes a class and no arguments for it.

    A connection whose next request has not sent all its headers within `header_timeout_s` of its
    first byte is closed; a fresh connection has as long to begin. uvicorn alone waits for ever, so
    that idle connections could fill its limit, and answers beyond that limit in plain text. A body
    that is still coming when its request has been answered has as long to end.
    """

    class BoundedProtocol(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _body_is_whole = True

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

        def on_message_complete(self) -> None:
            self._body_is_whole = True
            self._disarm()
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self._body_is_whole and not self.transport.is_closing():
                self._arm()

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
