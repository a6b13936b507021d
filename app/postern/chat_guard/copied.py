"""A copy of an answer for the audit, bounded, while the answer itself goes on at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from postern.contract.errors import PosternError, UpstreamInvalid


class Copied:
    """The pieces of an answer, in order. For one writer and one reader on one event loop.

    max_bytes: that may wait for the reader. Beyond them the rest is dropped and reading fails, so
    that a copy that was not judged whole never looks harmless.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pieces: asyncio.Queue[bytes | PosternError | None] = asyncio.Queue()
        self._waiting = 0
        self._closed = False

    @property
    def ended(self) -> bool:
        """Whether no more comes, or nobody reads any more."""
        return self._closed

    def add(self, piece: bytes) -> None:
        """Never waits."""
        if self._closed:
            return
        if self._waiting + len(piece) > self._max_bytes:
            self.end(UpstreamInvalid("the upstream sends more than can be kept for the audit"))
            return
        self._waiting += len(piece)
        self._pieces.put_nowait(piece)

    def end(self, failure: PosternError | None = None) -> None:
        """No more comes. failure: why the answer did not come whole."""
        if not self._closed:
            self._closed = True
            self._pieces.put_nowait(failure)

    def close(self) -> None:
        """Nobody reads any more."""
        self._closed = True
        self._pieces = asyncio.Queue()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Raises the failure after the pieces that came before it."""
        while isinstance(piece := await self._pieces.get(), bytes):
            self._waiting -= len(piece)
            yield piece
        if piece is not None:
            raise piece

    async def read(self, limit_bytes: int) -> bytes:
        """The whole answer. Raises UpstreamInvalid if it is too large, and the failure."""
        whole = bytearray()
        async for piece in self.chunks():
            whole += piece
            if len(whole) > limit_bytes:
                raise UpstreamInvalid("the answer of the upstream is too large")
        return bytes(whole)
