"""An OpenAI-compatible upstream that answers well or badly, as the request's model name asks.

It speaks HTTP byte by byte, so that it can say what no server should. `ANSWERS` lists the names.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Piece = bytes | float | None
"""Bytes to send, seconds to wait, or None: close the connection now."""

ERROR_STATUS = 529
"""Of the upstream's own errors; Postern itself never answers with it."""
MODEL_LIST = {"object": "list", "data": [{"id": "soak-upstream", "object": "model"}]}
_MANY = 12_000
_DRIP_S = 0.1
_DRIP_CHARS = 12
_ENDLESS_EVENTS = 600
_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Asked:
    """number: of the question, which the answer repeats, so that nobody gets another's."""

    model: str
    number: str
    stream: bool

    @property
    def sentences(self) -> list[str]:
        return answer_to(self.number)


def answer_to(number: str) -> list[str]:
    """The sentences of the right answer."""
    return [
        f"Train {number} left the house.",
        " Some friends read a book in the train.",
        " Then they saw the sea.",
    ]


# --- frames -------------------------------------------------------------------------------------


def _head(fields: str, *, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode()


def _whole(body: bytes, *, status: str = "200 OK", more: str = "") -> bytes:
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return _head(fields + more, status=status) + body


_STREAM_HEAD = _head("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n")
_STREAM_END = b"0\r\n\r\n"


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(content: Mapping[str, Any] | bytes) -> bytes:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return _framed(b"data: " + data + b"\n\n")


def _chunk(text: str, *, finish: str | None = None, **fields: Any) -> bytes:
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    frame = {"id": "chatcmpl-soak", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return _event(frame | {"choices": [choice]} | fields)


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    frame = {"id": "chatcmpl-soak", "object": "chat.completion", "created": 1, "model": "m"}
    return frame | {"choices": [choice]}


def _completion_bytes(asked: Asked) -> bytes:
    return json.dumps(_completion("".join(asked.sentences))).encode()


_END = _chunk("", finish="stop") + _framed(_DONE) + _STREAM_END


# --- answers ------------------------------------------------------------------------------------


def _good(asked: Asked) -> Iterator[Piece]:
    if not asked.stream:
        yield _whole(_completion_bytes(asked))
        return
    yield _STREAM_HEAD
    for sentence in asked.sentences:
        yield _chunk(sentence)
    yield _END


def _one_event(content: Mapping[str, Any] | bytes) -> Iterator[Piece]:
    yield _STREAM_HEAD + _event(content) + _framed(_DONE) + _STREAM_END


def _bomb() -> dict[str, Any]:
    return {f"k{number}": 0 for number in range(_MANY)} | {"choices": [{}]}


def _keys(_: Asked) -> Iterator[Piece]:
    return _one_event(_bomb())


def _keys_later(asked: Asked) -> Iterator[Piece]:
    """After what may be released already."""
    yield _STREAM_HEAD + _chunk(asked.sentences[0]) + _chunk(asked.sentences[1])
    yield _DRIP_S
    yield _event(_bomb()) + _framed(_DONE) + _STREAM_END


def _choices(asked: Asked) -> Iterator[Piece]:
    if asked.stream:
        return _one_event({"choices": [{}] * _MANY})
    (choice,) = _completion("sure")["choices"]
    return iter([_whole(json.dumps({"choices": [choice] * _MANY}).encode())])


def _nan(asked: Asked) -> Iterator[Piece]:
    if asked.stream:
        return _one_event(b'{"choices": [{"delta": {"content": "a"}}], "x": NaN}')
    return iter([_whole(_completion_bytes(asked)[:-1] + b', "x": NaN}')])


def _status_999(asked: Asked) -> Iterator[Piece]:
    yield _whole(_completion_bytes(asked), status="999 X")


def _redirect(_: Asked) -> Iterator[Piece]:
    yield _whole(b"", status="302 Found", more="Location: /v1/models\r\n")


def _header(asked: Asked) -> Iterator[Piece]:
    yield _whole(_completion_bytes(asked), more="X-Request-Id: \u4e66\r\n")


def _surplus(asked: Asked) -> Iterator[Piece]:
    """A second reply, which nobody asked for, right behind the first."""
    forged = json.dumps(_completion("forged for whoever asks next")).encode()
    yield _whole(_completion_bytes(asked)) + _whole(forged)


def _cut(asked: Asked) -> Iterator[Piece]:
    if asked.stream:
        yield _STREAM_HEAD + _chunk(asked.sentences[0]) + _chunk(asked.sentences[1][:10])
        yield _DRIP_S
    else:
        yield _whole(_completion_bytes(asked))[:-20]
    yield None


def _drip(asked: Asked) -> Iterator[Piece]:
    if asked.stream:
        yield _STREAM_HEAD
        text = "".join(asked.sentences)
        parts = [_chunk(part) for part in _cut_up(text, _DRIP_CHARS)] + [_END]
    else:
        parts = list(_cut_up(_whole(_completion_bytes(asked)), 2 * _DRIP_CHARS))
    for part in parts:
        yield part
        yield _DRIP_S


def _cut_up(text: Any, size: int) -> Iterator[Any]:
    return (text[start : start + size] for start in range(0, len(text), size))


def _error_first(asked: Asked) -> Iterator[Piece]:
    error = {"error": {"message": "try again", "type": "server_error", "code": ERROR_STATUS}}
    if asked.stream:
        return _one_event(error)
    return iter([_whole(json.dumps(error).encode(), status=f"{ERROR_STATUS} X")])


def _endless(asked: Asked) -> Iterator[Piece]:
    """Little text, for a minute, unless it is broken off."""
    yield _STREAM_HEAD + _chunk(asked.sentences[0]) + _chunk(asked.sentences[1])
    for _ in range(_ENDLESS_EVENTS):
        yield _DRIP_S
        yield _chunk(" the sea")
    yield None


def _flood(asked: Asked) -> Iterator[Piece]:
    """One sentence, then events of 100 KB, 60 MB in all, as fast as somebody takes them.

    The space shows that the sentence has ended: behind one that waits, they would be held back.
    """
    yield _STREAM_HEAD + _chunk(asked.sentences[0] + " ")
    padding = _chunk("", x_padding=[10**4000] * 25)
    for _ in range(_ENDLESS_EVENTS):
        yield padding
    yield None


ANSWERS: Mapping[str, Callable[[Asked], Iterator[Piece]]] = {
    "good": _good,
    "keys": _keys,
    "keys-later": _keys_later,
    "choices": _choices,
    "nan": _nan,
    "status-999": _status_999,
    "redirect": _redirect,
    "header": _header,
    "surplus": _surplus,
    "cut": _cut,
    "drip": _drip,
    "error-first": _error_first,
    "endless": _endless,
    "flood": _flood,
}


# --- the server ---------------------------------------------------------------------------------


class HostileUpstream:
    """Listens on this machine between `start` and `close`.

    faults: what a guarded proxy must not send. answering: requests under way; whoever asks and
    leaves must break them off.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.asked: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.answering = 0

    @property
    def url(self) -> str:
        """As POSTERN_UPSTREAM_URL names it."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def start(self) -> None:
        """Raises OSError where the port is taken."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close all connections. New ones are taken."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request. Returns whether the connection can be used again."""
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").lower().split("\r\n")
        names = Counter(line.partition(":")[0] for line in lines)
        self._check(names)
        length = next((line[15:] for line in lines if line.startswith("content-length:")), "0")
        body = await reader.readexactly(int(length))
        if first.startswith("get "):
            writer.write(_whole(json.dumps(MODEL_LIST).encode()))
            return True
        asked = _read(body)
        self.asked[asked.model] += 1
        self.answering += 1
        try:
            again = await _play(writer, ANSWERS[asked.model](asked))
            return again and "connection: close" not in lines
        finally:
            self.answering -= 1

    def _check(self, names: Counter[str]) -> None:
        if names["authorization"] > 1:
            self.faults["two Authorization"] += 1
        if names["cookie"]:
            self.faults["a cookie"] += 1


def _read(body: bytes) -> Asked:
    """The number stands at the end of the last question: "... train 17."."""
    content = json.loads(body)
    question = content["messages"][-1]["content"]
    number = question.rstrip(".").rpartition(" ")[2]
    return Asked(content["model"], number, bool(content.get("stream")))


async def _play(writer: asyncio.StreamWriter, pieces: Iterator[Piece]) -> bool:
    """Returns whether the connection is still open."""
    for piece in pieces:
        if piece is None or writer.is_closing():
            return False
        if isinstance(piece, float):
            await asyncio.sleep(piece)
        else:
            writer.write(piece)
            await writer.drain()
    return True
