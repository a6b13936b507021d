"""The path of a request through the pipeline, whatever the format of its body."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson
from fastapi import Request, Response

from postern.clock import now
from postern.contract.errors import InvalidHeader
from postern.contract.exchange import Exchange
from postern.contract.moderation import ListHit, Moderation, Options
from postern.endpoints.policies import timeout_ms_of
from postern.endpoints.services import JSON, budget_of, services_of
from postern.http.request import (
    JSON_TYPE,
    deadline_of,
    header,
    read_body,
    unless_client_leaves,
)
from postern.http.request_log import figures
from postern.judging.in_parts import moderate_in_parts
from postern.policies.current import current_policy
from postern.policies.records import PolicyList
from postern.tracing.names import Step
from postern.tracing.spans import step

Asked = TypeVar("Asked")

OPERATING_POINT = "X-Postern-Operating-Point"
IMAGES = "X-Postern-Images"

# Chats and forwarded bodies are read string by string, which takes longer than checking a model.
_INLINE_BYTES: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class Received:
    """A body, and the deadline for its answer."""

    body: bytes
    deadline: float


async def receive(request: Request, media_types: Collection[str] = (JSON_TYPE,)) -> Received:
    """Read the body, within the limits. Raises what `deadline_of` and `read_body` raise."""
    settings = services_of(request).settings
    deadline = deadline_of(request.scope, timeout_ms=timeout_ms_of(services_of(request)))
    body = await read_body(
        request,
        media_types,
        limit_bytes=settings.limits.max_body_bytes,
        timeout_s=min(settings.limits.body_timeout_ms / 1000.0, max(0.0, deadline - now())),
    )
    return Received(body, deadline)


async def parsed_apart(
    request: Request, received: Received, parse: Callable[[bytes], Asked]
) -> Asked:
    """`parsed`, in a thread of its own if the body is large, so that the event loop goes on."""
    if len(received.body) <= _INLINE_BYTES:
        return parsed(request, received, parse)
    return await asyncio.to_thread(parsed, request, received, parse)


def parsed(request: Request, received: Received, parse: Callable[[bytes], Asked]) -> Asked:
    """The body, parsed by the dialect's own parser; timed as a stage."""
    started = now()
    with step(Step.PARSE):
        asked = parse(received.body)
    parse_s = now() - started
    services_of(request).metrics.stage_duration.labels("parse").observe(parse_s)
    request.state.log["parse_ms"] = round(parse_s * 1000.0, 3)
    return asked


async def judge(
    request: Request,
    received: Received,
    exchanges: Sequence[Exchange],
    options: Options | None = None,
    *,
    in_parts: bool = False,
) -> Moderation:
    """Verdicts, unless the client leaves first.

    options: those in the body. Dialects without options in the body use the operating point from
    the header. The client's operator sets it, not the author of the text.
    """
    services = services_of(request)
    if options is None:
        options = Options(operating_point=operating_point(request))
    moderate = services.pipeline.moderate
    if in_parts:
        budget = budget_of(services.settings)
        moderate = functools.partial(moderate_in_parts, services.pipeline, budget=budget)
    moderation = await unless_client_leaves(
        request.receive, moderate(exchanges, options, deadline=received.deadline)
    )
    if services.feedback is not None:
        services.feedback.keep(request.state.request_id, exchanges, moderation)
    request.state.log.update(bytes=len(received.body), **figures(moderation))
    return moderation


async def list_hits(
    request: Request, received: Received, exchange: Exchange, lists: Sequence[PolicyList]
) -> tuple[ListHit, ...]:
    """All that an exchange matches in these lists of its caller, unless the client leaves first."""
    if not lists:
        return ()
    options = Options(operating_point=operating_point(request))
    pipeline = services_of(request).pipeline
    return await unless_client_leaves(
        request.receive,
        pipeline.list_hits(exchange, lists, options, deadline=received.deadline),
    )


def list_blocked(request: Request, content: Any, hits: Sequence[ListHit]) -> Response:
    """The answer for an exchange that lists block without the student. The first list counts."""
    metrics = services_of(request).metrics
    metrics.verdicts.labels("harmful", "list").inc()
    metrics.list_matches.labels(current_policy().name, hits[0].list_name, "block").inc()
    request.state.log.update(exchanges=1, harmful=1)
    headers = {"X-Postern-Harmful": "true"}
    return Response(orjson.dumps(content), headers=headers, media_type=JSON)


def operating_point(request: Request) -> str | None:
    """The one that a header names."""
    return header(request.scope, OPERATING_POINT.lower().encode())


def images_pass(request: Request) -> bool:
    """Whether the operator lets images through unjudged. Raises InvalidHeader."""
    given = header(request.scope, IMAGES.lower().encode())
    if given not in (None, "block", "pass"):
        raise InvalidHeader(IMAGES, "block or pass")
    return given == "pass"


def reply(content: Any, moderation: Moderation | None) -> Response:
    """The answer. The headers carry what some dialects have no field for."""
    headers = {}
    if moderation is not None:
        headers["X-Postern-Harmful"] = str(moderation.harmful).lower()
        degraded = any(one.verdict.degraded for one in moderation.judged)
        headers["X-Postern-Degraded"] = str(degraded).lower()
        supported = all(one.reading.supported for one in moderation.judged)
        headers["X-Postern-Language-Supported"] = str(supported).lower()
    return Response(orjson.dumps(content), headers=headers, media_type=JSON)
