"""The path of a request through the guarded proxy, whatever the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, get_args

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from postern.chat_guard import shape as shapes
from postern.chat_guard.decided import Decided, listen
from postern.chat_guard.guard import ChatGuard, Streamed
from postern.chat_guard.replies import EVENT_STREAM, Whole
from postern.chat_guard.shape import Call, Shape
from postern.clock import now
from postern.contract import errors
from postern.contract.audit import Stage
from postern.contract.errors import PosternError
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged
from postern.dialects.openai_errors import OPENAI_SHAPE
from postern.endpoints.auditing import audits, reporter
from postern.endpoints.policies import timeout_ms_of
from postern.endpoints.services import Services, reading_of, services_of
from postern.endpoints.verdicts import JUDGING_ERRORS, READING_ERRORS
from postern.http.errors import openapi_responses
from postern.http.passing_headers import HeaderRules, sent_headers
from postern.http.request import ClientLeft, deadline_of, read_json_body, unless_client_leaves
from postern.tracing.names import Step
from postern.tracing.spans import current, step

UPSTREAM_ERRORS: Final[tuple[type[PosternError], ...]] = (
    errors.UpstreamMissing,
    errors.UpstreamUnreachable,
    errors.UpstreamInvalid,
    errors.UpstreamTimeout,
)
GUARD_ERRORS: Final[tuple[type[PosternError], ...]] = (
    *READING_ERRORS,
    errors.NothingToJudge,
    errors.UnreadableContent,
    *JUDGING_ERRORS,
    *UPSTREAM_ERRORS,
)
"""The errors of an endpoint that is guarded."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an API is asked for, if not at its own path.

    route: the one whose mode counts. query: to send on. beside_v1: the upstream has the path beside
    its /v1.
    """

    route: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    beside_v1: bool = False


class Admit(Protocol[shapes.Request]):
    """The request as it may be answered. Raises if it may not be."""

    async def __call__(self, asked: shapes.Request, call: Call) -> shapes.Request: ...


_HERE: Final = Place()
_STAGES: Final[tuple[Stage, ...]] = get_args(Stage)

# Larger bodies are read in a thread of their own, so that the event loop goes on.
_INLINE_BYTES: Final = 16 << 10


async def answered(
    request: Request,
    shape: Shape[shapes.Request],
    *,
    admit: Admit[shapes.Request] | None = None,
    at: Place = _HERE,
) -> Response:
    """Judge the request, ask the upstream, judge its answer, and release it.

    In audit mode, everything passes at once, and copies are judged. admit: raises if a request that
    was read cannot be answered, and adds what it needs.
    """
    services = services_of(request)
    guard = guard_of(services)
    settings = services.settings
    call = call_of(request, services, shape.headers, at)
    route = at.route or request.scope["route"].path
    audit = services.chat_audit if audits(request, route) else None
    _keep_what_decides(services, call.request_id)
    work: Coroutine[Any, Any, Whole | Streamed]
    body = await read_json_body(
        request,
        limit_bytes=settings.limits.max_body_bytes,
        timeout_s=settings.limits.body_timeout_ms / 1000.0,
    )
    # In audit mode an answer passes before its ids are known, so they decide nothing.
    admitted = None if admit is None or audit is not None else partial(admit, call=call)
    reading = _read(request, shape, body, reading_of(settings), admitted)
    if audit is None:
        work = _enforced(guard, shape, reading, call)
    else:
        request.state.log.update(bytes=len(body), mode="audit")
        asked = await _or_why(reading)
        report = reporter(services, route, request_id=call.request_id)
        work = audit.complete(shape, body, asked, call, report)
    reply = await unless_client_leaves(request.receive, work)
    request.state.log["verdict"] = reply.headers.get("X-Postern-Verdict")
    if isinstance(reply, Whole):
        return whole_response(reply)
    return StreamedResponse(reply, give_up_at=now() + settings.upstream.total_timeout_ms / 1000.0)


def _keep_what_decides(services: Services, request_id: str) -> None:
    """So that it can be corrected: result 0 decides the prompt, result 1 the answer."""
    if services.feedback is None:
        return
    keep = services.feedback.keeper(request_id)

    def decided(stage: Stage, exchange: Exchange, judged: Judged) -> None:
        keep(_STAGES.index(stage), exchange, judged)

    listen(Decided(decided))


async def _read(
    request: Request,
    shape: Shape[shapes.Request],
    body: bytes,
    reading: shapes.Reading,
    admit: Callable[[shapes.Request], Awaitable[shapes.Request]] | None,
) -> shapes.Request:
    with step(Step.PARSE):
        if len(body) <= _INLINE_BYTES:
            asked = shape.parse(body, reading)
        else:
            asked = await asyncio.to_thread(shape.parse, body, reading)
    if admit is not None:
        asked = await admit(asked)
    request.state.log.update(bytes=len(body), exchanges=len(asked.exchanges), stream=asked.stream)
    return asked


async def _enforced(
    guard: ChatGuard,
    shape: Shape[shapes.Request],
    reading: Coroutine[Any, Any, shapes.Request],
    call: Call,
) -> Whole | Streamed:
    return await guard.complete(shape, await reading, call)


async def _or_why(reading: Coroutine[Any, Any, shapes.Request]) -> shapes.Request | PosternError:
    """The request, or why it cannot be read."""
    try:
        return await reading
    except PosternError as exc:
        return exc


def described(
    summary: str, example: Mapping[str, Any], success: str, *more: type[PosternError]
) -> dict[str, Any]:
    """What the OpenAPI document says of a guarded endpoint in OpenAI's format.

    example: of a body, with the fields that it must have beside `model`. more: errors of its own.
    """
    required = [name for name in example if name != "model"]
    content = {"schema": {"type": "object", "required": required}, "example": dict(example)}
    return {
        "summary": summary,
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": content}}
        },
        "responses": {
            200: {"description": success},
            **openapi_responses(*GUARD_ERRORS, *more, shape=OPENAI_SHAPE),
        },
    }


class WholeResponse(Response):
    """Sends what passed in one piece; traced as a step."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with step(Step.RELEASE):
            await super().__call__(scope, receive, send)


