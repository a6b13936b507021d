"""One reply on its way out, in pieces, at the speed of its reader."""

from __future__ import annotations

from typing import Any, Final, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

# Bytes written at once. Behind them waits at most what the transport buffers, 64 KiB.
PIECE_BYTES: Final = 1 << 16


class BoundedCycle(RequestResponseCycle):
    """Like uvicorn's, but a large body waits for its reader, and HTTP/1.0 gets no chunks.

    uvicorn hands a body of any size to the transport in one piece, so a hundred clients that never
    read would each hold a copy of a large file.
    """

    _ends_with_the_connection = False

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", ())}
            if self.scope["http_version"] == "1.0" and b"content-length" not in names:
                # HTTP/1.0 has no chunks: the reply ends with the connection.
                self._ends_with_the_connection = True
                self.chunked_encoding = False
            await super().send(message)
            return
        body = cast(dict[str, Any], message).get("body", b"")
        more = cast(dict[str, Any], message).get("more_body", False)
        if len(body) <= PIECE_BYTES:
            await self._send_piece(body, more)
            return
        view = memoryview(body)
        for at in range(0, len(body), PIECE_BYTES):
            await self._send_piece(
                view[at : at + PIECE_BYTES], more or at + PIECE_BYTES < len(body)
            )

    async def _send_piece(self, body: bytes | memoryview, more: bool) -> None:
        if self._ends_with_the_connection:
            self.expected_content_length = 0 if self.scope["method"] == "HEAD" else len(body)
        await super().send(
            cast(ASGISendEvent, {"type": "http.response.body", "body": body, "more_body": more})
        )
