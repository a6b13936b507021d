"""The guarded proxy, in order: judge the prompt, ask the upstream, judge the answer, release it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from postern.chat_guard.answers import parsed, read_answer
from postern.chat_guard.conversation import ChatRequest, Reading
from postern.chat_guard.hold_back import Bounds, HoldBack
from postern.chat_guard.judge import Judge, Judgement
from postern.chat_guard.pacing import ScoreRule
from postern.chat_guard.refused import TellsErrors
from postern.chat_guard.replies import UNJUDGED_MEDIA, Refusals, Whole, verdict_headers
from postern.chat_guard.sse import done, event, to_json
from postern.chat_guard.streaming import AnswerBlocked, GuardedStream, StreamRules, answer_exchanges
from postern.contract.errors import ExchangeTooLong, PosternError, UpstreamInvalid, UpstreamTold
from postern.http.passing_headers import passed_headers
from postern.http.upstream import Upstream, UpstreamReply
from postern.metrics import Metrics

_COMPLETIONS: Final = "/chat/completions"
_MODELS: Final = "/models"

ErrorObject = Callable[[PosternError], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class GuardRules:
    """How the proxy behaves, according to the settings."""

    reading: Reading
    score: ScoreRule
    bounds: Bounds
    parallel: bool
    block_as_error: bool
    max_response_bytes: int


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a client. headers: to send on; timeout_s: of one judgement."""

    request_id: str
    headers: Mapping[str, str]
    timeout_s: float
    created: int


@dataclass(frozen=True, slots=True)
class Streamed:
    """A reply in pieces. close: must always be called; it breaks off the upstream."""

    pieces: AsyncGenerator[bytes, None]
    headers: Mapping[str, str]
    close: Callable[[], Awaitable[None]]


