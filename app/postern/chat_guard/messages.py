"""The shape of Anthropic's Messages: how an answer, a stream, a block and a failure look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard import messages_events as events
from postern.chat_guard.answers import parsed
from postern.chat_guard.blocks import read_block
from postern.chat_guard.identifiers import is_identifier
from postern.chat_guard.judge import Judgement
from postern.chat_guard.messages_events import written
from postern.chat_guard.messages_request import parse_messages
from postern.chat_guard.readable import in_order, is_harmless_label, opened, texts
from postern.chat_guard.replies import FIELD, Refusals, is_count
from postern.chat_guard.shape import Answer, Api, Asked, Call, Chunk, Reading
from postern.contract.errors import PosternError, UpstreamInvalid
from postern.http.passing_headers import ANTHROPIC_HEADERS, HeaderRules

_REFUSAL: Final = "refusal"
"""The `stop_reason` of an answer that was stopped for what it says."""
_COUNTS: Final = (
    *("input_tokens", "output_tokens"),
    *("cache_creation_input_tokens", "cache_read_input_tokens"),
)


@dataclass(frozen=True, slots=True)
class Messages:
    """error_object: how a failure looks in Anthropic's format."""

    refusals: Refusals
    error_object: Callable[[PosternError], dict[str, Any]]
    api: Api = "messages"
    path: str = "/messages"
    headers: HeaderRules = ANTHROPIC_HEADERS
    has_words: bool = True

    def parse(self, body: bytes, reading: Reading) -> Asked:
        return parse_messages(body, reading)

    def read(self, body: bytes, asked: Asked) -> Answer:
        del asked  # a message repeats nothing of its request
        content = parsed(body)
        content.pop(FIELD, None)  # a verdict in it is not ours
        blocks = content.get("content")
        if not isinstance(blocks, list) or not all(isinstance(one, dict) for one in blocks):
            raise UpstreamInvalid("the upstream answers with something other than a message")
        found = [(n, read_block(block)) for n, block in enumerate(blocks)]
        said = [
            ((n, *one.path), one.text)
            for n, block in found
            for one in block.found
            if not is_harmless_label(one)
        ]
        fields = {name: value for name, value in content.items() if name != "content"}
        return Answer(
            content,
            said=["\n".join(map(opened, in_order(said)))],
            beside="\n".join(map(opened, in_order(texts(fields, labels=True)))),
            media=any(block.media for _, block in found),
            unknown_items=sum(block.unknown for _, block in found),
        )

    def stream(self, asked: Asked) -> MessageStream:
        return MessageStream(self.refusals)

    def refused(self, judgement: Judgement, asked: Asked, call: Call) -> dict[str, Any]:
        return _refusal(_refused_frame(asked, call), self.refusals, judgement)

    def refused_stream(self, judgement: Judgement, asked: Asked, call: Call) -> bytes:
        stream = MessageStream(self.refusals, like=_refused_frame(asked, call))
        return stream.cut(events.ANSWER, judgement)

    def redacted(self, answer: Answer, judgement: Judgement) -> dict[str, Any]:
        """A message is one answer: nothing of it is left but its frame."""
        return _refusal(answer.content, self.refusals, judgement)

    def blocked(self, judgement: Judgement) -> dict[str, Any]:
        error = _error("invalid_request_error", self.refusals.why(judgement))
        return {**error, FIELD: self.refusals.verdict(judgement)}

    def failed(self, error: PosternError) -> dict[str, Any]:
        return self.error_object(error)

    def told(self, error: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "error", "error": error}

    def told_nothing(self, status: int) -> dict[str, Any]:
        return _error("api_error", f"the upstream answered with status {status}")


