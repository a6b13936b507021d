"""The endpoints of the guarded proxy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.types import Receive, Scope, Send

from postern.chat_guard.conversation import parse_chat
from postern.chat_guard.guard import Call, ChatGuard, Streamed
from postern.chat_guard.replies import EVENT_STREAM, Whole
from postern.clock import now
from postern.contract import errors
from postern.dialects.openai_errors import OPENAI_SHAPE
from postern.endpoints.access import authorize
from postern.endpoints.services import Services, services_of
from postern.endpoints.verdicts import JUDGING_ERRORS, READING_ERRORS
from postern.http.errors import openapi_responses
from postern.http.passing_headers import sent_headers
from postern.http.request import ClientLeft, deadline_of, read_json_body, unless_client_leaves

# Larger bodies are read in a thread of their own, so that the event loop goes on.
_INLINE_BYTES: Final = 16 << 10

router = APIRouter()


@router.post(
    "/v1/chat/completions",
    dependencies=[Depends(authorize)],
    summary="Chat with the upstream, guarded",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "required": ["messages"]},
                    "example": {
                        "model": "any",
                        "messages": [{"role": "user", "content": "What is the capital of France?"}],
                    },
                }
            },
        }
    },
    responses={
        200: {"description": "The upstream's completion, or a refusal in its place."},
        **openapi_responses(
            *READING_ERRORS,
            errors.NothingToJudge,
            errors.UnreadableContent,
            *JUDGING_ERRORS,
            errors.UpstreamMissing,
            errors.UpstreamUnreachable,
            errors.UpstreamInvalid,
            errors.UpstreamTimeout,
            shape=OPENAI_SHAPE,
        ),
    },
)
async def chat_completions(request: Request) -> Response:
    """Judge the conversation, ask the upstream, judge its answer, and release it."""
    services = services_of(request)
    guard = _guard_of(services)
    settings = services.settings
    call = _call(request, services)
    body = await read_json_body(
        request,
        limit_bytes=settings.limits.max_body_bytes,
        timeout_s=settings.limits.body_timeout_ms / 1000.0,
    )
    if len(body) <= _INLINE_BYTES:
        asked = parse_chat(body, guard.rules.reading)
    else:
        asked = await asyncio.to_thread(parse_chat, body, guard.rules.reading)
    request.state.log.update(bytes=len(body), exchanges=len(asked.exchanges), stream=asked.stream)
    reply = await unless_client_leaves(request.receive, guard.complete(asked, call))
    request.state.log["verdict"] = reply.headers.get("X-Postern-Verdict")
    if isinstance(reply, Whole):
        return Response(reply.body, reply.status, dict(reply.headers), media_type=reply.media_type)
    return StreamedResponse(reply, give_up_at=now() + settings.upstream.total_timeout_ms / 1000.0)


@router.get(
    "/v1/models",
    dependencies=[Depends(authorize)],
    summary="List the upstream's models",
    responses={
        200: {"description": "The models, as the upstream lists them."},
        **openapi_responses(
            errors.Unauthorized,
            errors.UpstreamMissing,
            errors.UpstreamUnreachable,
            errors.UpstreamInvalid,
            errors.UpstreamTimeout,
            shape=OPENAI_SHAPE,
        ),
    },
)
async def models(request: Request) -> Response:
    """The upstream's list, passed through unchanged."""
    services = services_of(request)
    guard = _guard_of(services)
    reply = await unless_client_leaves(request.receive, guard.models(_call(request, services)))
    return Response(reply.body, reply.status, dict(reply.headers), media_type=reply.media_type)


def _guard_of(services: Services) -> ChatGuard:
    if services.chat_guard is None:
        raise errors.UpstreamMissing
    return services.chat_guard


def _call(request: Request, services: Services) -> Call:
    """Raises InvalidHeader. X-Request-Timeout-Ms bounds each judgement, not the upstream."""
    timeout_ms = services.settings.limits.request_timeout_ms
    deadline = deadline_of(request.scope, timeout_ms=timeout_ms)
    headers: Mapping[str, str] = {
        **sent_headers(
            request.scope["headers"],
            own_keys=bool(services.keys.digests),
            upstream_key=services.settings.upstream.api_key is not None,
        ),
        "x-request-id": request.state.request_id,
        "user-agent": "postern",
    }
    return Call(
        request_id=request.state.request_id,
        headers=headers,
        timeout_s=deadline - request.state.arrived,
        created=int(time.time()),
    )


class StreamedResponse(Response):
    """Sends pieces as they are released. It stops and breaks off the upstream when nobody reads.

    give_up_at: when a client that reads too slowly is given up, in seconds on the clock of
    deadlines.
    """

    def __init__(self, streamed: Streamed, *, give_up_at: float) -> None:
        super().__init__(None, 200, {**streamed.headers, "Cache-Control": "no-cache"}, EVENT_STREAM)
        del self.headers["content-length"]
        # Without this, nginx would collect the pieces.
        self.headers["X-Accel-Buffering"] = "no"
        self._streamed = streamed
        self._give_up_at = give_up_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ClientLeft."""
        try:
            await unless_client_leaves(receive, self._send(send))
        finally:
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