def whole_response(reply: Whole) -> WholeResponse:
    return WholeResponse(reply.body, reply.status, dict(reply.headers), media_type=reply.media_type)


def guard_of(services: Services) -> ChatGuard:
    """Raises UpstreamMissing."""
    if services.chat_guard is None:
        raise errors.UpstreamMissing
    return services.chat_guard


def call_of(request: Request, services: Services, rules: HeaderRules, at: Place = _HERE) -> Call:
    """Raises InvalidHeader. X-Request-Timeout-Ms bounds each judgement, not the upstream."""
    deadline = deadline_of(request.scope, timeout_ms=timeout_ms_of(services))
    headers: Mapping[str, str] = {
        **sent_headers(
            request.scope["headers"],
            rules,
            own_keys=bool(services.keys.digests),
            upstream_key=services.settings.upstream.has_key,
        ),
        "x-request-id": request.state.request_id,
        "user-agent": "postern",
    }
    return Call(
        request_id=request.state.request_id,
        headers=headers,
        timeout_s=deadline - request.state.arrived,
        created=int(time.time()),
        query=at.query,
        beside_v1=at.beside_v1,
    )


class StreamedResponse(Response):
    """Sends pieces as they are released. It stops and breaks off the upstream when nobody reads.

    give_up_at: when a client that reads too slowly is given up, in seconds on the clock of
    deadlines.
    """

    def __init__(self, streamed: Streamed, *, give_up_at: float) -> None:
        headers = {**streamed.headers, "Cache-Control": "no-cache"}
        super().__init__(None, streamed.status, headers, EVENT_STREAM)
        del self.headers["content-length"]
        # Without this, nginx would collect the pieces.
        self.headers["X-Accel-Buffering"] = "no"
        self._streamed = streamed
        self._give_up_at = give_up_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ClientLeft."""
        # Not the current span: what is judged meanwhile is no part of releasing.
        span = current().child(Step.RELEASE)
        try:
            await unless_client_leaves(receive, self._send(send))
        except ClientLeft:
            span.fail(ClientLeft.__name__)
            raise
        finally:
            span.end()
            await self._streamed.pieces.aclose()
            await self._streamed.close()

    async def _send(self, send: Send) -> None:
        start: dict[str, Any] = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        async for piece in self._streamed.pieces:
            message = {"type": "http.response.body", "body": piece, "more_body": True}
            try:
                async with asyncio.timeout(max(0.0, self._give_up_at - now())):
                    await send(message)
            except TimeoutError:
                raise ClientLeft from None
        await send({"type": "http.response.body", "body": b"", "more_body": False})