class MessageStream:
    """One streamed message. like: a message, from which id and model are copied."""

    over: Final = False  # `message_stop` is read as the end

    def __init__(self, refusals: Refusals, *, like: Mapping[str, Any] | None = None) -> None:
        self._refusals = refusals
        self._like: Mapping[str, Any] = like or {}
        self._usage: dict[str, Any] = {}
        self._n_events = 0
        self._begun = False
        """Whether the upstream's message has."""
        self._known: set[int] = set()
        """Blocks of the upstream that have begun."""
        self._started = self._sent_text = False
        """Whether the client's message has; whether it says something."""
        self._open: list[int] = []
        self._next = 0
        """Number of the client's next block."""

    def read(self, data: str) -> Sequence[Chunk] | None:
        content = events.parse_event(data)
        kind, size = content["type"], len(data)
        self._n_events += 1
        if kind == "ping":
            return [events.ping(content, size)]
        if kind == "message_start":
            return [self._start(content, size)]
        if not self._begun:
            events.not_message()
        if kind == "message_stop":
            return None
        if kind == "message_delta":
            self._count(content.get("usage"))
            return [events.delta_of_message(content, size)]
        if kind == "content_block_start":
            return [self._block(content, size)]
        if kind in ("content_block_delta", "content_block_stop"):
            if events.index_of(content) not in self._known:
                events.not_message()
            if kind == "content_block_stop":
                return [events.end_of_block(content, size)]
            return [events.delta_of_block(content, size, number=self._n_events)]
        return [events.unknown(content, size)]

    def _start(self, content: dict[str, Any], size: int) -> Chunk:
        if self._begun:
            events.not_message()
        chunk = events.start_of_message(content, size)
        self._begun = True
        self._like = content["message"]
        self._count(self._like.get("usage"))
        return chunk

    def _block(self, content: dict[str, Any], size: int) -> Chunk:
        chunk = events.start_of_block(content, size)
        index = events.index_of(content)
        if index in self._known:
            events.not_message()
        self._known.add(index)
        return chunk

    def _count(self, usage: Any) -> None:
        if isinstance(usage, Mapping):
            self._usage |= usage

    def write(self, choice: int | None, chunk: Chunk, judgement: Judgement | None) -> bytes:
        content = chunk.content
        kind = content["type"]
        if kind == "message_start":
            self._started = True
        elif kind == "content_block_start":
            index = events.index_of(content)
            self._open.append(index)
            self._next = max(self._next, index + 1)
        elif kind == "content_block_stop" and events.index_of(content) in self._open:
            self._open.remove(events.index_of(content))
        if chunk.last and judgement is not None:
            content = {**content, FIELD: self._refusals.verdict(judgement)}
        self._sent_text = self._sent_text or any(not one.label for one in chunk.found)
        return written(content)

    def error_event(self, error: Mapping[str, Any]) -> bytes:
        return written(error)

    def cut(self, choice: int, judgement: Judgement) -> bytes:
        """Closes what is open, and says why, so that the client has a whole message."""
        out: list[dict[str, Any]] = []
        if not self._started:
            out.append({"type": "message_start", "message": _frame(self._like, [])})
        out += [{"type": "content_block_stop", "index": index} for index in self._open]
        if not self._sent_text:
            out += _block_events(self._next, self._refusals.text)
        out.append(
            {
                "type": "message_delta",
                "delta": {"stop_reason": _REFUSAL, "stop_sequence": None},
                "usage": {"output_tokens": _counts(self._usage)["output_tokens"]},
                FIELD: self._refusals.verdict(judgement),
            }
        )
        return b"".join(map(written, [*out, {"type": "message_stop"}]))

    def end(self, *, all_cut: bool) -> bytes:
        return b"" if all_cut else written({"type": "message_stop"})


def _block_events(index: int, text: str) -> list[dict[str, Any]]:
    """A block of text as a stream."""
    where = {"index": index}
    return [
        {"type": "content_block_start", **where, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", **where, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", **where},
    ]


def _refusal(like: Mapping[str, Any], refusals: Refusals, judgement: Judgement) -> dict[str, Any]:
    frame = _frame(like, [{"type": "text", "text": refusals.text}])
    return {**frame, "stop_reason": _REFUSAL, FIELD: refusals.verdict(judgement)}


def _refused_frame(asked: Asked, call: Call) -> dict[str, Any]:
    return {"id": f"msg_{call.request_id}", "model": asked.model}


def _frame(like: Mapping[str, Any], content: list[dict[str, Any]]) -> dict[str, Any]:
    """A message like another whose text does not pass: only names and numbers are copied."""
    named = {"id": "msg_postern", "model": ""}
    for name in named:
        value = like.get(name)
        if isinstance(value, str) and is_identifier(name, value):
            named[name] = value
    return {
        **named,
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _counts(like.get("usage")),
    }


def _counts(told: Any) -> dict[str, int]:
    counts = told if isinstance(told, Mapping) else {}
    found = {name: counts[name] for name in _COUNTS if is_count(counts.get(name))}
    return {"input_tokens": 0, "output_tokens": 0} | found


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}
