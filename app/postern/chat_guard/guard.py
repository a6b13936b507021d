"""The guarded proxy, in order: judge the prompt, ask the upstream, judge the answer, release it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Final

from postern.chat_guard.answers import parsed, read_answer
from postern.chat_guard.hold_back import Bounds, HoldBack
from postern.chat_guard.judge import Judge, Judgement
from postern.chat_guard.pacing import ScoreRule
from postern.chat_guard.passed_ids import PassedIds
from postern.chat_guard.refused import TellsErrors
from postern.chat_guard.replies import (
    Refusals,
    Whole,
    unjudged,
    verdict_headers,
)
from postern.chat_guard.shape import (
    MAY_BE_UNKNOWN,
    Answer,
    Api,
    Asked,
    Call,
    Request,
    Shape,
    UnknownPart,
)
from postern.chat_guard.sse import to_json
from postern.chat_guard.streaming import AnswerBlocked, GuardedStream, StreamRules, answer_exchanges
from postern.contract.callers import current_caller
from postern.contract.errors import ExchangeTooLong, PosternError, UpstreamInvalid, UpstreamTold
from postern.http.passing_headers import passed_headers
from postern.http.upstream import Answering, Upstream, UpstreamReply
from postern.metrics import Metrics
from postern.policies.current import current_policy

_MODELS: Final = "/models"


@dataclass(frozen=True, slots=True)
class GuardRules:
    """How the proxy behaves, according to the settings."""

    pass_media: bool
    score: ScoreRule
    bounds: Bounds
    parallel: bool
    block_as_error: bool
    max_response_bytes: int


@dataclass(frozen=True, slots=True)
class Streamed:
    """A reply in pieces. close: must always be called; it breaks off the upstream."""

    pieces: AsyncGenerator[bytes, None]
    headers: Mapping[str, str]
    close: Callable[[], Awaitable[None]]
    status: int = HTTPStatus.OK


class ChatGuard:
    """One upstream and one judge, for every API.

    refusals: what a block says. passed_ids: what a request may go on from.
    """

    def __init__(
        self,
        upstream: Upstream,
        judge: Judge,
        *,
        rules: GuardRules,
        refusals: Refusals,
        passed_ids: PassedIds,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.upstream = upstream
        self.rules = rules
        self._refusals = refusals
        self.passed_ids = passed_ids
        self._judge = judge
        self._errors = TellsErrors(judge)
        self._metrics = metrics
        self._clock = clock
        for api, part in MAY_BE_UNKNOWN:
            metrics.upstream_unknown.labels(api, part)  # from 0 on

    @property
    def refusals(self) -> Refusals:
        """What a block says to the current caller."""
        text = current_policy().block.text
        return self._refusals if text is None else replace(self._refusals, text=text)

    @property
    def _block_as_error(self) -> bool:
        own = current_policy().block.as_error
        return self.rules.block_as_error if own is None else own

    async def models(self, shape: Shape[Request], call: Call, *, model: str = "") -> Whole:
        """The upstream's list of models, or what it says of one. Raises UpstreamFailed.

        shape: of an error. model: its checked name.
        """
        path = f"{_MODELS}/{model}" if model else _MODELS
        reply = await self.upstream.ask(
            "GET",
            path,
            body=None,
            headers=call.headers,
            rules=shape.headers,
            stream=False,
            query=call.query,
            beside_v1=call.beside_v1,
        )
        try:
            if reply.status != HTTPStatus.OK:
                return await self._errors.of_reply(shape, reply, timeout_s=call.timeout_s)
            body = await reply.read(self.rules.max_response_bytes)
            return Whole(reply.status, to_json(parsed(body)), passed_headers(reply.headers))
        finally:
            await reply.close()

    async def complete(self, shape: Shape[Request], asked: Request, call: Call) -> Whole | Streamed:
        """Raises UpstreamFailed and whatever judging raises. Cancelling breaks off the upstream."""
        try:
            reply = await self._complete(shape, asked, call)
        except asyncio.CancelledError:
            self._count("left")
            raise
        except PosternError:
            self._count("failed")
            raise
        return reply

    async def _complete(
        self, shape: Shape[Request], asked: Request, call: Call
    ) -> Whole | Streamed:
        judgement, reply = await self._judge_and_ask(shape, asked, call)
        if reply is None:
            return self._blocked_prompt(shape, judgement, asked, call)
        keep_open = False
        try:
            if reply.status != HTTPStatus.OK:
                self._count("upstream_error")
                return await self._errors.of_reply(shape, reply, timeout_s=call.timeout_s)
            if asked.stream:
                streamed = await self._stream(shape, judgement, reply, asked, call)
                keep_open = isinstance(streamed, Streamed)
                return streamed
            return await self._whole(shape, judgement, reply, asked, call)
        finally:
            if not keep_open:
                await reply.close()

    async def _judge_and_ask(
        self, shape: Shape[Request], asked: Request, call: Call
    ) -> tuple[Judgement, UpstreamReply | None]:
        """The judgement of the prompt, and the upstream's reply if it is harmless."""
        judging = self.judge_prompt(asked, call)
        if not self.rules.parallel:
            judgement = await judging
            return judgement, None if judgement.blocks else await self._ask(shape, asked, call)
        asking = asyncio.create_task(self._ask(shape, asked, call))
        try:
            judgement = await judging
            if not judgement.blocks:
                return judgement, await asking
        except BaseException:
            await _give_up(asking)
            raise
        await _give_up(asking)
        return judgement, None

    async def judge_prompt(self, asked: Asked, call: Call) -> Judgement:
        """Raises whatever judging raises."""
        return await self._judge.judge(
            "prompt", asked.turns, asked.exchanges, timeout_s=call.timeout_s
        )

    async def _ask(self, shape: Shape[Request], asked: Request, call: Call) -> UpstreamReply:
        return await self.ask(shape, asked.to_upstream, call, stream=asked.stream)

    async def ask(
        self, shape: Shape[Request], body: bytes, call: Call, *, stream: bool
    ) -> UpstreamReply:
        """Send a request on. Raises UpstreamFailed."""
        return await self.upstream.ask(
            "POST",
            shape.path,
            body=body,
            headers=call.headers,
            rules=shape.headers,
            stream=stream,
            query=call.query,
            beside_v1=call.beside_v1,
            api=shape.api,
        )

    async def judge_copy(
        self, shape: Shape[Request], copy: Answering, asked: Request, call: Call
    ) -> tuple[Judgement, ...]:
        """The judgements of an answer of which nothing is sent: a stream is judged as it would be
        held, scored and cut. Raises UpstreamInvalid and whatever judging raises."""
        if not asked.stream:
            _, judgement = await self._judge_answer(shape, copy, asked, call)
            return (judgement,)
        stream = self._guarded(shape, copy, asked, call, observe_held=lambda _: None)
        try:
            async for _ in stream.pieces():
                pass
        except AnswerBlocked as exc:
            return (exc.judgement,)
        return stream.judgements if stream.blocked is None else (stream.blocked,)

    def _blocked_prompt(
        self, shape: Shape[Request], judgement: Judgement, asked: Request, call: Call
    ) -> Whole | Streamed:
        self._count("blocked_prompt")
        headers = verdict_headers(judgement) | unjudged(asked.unjudged)
        if self._block_as_error or not shape.has_words:
            return Whole(current_policy().block.status, to_json(shape.blocked(judgement)), headers)
        if asked.stream:
            pieces = _at_once(shape.refused_stream(judgement, asked, call))
            return Streamed(pieces, headers, _nothing_to_close)
        return Whole(HTTPStatus.OK, to_json(shape.refused(judgement, asked, call)), headers)

    async def _whole(
        self,
        shape: Shape[Request],
        prompt: Judgement,
        reply: UpstreamReply,
        asked: Request,
        call: Call,
    ) -> Whole:
        answer, judgement = await self._judge_answer(shape, reply, asked, call)
        headers = passed_headers(reply.headers) | verdict_headers(prompt, judgement)
        headers |= unjudged(asked.unjudged or ("media" if answer.media else ""))
        if not judgement.blocks:
            self._count("passed")
            return Whole(reply.status, to_json(answer.content), headers)
        self._count("blocked_response")
        if self._block_as_error or not shape.has_words:
            return Whole(current_policy().block.status, to_json(shape.blocked(judgement)), headers)
        return Whole(reply.status, to_json(shape.redacted(answer, judgement)), headers)

    async def _judge_answer(
        self, shape: Shape[Request], reply: Answering, asked: Request, call: Call
    ) -> tuple[Answer, Judgement]:
        body = await reply.read(self.rules.max_response_bytes)
        answer = await read_answer(body, partial(shape.read, asked=asked))
        if answer.unknown_items:
            self._count_unknown(shape.api, "item", answer.unknown_items)
        if answer.media and not self.rules.pass_media:
            raise UpstreamInvalid("the upstream answers with more than text")
        told: list[tuple[int | None, str]] = [*enumerate(answer.said)]
        told += [(None, answer.beside)] if answer.beside else []
        judged = [
            (place, one)
            for place, text in told
            for one in answer_exchanges(asked.prompt_of(place), [text])
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
        if not judgement.blocks:
            self.passed_ids.keep(answer.ids, caller=current_caller())
        return answer, judgement

    async def _stream(
        self,
        shape: Shape[Request],
        prompt: Judgement,
        reply: UpstreamReply,
        asked: Request,
        call: Call,
    ) -> Whole | Streamed:
        if reply.media_type != "text/event-stream":
            raise UpstreamInvalid("the upstream does not stream")
        held = self._metrics.held_back.observe
        stream = self._guarded(shape, reply, asked, call, observe_held=held)
        pieces = stream.pieces()
        try:
            # The reply begins when something has passed. Until then a failure still has a status.
            first = await anext(pieces)
        except AnswerBlocked as exc:
            self._count("blocked_response")
            headers = verdict_headers(prompt, exc.judgement) | unjudged(asked.unjudged)
            return Whole(
                current_policy().block.status, to_json(shape.blocked(exc.judgement)), headers
            )
        except UpstreamTold as exc:
            self._count("upstream_error")
            headers = passed_headers(reply.headers)
            return await self._errors.of_event(shape, exc, headers, timeout_s=call.timeout_s)
        headers = passed_headers(reply.headers) | unjudged(asked.unjudged)
        headers |= verdict_headers(prompt, *stream.judgements, pending=True)
        return Streamed(self._released(shape, first, stream, pieces), headers, reply.close)

    def _guarded(
        self,
        shape: Shape[Request],
        reply: Answering,
        asked: Request,
        call: Call,
        *,
        observe_held: Callable[[float], None],
    ) -> GuardedStream:
        return GuardedStream(
            reply,
            asked,
            shape.stream(asked),
            judge=self._judge,
            hold_back=HoldBack(
                self.rules.score,
                self.rules.bounds,
                # Before the end, only the end of a long prompt stands beside the answer.
                whole_at_end=len(asked.prompt or "") > self.rules.score.tail_chars,
            ),
            rules=StreamRules(
                tail_chars=self.rules.score.tail_chars,
                block_as_error=self._block_as_error,
                pass_media=self.rules.pass_media,
                timeout_s=call.timeout_s,
            ),
            observe_held=observe_held,
            count_unknown=partial(self._count_unknown, shape.api),
            clock=self._clock,
        )

    async def _released(
        self,
        shape: Shape[Request],
        first: bytes,
        stream: GuardedStream,
        pieces: AsyncIterator[bytes],
    ) -> AsyncGenerator[bytes, None]:
        """The pieces. A failure becomes a last event that says so."""
        outcome = "left"
        try:
            yield first
            async for piece in pieces:
                yield piece
            outcome = "blocked_response" if stream.blocked else "passed"
        except AnswerBlocked as exc:
            outcome = "blocked_response"
            yield stream.answer.error_event(shape.blocked(exc.judgement))
        except PosternError as exc:
            outcome = "failed"
            yield stream.answer.error_event(shape.failed(exc))
        except Exception:
            # A bug of ours, whose cause is logged further out. The client must not take what it has
            # for the whole answer.
            outcome = "failed"
            failure = PosternError("the server failed; see its log")
            yield stream.answer.error_event(shape.failed(failure))
            raise
        finally:
            self._count(outcome)

    def _count(self, outcome: str) -> None:
        self._metrics.proxied.labels(outcome).inc()

    def _count_unknown(self, api: Api, part: UnknownPart, n: int) -> None:
        self._metrics.upstream_unknown.labels(api, part).inc(n)


async def _give_up(asking: asyncio.Task[UpstreamReply]) -> None:
    asking.cancel()
    with suppress(asyncio.CancelledError, PosternError):
        reply = await asking
        await reply.close()


async def _at_once(stream: bytes) -> AsyncGenerator[bytes, None]:
    yield stream


async def _nothing_to_close() -> None:
    pass
