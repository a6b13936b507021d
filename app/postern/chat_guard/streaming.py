"""One streamed answer: read a piece, score what is due, release what passed; one at a time.

While a verdict is awaited, or the client is slow, nothing is read from the upstream: the sockets
hold it back, and memory stays flat.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard.conversation import ChatRequest
from postern.chat_guard.hold_back import (
    HoldBack,
    Snapshot,
)
from postern.chat_guard.judge import (
    Judge,
    Judgement,
)
from postern.chat_guard.readable import (
    fragments,
    has_media,
)
from postern.chat_guard.replies import (
    FIELD,
    Refusals,
)
from postern.chat_guard.sse import (
    DONE,
    SseParser,
    done,
    event,
)
from postern.contract.errors import (
    ExchangeTooLong,
    UpstreamInvalid,
)
from postern.contract.exchange import Exchange
from postern.contract.text import normalize
from postern.http.upstream import UpstreamReply

_MAX_EVENT_BYTES: Final = 1 << 20


class AnswerBlocked(Exception):
    """The answer was judged harmful, and a block is to be an error."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__("the answer was judged harmful")
        self.judgement = judgement


@dataclass(frozen=True, slots=True)
class StreamRules:
    """tail_chars: of the prompt beside a piece of an answer; the whole answer meets all of it."""

    tail_chars: int
    block_as_error: bool
    pass_media: bool
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk with at most one choice, and how that choice ended where this is its last."""

    content: Mapping[str, Any]
    choice: int | None
    last: bool


class GuardedStream:
    """Reads the upstream's stream and gives the pieces that may be released."""

    def __init__(
        self,
        reply: UpstreamReply,
        asked: ChatRequest,
        *,
        judge: Judge,
        hold_back: HoldBack[Chunk],
        refusals: Refusals,
        rules: StreamRules,
        observe_held: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._reply = reply
        self._asked = asked
        self._judge = judge
        self._hold_back = hold_back
        self._refusals = refusals
        self._rules = rules
        self._observe_held = observe_held
        self._clock = clock
        self._held_since: float | None = None
        self._like: Mapping[str, Any] = {}
        self._sent: set[int] = set()
        self._judged: dict[int, Judgement] = {}
        self.blocked: Judgement | None = None
        """The judgement that cut a choice, once one did."""

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        return tuple(self._judged.values())

    async def pieces(self) -> AsyncIterator[bytes]:
        """Events to be sent on, [DONE] included; never empty.

        Raises UpstreamFailed, AnswerBlocked, and whatever judging raises: what was held then is
        gone, and the stream must not end as if it were whole.
        """
        parser = SseParser(max_event_bytes=_MAX_EVENT_BYTES)
        async with aclosing(self._reply.chunks()) as chunks:
            async for received in chunks:
                told_end = self._take_events(parser.feed(received))
                if not told_end:
                    async for piece in self._scored():
                        yield piece
                if told_end or self._hold_back.cut_choices >= self._asked.n_choices:
                    break
            else:
                told_end = self._take_events(parser.close())
                if not told_end and not self._hold_back.complete:
                    raise UpstreamInvalid("the stream of the upstream ended before the answer did")
        self._hold_back.end()
        async for piece in self._scored():
            yield piece
        yield done()

    def _take_events(self, events: list[str]) -> bool:
        """Whether the upstream said that this was all."""
        for data in events:
            if data.strip() == DONE:
                return True
            for chunk, n_bytes in _chunks(data):
                self._add(chunk, n_bytes)
        return False

    def _add(self, chunk: Chunk, n_bytes: int) -> None:
        self._like = self._like or chunk.content
        texts = []
        if chunk.choice is not None:
            (choice,) = chunk.content["choices"]
            if has_media(choice) and not self._rules.pass_media:
                raise UpstreamInvalid("the upstream answers with more than text")
            texts = fragments(choice)
        if texts and self._held_since is None:
            self._held_since = self._clock()
        self._hold_back.add(chunk.choice, texts, chunk, n_bytes=n_bytes, finished=chunk.last)

    async def _scored(self) -> AsyncIterator[bytes]:
        for snapshot in self._hold_back.due():
            judgement = await self._judgement(snapshot)
            self._judged[snapshot.choice] = judgement
            if not judgement.harmful:
                self._hold_back.passed(snapshot)
                continue
            self._hold_back.cut(snapshot.choice)
            self.blocked = judgement
            if self._rules.block_as_error:
                raise AnswerBlocked(judgement)
            nothing_sent = snapshot.choice not in self._sent
            yield event(
                self._refusals.cut_chunk(
                    self._like, snapshot.choice, judgement, nothing_sent=nothing_sent
                )
            )
        released = self._hold_back.take()
        if released and self._held_since is not None:
            self._observe_held(self._clock() - self._held_since)
            self._held_since = None
        if released:
            yield b"".join(map(self._written, released))

    def _written(self, chunk: Chunk) -> bytes:
        content = chunk.content
        if chunk.choice is not None:
            self._sent.add(chunk.choice)
            judgement = self._judged.get(chunk.choice)
            if chunk.last and judgement is not None:
                content = self._refusals.with_verdict(content, judgement)
        return event(content)

    async def _judgement(self, snapshot: Snapshot) -> Judgement:
        prompt = self._asked.prompt
        if prompt is not None and not snapshot.complete:
            prompt = prompt[-self._rules.tail_chars :]
            if not normalize(prompt):  # a long tail of white space
                prompt = self._asked.prompt
        exchanges = answer_exchanges(prompt, [snapshot.text])
        places = [snapshot.choice] * len(exchanges)
        try:
            return await self._judge.judge(
                "response", places, exchanges, timeout_s=self._rules.timeout_s
            )
        except ExchangeTooLong as exc:  # it is not the client's to shorten it
            raise UpstreamInvalid("the answer is longer than can be judged") from exc


def answer_exchanges(prompt: str | None, texts: list[str]) -> list[Exchange]:
    """Answers beside their prompt; without one, an answer is judged alone if it says anything."""
    if prompt is not None:
        return [Exchange(prompt, text) for text in texts]
    return [Exchange(text) for text in texts if normalize(text)]


def _chunks(data: str) -> list[tuple[Chunk, int]]:
    """The chunks in one event, one for each of its choices. Raises UpstreamInvalid."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise UpstreamInvalid("the upstream streams something that is not JSON") from None
    if not isinstance(content, dict) or content.get("error"):
        raise UpstreamInvalid("the upstream reported an error in its stream")
    content.pop(FIELD, None)  # a verdict of somebody else is not ours
    choices = content.get("choices")
    if choices is None or choices == []:
        return [(Chunk(content, None, last=False), len(data))]
    if not isinstance(choices, list):
        raise UpstreamInvalid("the upstream streams something other than a completion")
    return [
        (_chunk({**content, "choices": [choice]}, choice), len(data) // len(choices))
        for choice in choices
    ]


def _chunk(content: Mapping[str, Any], choice: Any) -> Chunk:
    index = choice.get("index", 0) if isinstance(choice, dict) else None
    if not isinstance(index, int) or isinstance(index, bool):
        raise UpstreamInvalid("the upstream streams something other than a completion")
    return Chunk(content, index, last=choice.get("finish_reason") is not None)
