"""A server on the test's own loop that answers at once, but stalls when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class StallingServer:
    """Answers `status` to everything. While `gate` is closed, requests wait."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.status = 200
        self.served = 0
        self.close_after_reply = False
        self.url = ""

    async def stall(self, after_s: float, for_s: float) -> None:
        await asyncio.sleep(after_s)
        self.gate.clear()
        await asyncio.sleep(for_s)
        self.gate.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length:")
                    ),
                    0,
                )
                await reader.readexactly(length)
                await self.gate.wait()
                self.served += 1
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % self.status)
                if self.close_after_reply:  # without a word, as after an idle time
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def stalling_server() -> AsyncIterator[StallingServer]:
    server = StallingServer()
    listening = await asyncio.start_server(server._serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()[:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        server.gate.set()
        listening.close()
