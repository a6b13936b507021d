"""Streams one answer: read an event, score what is due, release what passed; one at a time.

While a verdict is pending, or the client is slow, nothing is read from the upstream: the sockets
hold it back, and memory stays flat. What is scored, released and cut depends only on the events,
never on the pieces in which their bytes came.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from postern.chat_guard.hold_back import HoldBack, Snapshot
from postern.chat_guard.judge import Judge, Judgement
from postern.chat_guard.shape import Asked, Chunk, StreamedAnswer, UnknownPart
from postern.chat_guard.sse import SseParser
from postern.contract.errors import ExchangeTooLong, UpstreamInvalid
from postern.contract.exchange import Exchange
from postern.contract.text import is_visible
from postern.http.upstream import Answering

_MAX_EVENT_BYTES: Final = 1 << 20


class AnswerBlocked(Exception):
    """The answer was judged harmful, and the settings make a block an error."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__("the answer was judged harmful")
        self.judgement = judgement


@dataclass(frozen=True, slots=True)
class StreamRules:
    """tail_chars: of the prompt beside a piece of an answer; the whole answer is judged with all of
    it."""

    tail_chars: int
    block_as_error: bool
    pass_media: bool
    timeout_s: float


class GuardedStream:
    """Reads the upstream's stream and yields the pieces that may be released."""

    def __init__(
        self,
        reply: Answering,
        asked: Asked,
        answer: StreamedAnswer,
        *,
        judge: Judge,
        hold_back: HoldBack[Chunk],
        rules: StreamRules,
        observe_held: Callable[[float], None],
        count_unknown: Callable[[UnknownPart, int], None],
        clock: Callable[[], float],
    ) -> None:
        self._reply = reply
        self._asked = asked
        self.answer = answer
        self._judge = judge
        self._hold_back = hold_back
        self._rules = rules
        self._observe_held = observe_held
        self._count_unknown = count_unknown
        self._clock = clock
        self._held_since: float | None = None
        self._judged: dict[int, Judgement] = {}
        self.blocked: Judgement | None = None
        """The judgement that cut a choice, once one did."""

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        return tuple(self._judged.values())

    async def pieces(self) -> AsyncIterator[bytes]:
        """Events to send on, the end of the stream included; never empty.

        Raises UpstreamFailed, AnswerBlocked, and whatever judging raises. Held text is then
        discarded, and the stream must not end as if it were whole.
        """
        async with aclosing(self._events()) as events:
            async for data in events:
                if (chunks := self.answer.read(data)) is None:
                    break
                for chunk in chunks:
                    if (snapshot := self._add(chunk)) is not None:
                        async for piece in self._scored(snapshot):
                            yield piece
                if piece := self._released():
                    yield piece
                if self._all_cut or self.answer.over:
                    break
            else:
                if not self._hold_back.complete:
                    raise UpstreamInvalid("the stream of the upstream ended before the answer did")
        for snapshot in self._hold_back.end():
            async for piece in self._scored(snapshot):
                yield piece
        if piece := self._released():
            yield piece
        if piece := self.answer.end(all_cut=self._all_cut):
            yield piece

    @property
    def _all_cut(self) -> bool:
        return self._hold_back.cut_choices >= self._asked.n_choices

    async def _events(self) -> AsyncGenerator[str, None]:
        parser = SseParser(max_event_bytes=_MAX_EVENT_BYTES)
        async with aclosing(self._reply.chunks()) as chunks:
            async for received in chunks:
                for data in parser.feed(received):
                    yield data
        for data in parser.close():
            yield data

    def _add(self, chunk: Chunk) -> Snapshot | None:
        # Counted before anything is refused: a part of an unknown type may be why.
        if chunk.unknown_event:
            self._count_unknown("event", 1)
        if chunk.unknown_items:
            self._count_unknown("item", chunk.unknown_items)
        if chunk.media and not self._rules.pass_media:
            raise UpstreamInvalid("the upstream answers with more than text")
        if chunk.found and self._held_since is None:
            self._held_since = self._clock()
        return self._hold_back.add(
            chunk.choice,
            chunk.found,
            chunk,
            n_bytes=chunk.n_bytes,
            finished=chunk.last,
            beside=chunk.beside,
            ends_a_call=chunk.ends_a_call,
        )

    async def _scored(self, snapshot: Snapshot) -> AsyncIterator[bytes]:
        """Judge. Yields the end of a choice that is cut."""
        judgement = await self._judgement(snapshot)
        self._judged[snapshot.choice] = judgement
        if not judgement.blocks:
            self._hold_back.passed(snapshot)
            return
        if not self._hold_back.doubted(snapshot):
            return
        self._hold_back.cut(snapshot.choice)
        self.blocked = judgement
        if self._rules.block_as_error:
            raise AnswerBlocked(judgement)
        if piece := self._released():
            yield piece
        yield self.answer.cut(snapshot.choice, judgement)

    def _released(self) -> bytes:
        released = self._hold_back.take()
        if released and self._held_since is not None:
            self._observe_held(self._clock() - self._held_since)
            self._held_since = None
        return b"".join(
            self.answer.write(choice, chunk, None if choice is None else self._judged.get(choice))
            for choice, chunk in released
        )

    async def _judgement(self, snapshot: Snapshot) -> Judgement:
        whole = prompt = self._asked.prompt_of(snapshot.choice)
        if prompt is not None and not snapshot.complete:
            prompt = prompt[-self._rules.tail_chars :]
            if not is_visible(prompt):  # a long tail of white space
                prompt = whole
        texts = [snapshot.text, *([snapshot.beside] if snapshot.beside else [])]
        exchanges = answer_exchanges(prompt, texts)
        places = [snapshot.choice] * len(exchanges)
        try:
            return await self._judge.judge(
                "response",
                places,
                exchanges,
                timeout_s=self._rules.timeout_s,
                remember=snapshot.complete,
                decides=self._hold_back.doubted(snapshot),
            )
        except ExchangeTooLong as exc:  # the client cannot shorten it
            raise UpstreamInvalid("the answer is longer than can be judged") from exc


def answer_exchanges(prompt: str | None, texts: list[str]) -> list[Exchange]:
    """Answers beside their prompt. Without one, an answer is judged alone if it has text."""
    if prompt is not None:
        return [Exchange(prompt, text) for text in texts]
    return [Exchange(text) for text in texts if is_visible(text)]
