"""Clients that break every rule: malformed, oversized, slow, leaving early, hostile. Each reports
what it saw.

Every connection asks for `Connection: close`, so a whole reply consists of all bytes up to the end.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from loadtests.scenarios import PATH
from loadtests.texts import MadeTexts

# Beyond any deadline of the server: a request that waits longer hangs.
HANG_S = 120.0
_PIECES = 8
_PIECE_S = 0.1


@dataclass
class Tally:
    """What all of them saw. statuses: of `/classify`. left: requests that the server began to read
    and whose reply nobody waited for, so it may have any status there. hung: by kind."""

    statuses: Counter[str] = field(default_factory=Counter)
    texts: int = 0
    left: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    hung: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)


class Connection:
    """One connection for one request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> Connection:
        place = urlsplit(url)
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    @property
    def socket(self) -> socket.socket:
        found: socket.socket = self._writer.get_extra_info("socket")
        return found

    async def some(self) -> bytes:
        """The bytes that came, at least one unless it has ended."""
        return await self._reader.read(1 << 16)

    async def rest(self) -> bytes:
        """All bytes up to the end."""
        return await self._reader.read(-1)

    async def status(self) -> str:
        """Status of the whole reply; "cut" if there is none."""
        words = (await self.rest()).split(b" ", 2)
        return words[1].decode() if len(words) == 3 else "cut"

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return


Kind = Callable[[Connection], Awaitable[None]]
"""What one client does on its connection."""


def head(length: int, *, path: str = PATH, media_type: str = "application/json") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _growing() -> bytes:
    """A character that normalization multiplies by 18, often enough to pass every limit."""
    return json.dumps({"prompt": "\ufdfa" * 30_000}).encode()


