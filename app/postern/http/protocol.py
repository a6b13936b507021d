"""uvicorn's HTTP/1.1 protocol with limits on heads, on time, and on unsent and unanswered bytes."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from postern.contract.errors import HeadersTooLarge, MalformedRequest, RequestRefused
from postern.http.cycle import BoundedCycle
from postern.http.heads import END, HeadLimits, Heads, body_length
from postern.http.loop_turns import LoopTurns
from postern.http.transports import Flow, LingeringTransport

ARRIVED = "arrived"
"""Key in a request's state: start of its deadline, in seconds on the monotonic clock."""
CROWDED = "crowded"
"""Key in a request's state: its connection is one too many; `server/observe.py` refuses it."""

# Bytes of further requests that are read while one is being answered. Reading continues that far in
# order to notice a client that leaves.
_WAITING_BYTES: Final = 1 << 16
# Limits of a chunked body: bytes that the parser gets at once, bytes that may come without a byte
# of the body, and bytes of framing per byte of the body (a chunk of one byte costs five).
_CHUNKED_PIECE: Final = 1 << 13
_FRAMING_BYTES: Final = 1 << 14
_FRAMING_PER_BYTE: Final = 16
# A client that is still sending cannot read a refusal, so what it sends is discarded first.
_LINGER_S: Final = 2.0
_LINGER_BYTES: Final = 64 << 20
# While the server stops: how long an idle client may still send a request, whose answer then says
# that the connection closes, and how long to wait for a client that does not read.
_LAST_REQUEST_S: Final = 0.5
_STOP_WRITE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Time limits.

    header_timeout_s: from the first byte of a request to the end of its head. write_timeout_s: in
    which a client must read what fills its buffer, 64 KiB.
    """

    header_timeout_s: float
    write_timeout_s: float
    max_connections: int
    head: HeadLimits


def bounded_protocol(
    bounds: Bounds,
    *,
    turns: LoopTurns,
    refusal: Callable[[RequestRefused, str], bytes],
    on_cut: Callable[[str], None],
    leaving: Callable[[], bool],
) -> type[BoundedProtocol]:
    """A protocol class for `uvicorn.Config(http=…)`, which passes no arguments to it.

    refusal: gives the bytes that answer a refusal before there is a request, for its path or "".
    on_cut: told why a connection was cut. leaving: whether the server is about to stop.
    """
    members: dict[str, Any] = {"bounds": bounds, "turns": turns}
    for name, function in (("refusal", refusal), ("on_cut", on_cut), ("leaving", leaving)):
        members[name] = staticmethod(function)
    return cast(type[BoundedProtocol], type("Protocol", (BoundedProtocol,), members))


class BoundedProtocol(HttpToolsProtocol):
    """Handles one request at a time: bytes behind it wait, unparsed, until it is answered.

    A connection is closed if its next request has not sent its head within `header_timeout_s` of
    its first byte; a fresh connection has the same time to begin. A body that is still coming when
    its request has been answered has the same time to end. A client that does not read is cut off
    after `write_timeout_s`. uvicorn alone waits for ever in each case, so idle connections could
    fill its limit, and it answers beyond that limit in plain text.

    A connection that ends with the reply, as those of HTTP/1.0 proxies do, is closed only after the
    body. The system resets a connection that is closed on unread bytes, and the client may lose the
    reply with it (RFC 9112, section 9.6).
    """

    bounds: Bounds
    turns: LoopTurns
    refusal: Callable[[RequestRefused, str], bytes]
    on_cut: Callable[[str], None]
    leaving: Callable[[], bool]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heads = Heads(self.bounds.head)
        self._waiting = bytearray()  # behind the request that is being answered
        self._body_is_whole = True
        self._left: int | None = 0  # bytes of the body still to come; None where it is chunked
        self._tail = b""  # the last bytes of a chunked body, where its end may have begun
        self._framing = 0  # bytes of framing of a chunked body
        self._body_bytes = 0
        self._leaves_after_body = False
        self._dropped: int | None = None  # bytes discarded since the refusal of this connection
        self._is_stopping = False
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: Flow = Flow(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._end_write_deadline()
        self._waiting.clear()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Called once when the server stops."""
        self._is_stopping = True
        if self._is_answering:
            self.cycle.keep_alive = False
        else:
            # Otherwise a client that has just sent its next request would see a reset.
            self.loop.call_later(_LAST_REQUEST_S, self._close_unless_answering)
        if self.transport.get_write_buffer_size():
            self._begin_write_deadline(_STOP_WRITE_S)

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close(self) -> None:
        """Close once what was written has been read, or the time for that is over."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._begin_write_deadline(
                _STOP_WRITE_S if self._is_stopping else self.bounds.write_timeout_s
            )

    def _close_unless_answering(self) -> None:
        if self._is_answering:
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            self._close()

    # --- what comes in ---

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._dropped is not None:
            self._drop(data)
        elif self._waiting:
            self._wait_with(data)
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Give the parser whole heads, and bodies exactly to their end, because it cannot pause."""
        start = 0
        while start < len(data):
            if self._body_is_whole:
                if self._is_answering:
                    self._wait_with(data[start:])
                    return
                if self._deadline is None:
                    self._arm()
                try:
                    piece, start = self._heads.take(data, start)
                except RequestRefused as exc:
                    self._refuse(exc)
                    return
                if piece is None:
                    return
            else:
                end = self._end_of_body(data, start)
                piece, start = data[start:end], end
            if not self._parse(piece):
                return

    def _end_of_body(self, data: bytes, start: int) -> int:
        """How far the body certainly reaches. A chunked one ends only with a blank line."""
        if self._left is not None:
            end = min(len(data), start + self._left)
            self._left -= end - start
            return end
        end = min(len(data), start + _CHUNKED_PIECE)
        across = (self._tail + data[start : start + len(END) - 1]).find(END)
        if across >= 0:
            end = start + across + len(END) - len(self._tail)
        else:
            found = data.find(END, start, end)
            end = found + len(END) if found >= 0 else end
        self._tail = (self._tail + data[start:end])[-len(END) + 1 :]
        return end

    def _parse(self, piece: bytes) -> bool:
        """Parse bytes. Returns whether the following ones can be processed."""
        chunked, before = self._left is None, self._body_bytes
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserCallbackError as exc:
            cause = exc.__context__
            self._refuse(cause if isinstance(cause, RequestRefused) else MalformedRequest())
            return False
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(MalformedRequest())
            return False
        if chunked and not self._body_is_whole:
            body = self._body_bytes - before
            self._framing += len(piece) - body - _FRAMING_PER_BYTE * body
            if self._framing > _FRAMING_BYTES:
                self._refuse(HeadersTooLarge("chunk extensions or trailers are too large"))
                return False
            self._framing = max(0, self._framing)
        return not self.transport.is_closing()

    def _wait_with(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) > _WAITING_BYTES:
            self.flow.full = True
            self.flow.pause_reading()

    def _feed_waiting(self) -> None:
        if self._waiting and not self.transport.is_closing() and not self._is_answering:
            self._unset_keepalive_if_required()
            data = bytes(self._waiting)
            self._waiting.clear()
            self._feed(data)

    # --- what the parser tells ---

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer is not a header: it could add one after the headers were checked.
        if self._body_is_whole:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Like uvicorn's, with limits and without upgrades to other protocols."""
        self._disarm()
        if self.parser.get_method() == b"CONNECT":
            # The parser refuses it, too, but only after this has started the request.
            raise MalformedRequest
        version = self.parser.get_http_version()
        left = body_length(self.headers, version)
        scope = cast(dict[str, Any], self.scope)
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        # From here on it counts as a request, whatever happens to its body.
        self._left, self._body_is_whole = left, False
        self._tail, self._framing, self._body_bytes = b"", 0, 0
        scope.update(
            method=self.parser.get_method().decode("ascii"),
            http_version=version,
            path=urllib.parse.unquote(path) if "%" in path else path,
            raw_path=url.path,
            query_string=url.query or b"",
        )
        state: dict[str, Any] = scope["state"]
        state[ARRIVED] = self.turns.came(self.loop)
        state[CROWDED] = len(self.connections) > self.bounds.max_connections
        keeps = version == "1.1" and self.parser.should_keep_alive() and not self._is_stopping
        self.cycle = BoundedCycle(
            scope=self.scope,
            transport=cast(asyncio.Transport, LingeringTransport(self.transport, self._leave)),
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            # An HTTP/1.0 client does not know the status 100 that it would get.
            expect_100_continue=self.expect_100_continue and version == "1.1",
            keep_alive=keeps and not self.leaving(),
            on_response=self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_is_whole, self._left = True, 0
        self._disarm()
        super().on_message_complete()
        if self._leaves_after_body:
            self._close()

    # --- what goes out ---

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self._close()
            return
        if not self._body_is_whole:
            self._arm()
        self.flow.full = False
        self.flow.resume_reading()
        if self._waiting:
            self.loop.call_soon(self._feed_waiting)

    def _leave(self) -> None:
        """Linger instead of closing at once. uvicorn reads on and discards what comes."""
        if self._body_is_whole or not self.cycle.response_complete:
            self._close()
            return
        self._leaves_after_body = True
        if self.transport.can_write_eof():
            self.transport.write_eof()  # a client that reads to the end has the reply now

    def pause_writing(self) -> None:
        super().pause_writing()
        self._begin_write_deadline(
            _STOP_WRITE_S if self._is_stopping else self.bounds.write_timeout_s
        )

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            self._end_write_deadline()
        super().resume_writing()

    def _begin_write_deadline(self, seconds: float) -> None:
        self._end_write_deadline()
        self._write_deadline = self.loop.call_later(seconds, self._cut_slow_reader)

    def _end_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _cut_slow_reader(self) -> None:
        self.on_cut("slow-reader")
        self.transport.abort()

    # --- refusals and deadlines ---

    def _refuse(self, error: RequestRefused) -> None:
        """Answer, and close once the client has had time to read that."""
        self._disarm()
        self._dropped = 0
        self._waiting.clear()
        if self.transport.is_closing():
            return
        if not self._body_is_whole and self.cycle is not None:
            if self.cycle.response_started:
                # The rest of a refused body may not be HTTP. Its reply has been sent.
                self._close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(self.refusal(error, ""))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self._close)

    def _drop(self, data: bytes) -> None:
        self._dropped = (self._dropped or 0) + len(data)
        if self._dropped > _LINGER_BYTES:
            self._close()

    def send_400_response(self, msg: str) -> None:  # pragma: no cover - uvicorn's own way
        self._refuse(MalformedRequest())

    def _arm(self) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(self.bounds.header_timeout_s, self._give_up)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.on_cut("slow-sender")
            self._close()