class ChatGuard:
    """One upstream and one judge. error_object: formats a failure in mid-stream."""

    def __init__(
        self,
        upstream: Upstream,
        judge: Judge,
        *,
        rules: GuardRules,
        refusals: Refusals,
        error_object: ErrorObject,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.upstream = upstream
        self.rules = rules
        self._judge = judge
        self._errors = TellsErrors(judge)
        self._refusals = refusals
        self._error_object = error_object
        self._metrics = metrics
        self._clock = clock

    async def models(self, call: Call) -> Whole:
        """The upstream's list of models. Raises UpstreamFailed."""
        reply = await self.upstream.ask(
            "GET", _MODELS, body=None, headers=call.headers, stream=False
        )
        try:
            if reply.status != HTTPStatus.OK:
                return await self._errors.of_reply(reply, timeout_s=call.timeout_s)
            body = await reply.read(self.rules.max_response_bytes)
            return Whole(reply.status, to_json(parsed(body)), passed_headers(reply.headers))
        finally:
            await reply.close()

    async def complete(self, asked: ChatRequest, call: Call) -> Whole | Streamed:
        """Raises UpstreamFailed and whatever judging raises. Cancelling breaks off the upstream."""
        try:
            reply = await self._complete(asked, call)
        except asyncio.CancelledError:
            self._count("left")
            raise
        except PosternError:
            self._count("failed")
            raise
        return reply

    async def _complete(self, asked: ChatRequest, call: Call) -> Whole | Streamed:
        judgement, reply = await self._judge_and_ask(asked, call)
        if reply is None:
            return self._blocked_prompt(judgement, asked, call)
        keep_open = False
        try:
            if reply.status != HTTPStatus.OK:
                self._count("upstream_error")
                return await self._errors.of_reply(reply, timeout_s=call.timeout_s)
            if asked.stream:
                streamed = await self._stream(judgement, reply, asked, call)
                keep_open = isinstance(streamed, Streamed)
                return streamed
            return await self._whole(judgement, reply, asked, call)
        finally:
            if not keep_open:
                await reply.close()

    async def _judge_and_ask(
        self, asked: ChatRequest, call: Call
    ) -> tuple[Judgement, UpstreamReply | None]:
        """The judgement of the prompt, and the upstream's reply if it is harmless."""
        judging = self._judge.judge(
            "prompt", asked.turns, asked.exchanges, timeout_s=call.timeout_s
        )
        if not self.rules.parallel:
            judgement = await judging
            return judgement, None if judgement.harmful else await self._ask(asked, call)
        asking = asyncio.create_task(self._ask(asked, call))
        try:
            judgement = await judging
            if not judgement.harmful:
                return judgement, await asking
        except BaseException:
            await _give_up(asking)
            raise
        await _give_up(asking)
        return judgement, None

    async def _ask(self, asked: ChatRequest, call: Call) -> UpstreamReply:
        return await self.upstream.ask(
            "POST",
            _COMPLETIONS,
            body=asked.to_upstream,
            headers=call.headers,
            stream=asked.stream,
        )

    def _blocked_prompt(
        self, judgement: Judgement, asked: ChatRequest, call: Call
    ) -> Whole | Streamed:
        self._count("blocked_prompt")
        headers = verdict_headers(judgement) | _unjudged(asked.unjudged_media)
        if asked.stream and not self.rules.block_as_error:
            like = {
                "id": f"chatcmpl-{call.request_id}",
                "created": call.created,
                "model": asked.model,
            }
            events = [
                self._refusals.cut_chunk(like, choice, judgement, nothing_sent=True)
                for choice in range(asked.n_choices)
            ]
            if asked.wants_usage:
                events.append(self._refusals.usage_chunk(like, None))
            return Streamed(_refused(events), headers, _nothing_to_close)
        whole = self._refusals.blocked(
            judgement,
            reply_id=call.request_id,
            model=asked.model,
            created=call.created,
            n_choices=asked.n_choices,
            as_error=self.rules.block_as_error,
        )
        return Whole(whole.status, whole.body, headers)

    async def _whole(
        self, prompt: Judgement, reply: UpstreamReply, asked: ChatRequest, call: Call
    ) -> Whole:
        answer = await read_answer(await reply.read(self.rules.max_response_bytes))
        if answer.media and not self.rules.reading.pass_media:
            raise UpstreamInvalid("the upstream answers with more than text")
        told: list[tuple[int | None, str]] = [*enumerate(answer.said)]
        told += [(None, answer.beside)] if answer.beside else []
        judged = [
            (place, one) for place, text in told for one in answer_exchanges(asked.prompt, [text])
        ]
        try:
            judgement = await self._judge.judge(
                "response",
                [place for place, _ in judged],
                [one for _, one in judged],
                timeout_s=call.timeout_s,
            )
        except ExchangeTooLong as exc:  # the client cannot shorten it
            raise UpstreamInvalid("the answer is longer than can be judged") from exc
        headers = passed_headers(reply.headers) | verdict_headers(prompt, judgement)
        headers |= _unjudged(answer.media or asked.unjudged_media)
        if not judgement.harmful:
            self._count("passed")
            return Whole(reply.status, to_json(answer.content), headers)
        self._count("blocked_response")
        if self.rules.block_as_error:
            return Whole(HTTPStatus.BAD_REQUEST, to_json(self._refusals.error(judgement)), headers)
        redacted = self._refusals.redacted(answer.content, judgement)
        return Whole(reply.status, to_json(redacted), headers)

    async def _stream(
        self, prompt: Judgement, reply: UpstreamReply, asked: ChatRequest, call: Call
    ) -> Whole | Streamed:
        if reply.media_type != "text/event-stream":
            raise UpstreamInvalid("the upstream does not stream")
        stream = self._guarded(reply, asked, call)
        pieces = stream.pieces()
        try:
            # The reply begins when something has passed. Until then a failure still has a status.
            first = await anext(pieces)
        except AnswerBlocked as exc:
            self._count("blocked_response")
            headers = verdict_headers(prompt, exc.judgement) | _unjudged(asked.unjudged_media)
            body = to_json(self._refusals.error(exc.judgement))
            return Whole(HTTPStatus.BAD_REQUEST, body, headers)
        except UpstreamTold as exc:
            self._count("upstream_error")
            headers = passed_headers(reply.headers)
            return await self._errors.of_event(exc, headers, timeout_s=call.timeout_s)
        headers = passed_headers(reply.headers) | _unjudged(asked.unjudged_media)
        headers |= verdict_headers(prompt, *stream.judgements, pending=True)
        return Streamed(self._released(first, stream, pieces), headers, reply.close)

    def _guarded(self, reply: UpstreamReply, asked: ChatRequest, call: Call) -> GuardedStream:
        return GuardedStream(
            reply,
            asked,
            judge=self._judge,
            hold_back=HoldBack(
                self.rules.score,
                self.rules.bounds,
                # Before the end, only the end of a long prompt stands beside the answer.
                whole_at_end=len(asked.prompt or "") > self.rules.score.tail_chars,
            ),
            refusals=self._refusals,
            rules=StreamRules(
                tail_chars=self.rules.score.tail_chars,
                block_as_error=self.rules.block_as_error,
                pass_media=self.rules.reading.pass_media,
                timeout_s=call.timeout_s,
            ),
            observe_held=self._metrics.held_back.observe,
            clock=self._clock,
        )

    async def _released(
        self,
        first: bytes,
        stream: GuardedStream,
        pieces: AsyncIterator[bytes],
    ) -> AsyncGenerator[bytes, None]:
        """The pieces. A failure becomes a last event that says so, without [DONE] after it."""
        outcome = "left"
        try:
            yield first
            async for piece in pieces:
                yield piece
            outcome = "blocked_response" if stream.blocked else "passed"
        except AnswerBlocked as exc:
            outcome = "blocked_response"
            yield event(self._refusals.error(exc.judgement))
        except PosternError as exc:
            outcome = "failed"
            yield event(self._error_object(exc))
        except Exception:
            # A bug of ours, whose cause is logged further out. The client must not take what it has
            # for the whole answer.
            outcome = "failed"
            yield event(self._error_object(PosternError("the server failed; see its log")))
            raise
        finally:
            self._count(outcome)

    def _count(self, outcome: str) -> None:
        self._metrics.proxied.labels(outcome).inc()


async def _give_up(asking: asyncio.Task[UpstreamReply]) -> None:
    asking.cancel()
    with suppress(asyncio.CancelledError, PosternError):
        reply = await asking
        await reply.close()


async def _refused(events: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
    for one in events:
        yield event(one)
    yield done()


async def _nothing_to_close() -> None:
    pass


def _unjudged(media: bool) -> dict[str, str]:
    return dict(UNJUDGED_MEDIA) if media else {}