class Misbehaving:
    """Each kind in turn, in random order, however many clients draw from them side by side.

    more: kinds beside those of this module. statuses: what a well-built server answers.
    """

    def __init__(
        self, url: str, tally: Tally, *, seed: int, more: Mapping[str, Kind] | None = None
    ) -> None:
        self._url = url
        self._tally = tally
        self._rng = random.Random(seed)
        self._texts = MadeTexts(seed)
        self._turns: list[str] = []
        self._kinds: Mapping[str, Kind] = {
            "malformed json": self._answered({"400", "422"}, lambda: b'{"prompt": "a'),
            "wrong type": self._answered({"422"}, lambda: b'{"prompt": 5}'),
            "unknown field": self._answered({"422"}, lambda: b'{"prompt": "a", "rule": 1}'),
            "empty prompt": self._answered({"422"}, lambda: b'{"prompt": " "}'),
            "no utf-8": self._answered({"400", "422"}, lambda: b'{"prompt": "\xff\xfe"}'),
            "too large": self._answered({"413"}, lambda: b'{"prompt": "%s"}' % (b"a" * (2 << 20))),
            "wrong media type": self._wrong_media_type,
            "unknown path": self._unknown_path,
            "slow body": self._slow_body,
            "slow reader": self._slow_reader,
            "stuck in the body": self._stuck_in_the_body,
            "leaves in the headers": self._leaves_in_the_headers,
            "leaves in the body": self._leaves_in_the_body,
            "leaves before the reply": self._leaves_before_the_reply,
            "garbage": self._garbage,
            "header bomb": self._header_bomb,
            "long url": self._long_url,
            "upgrade before the body": self._upgrade,
            "text that grows": self._answered({"413"}, _growing),
            "foreign host": self._foreign_host,
            "pipelines and never reads": self._never_reads,
        } | dict(more or {})

    async def run(self, until: Callable[[], bool]) -> None:
        """One client: a kind after the other, until that time."""
        while not until():
            await self._one(self._next())
            await asyncio.sleep(0.02)

    def _next(self) -> str:
        if not self._turns:
            self._turns = list(self._kinds)
            self._rng.shuffle(self._turns)
        return self._turns.pop()

    async def _one(self, name: str) -> None:
        self._tally.sent[name] += 1
        connection = await Connection.to(self._url)
        try:
            async with asyncio.timeout(HANG_S):
                await self._kinds[name](connection)
        except TimeoutError:
            self._tally.hung[name] += 1
        except OSError:  # a broken connection is a finding, and the run goes on
            self._tally.unexpected[f"{name}: broken"] += 1
        finally:
            await connection.close()

    def _good(self) -> bytes:
        return json.dumps({"prompt": self._texts.prompt()}).encode()

    def _note(self, status: str, expected: set[str], *, texts: int = 0) -> None:
        self._tally.statuses[status] += 1
        if status == "200":
            self._tally.texts += texts
        # A full queue may refuse whatever would have been read otherwise.
        if status not in expected | {"429"}:
            self._tally.unexpected[f"{status} for {sorted(expected)}"] += 1

    def _answered(self, expected: set[str], body: Callable[[], bytes]) -> Kind:
        async def go(connection: Connection) -> None:
            content = body()
            await connection.send(head(len(content)) + content)
            self._note(await connection.status(), expected)

        return go

    async def _wrong_media_type(self, connection: Connection) -> None:
        body = self._good()
        await connection.send(head(len(body), media_type="text/plain") + body)
        self._note(await connection.status(), {"415"})

    async def _unknown_path(self, connection: Connection) -> None:
        body = self._good()
        await connection.send(head(len(body), path="/nothing-here") + body)
        status = await connection.status()
        if status != "404":
            self._tally.unexpected[f"{status} for ['404']"] += 1

    async def _slow_body(self, connection: Connection) -> None:
        body = self._good()
        await connection.send(head(len(body)))
        size = -(-len(body) // _PIECES)
        for start in range(0, len(body), size):
            await connection.send(body[start : start + size])
            await asyncio.sleep(_PIECE_S)
        # 408 where the server, or this machine, gives it less time than its pauses take.
        self._note(await connection.status(), {"200", "408", "504"}, texts=1)

    async def _slow_reader(self, connection: Connection) -> None:
        many = 32
        body = json.dumps({"inputs": [{"prompt": f"read a book {n}"} for n in range(many)]})
        await connection.send(head(len(body)) + body.encode())
        await asyncio.sleep(1.0)
        self._note(await connection.status(), {"200", "504"}, texts=many)

    async def _stuck_in_the_body(self, connection: Connection) -> None:
        await connection.send(head(1000) + b'{"prompt": "')
        self._note(await connection.status(), {"408"})

    async def _leaves_in_the_headers(self, connection: Connection) -> None:
        await connection.send(head(10)[: self._rng.randint(1, 40)])

    async def _leaves_in_the_body(self, connection: Connection) -> None:
        await connection.send(head(1000) + b'{"prompt": "')
        self._tally.left += 1

    async def _leaves_before_the_reply(self, connection: Connection) -> None:
        body = self._good()
        await connection.send(head(len(body)) + body)
        self._tally.left += 1

    async def _header_bomb(self, connection: Connection) -> None:
        lines = b"".join(b"a%d: b\r\n" % number for number in range(5000))
        await self._cut_off(connection, head(0)[:-2] + lines + b"\r\n", "431")

    async def _long_url(self, connection: Connection) -> None:
        await self._cut_off(connection, head(0, path=PATH + "?" + "a" * 100_000), "414")

    async def _cut_off(self, connection: Connection, data: bytes, expected: str) -> None:
        """Refused before it is a request; the connection may break while it is still being sent."""
        try:
            await connection.send(data)
            status = await connection.status()
        except OSError:
            status = "cut"
        if status not in (expected, "cut"):
            self._tally.unexpected[f"{status} for ['{expected}']"] += 1

    async def _upgrade(self, connection: Connection) -> None:
        body = self._good()
        offer = b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        lines = head(len(body)).replace(b"Connection: close", b"Connection: Upgrade, close")
        await connection.send(lines[:-2] + offer + b"\r\n")
        await asyncio.sleep(_PIECE_S)
        await connection.send(body)
        self._note(await connection.status(), {"200", "504"}, texts=1)

    async def _foreign_host(self, connection: Connection) -> None:
        body = self._good()
        lines = head(len(body)).replace(b"Host: localhost", b"Host: evil.example")
        await connection.send(lines + body)
        self._note(await connection.status(), {"421"})

    async def _never_reads(self, connection: Connection) -> None:
        request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
        try:
            async with asyncio.timeout(2.0):
                while True:
                    await connection.send(request * 100)
        except (OSError, TimeoutError):
            return

    async def _garbage(self, connection: Connection) -> None:
        await connection.send(self._rng.randbytes(200) + b"\r\n\r\n")
        await connection.status()
