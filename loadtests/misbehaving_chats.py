"""Clients of the guarded proxy: those that misbehave, those whose upstream does, and good ones."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import Callable, Mapping
from functools import partial

from loadtests.chats import HUNG, PATH, Chat, ChatTally, Expected, Reply
from loadtests.client import BROKEN
from loadtests.hostile_upstream import ERROR_STATUS
from loadtests.misbehaving import HANG_S, Connection, Kind, head

_PAUSE_S = 0.5
_READS_NOTHING_S = 2.0

_PASSED = Expected.of("200", outcome="passed")
_FAILED = Expected.of("502", outcome="failed")
# The proxy releases the text before the fault. Then it ends the stream with an error.
_BREAKS_OFF = Expected.of("200 error", "502", outcome="failed")
_TOLD = Expected.of(str(ERROR_STATUS), outcome="upstream_error")
_MALFORMED = Expected.of("400", outcome=None)
_TOO_DEEP = Expected.of("413", outcome=None)
_OVER_BUDGET = Expected.of("413", outcome="failed")

# By the upstream's answer: what comes of it without and with `stream`; None: not asked for so.
_UPSTREAM: Mapping[str, tuple[Expected | None, Expected | None]] = {
    "keys": (None, _FAILED),
    "keys-later": (None, _BREAKS_OFF),
    "choices": (_FAILED, _FAILED),
    "nan": (_FAILED, _FAILED),
    "status-999": (_FAILED, None),
    "redirect": (_FAILED, None),
    "header": (_FAILED, None),
    "surplus": (_PASSED, None),
    "cut": (_FAILED, _BREAKS_OFF),
    "drip": (_PASSED, _PASSED),
    "error-first": (_TOLD, _TOLD),
}


def _of_turns(turns: list[dict[str, object]]) -> bytes:
    return json.dumps({"model": "good", "messages": turns}).encode()


def _unknown_role() -> bytes:
    return _of_turns([{"role": "user\nWhat now?", "content": "please"}])


def _many_turns() -> bytes:
    return _of_turns([{"role": "user", "content": f"read {number}"} for number in range(5000)])


def _joins() -> bytes:
    """Each call of a tool is read beside all questions before it."""
    call: dict[str, object] = {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}
    asked: list[dict[str, object]] = [
        {"role": "user", "content": f"{number} " + "q" * 60} for number in range(2500)
    ]
    return _of_turns([turn for one in asked for turn in (one, call)])


def _much_text() -> bytes:
    text = "read " * 2000
    return _of_turns([{"role": "user", "content": f"{number} {text}"} for number in range(50)])


def _deep() -> bytes:
    return Chat("good").body[:-1] + b', "x": ' + b"[" * 900 + b"]" * 900 + b"}"


# Bodies that are refused.
_REFUSED: Mapping[str, tuple[Callable[[], bytes], Expected]] = {
    "malformed json": (lambda: b'{"messages": [', _MALFORMED),
    "unknown role": (_unknown_role, _MALFORMED),
    "900 levels": (_deep, _TOO_DEEP),
    "thousands of turns": (_many_turns, _OVER_BUDGET),
    "joins": (_joins, _OVER_BUDGET),
    "much text": (_much_text, _OVER_BUDGET),
}


class MisbehavingChats:
    """One connection for each chat. kinds: what `Misbehaving` runs in turn."""

    def __init__(self, url: str, tally: ChatTally) -> None:
        self._url = url
        self._tally = tally
        self.kinds: dict[str, Kind] = {
            "chat: text in keys": self._text_in_keys,
            "chat: two Authorization": self._two_authorizations,
            "chat: leaves before the answer": self._leaves_before_the_answer,
            "chat: leaves in mid-stream": self._leaves_in_mid_stream,
            "chat: reads no further": self._reads_no_further,
        }
        for refused in _REFUSED:
            self.kinds[f"chat: {refused}"] = partial(self._refused, refused)
        for answer, expected in _UPSTREAM.items():
            for stream, one in zip((False, True), expected, strict=True):
                if one is not None:
                    name = f"upstream {answer}{' streamed' if stream else ''}"
                    chat = partial(Chat, answer, stream)
                    self.kinds[f"chat: {name}"] = partial(self._ask, name, chat, one)

    async def behave(self, until: Callable[[], bool]) -> None:
        """A well-behaved client: a question after the other, streamed or not, until that time."""
        for stream in itertools.cycle((False, True)):
            if until():
                return
            self._tally.good[await self._good(Chat("good", stream))] += 1
            await asyncio.sleep(_PAUSE_S)

    async def _good(self, chat: Chat) -> str:
        try:
            connection = await Connection.to(self._url)
        except OSError:
            return BROKEN
        try:
            async with asyncio.timeout(HANG_S):
                return await self._exchange(connection, "good", chat, _PASSED)
        except TimeoutError:
            return HUNG
        except OSError:
            return BROKEN
        finally:
            await connection.close()

    async def _exchange(
        self, connection: Connection, name: str, chat: Chat, expected: Expected, more: bytes = b""
    ) -> str:
        """more: lines of the head. Returns what was seen."""
        await _send(connection, chat.body, more)
        reply = Reply.read(await connection.rest())
        seen = chat.seen(reply)
        self._tally.note(name, reply.status, seen, expected)
        return seen

    async def _refused(self, name: str, connection: Connection) -> None:
        body, expected = _REFUSED[name]
        await _send(connection, body())
        reply = Reply.read(await connection.rest())
        self._tally.note(name, reply.status, Chat("good").seen(reply), expected)

    async def _ask(
        self, name: str, chat: Callable[[], Chat], expected: Expected, connection: Connection
    ) -> None:
        await self._exchange(connection, name, chat(), expected)

    async def _text_in_keys(self, connection: Connection) -> None:
        more = {"x_note": {"Please read a book about trains": {"and sing": 1}}}
        chat = Chat("good", more=more)
        await self._exchange(connection, "text in keys", chat, _PASSED)

    async def _two_authorizations(self, connection: Connection) -> None:
        """The upstream itself says where it got both, or a cookie."""
        lines = b"Authorization: Bearer one\r\nAUTHORIZATION: Bearer two\r\nCookie: a=b\r\n"
        await self._exchange(connection, "two Authorization", Chat("good"), _PASSED, lines)

    async def _leaves_before_the_answer(self, connection: Connection) -> None:
        await _send(connection, Chat("drip").body)
        self._tally.leave()

    async def _leaves_in_mid_stream(self, connection: Connection) -> None:
        await _send(connection, Chat("endless", stream=True).body)
        self._tally.leave()
        await connection.some()

    async def _reads_no_further(self, connection: Connection) -> None:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await _send(connection, Chat("flood", stream=True).body)
        self._tally.leave()
        await connection.some()
        await asyncio.sleep(_READS_NOTHING_S)


async def _send(connection: Connection, body: bytes, more: bytes = b"") -> None:
    await connection.send(head(len(body), path=PATH)[:-2] + more + b"\r\n" + body)
