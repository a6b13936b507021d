"""The endpoints: read the request, call the pipeline, write the reply."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel, Field

from postern.chat_guard.guard import ChatGuard
from postern.contract import errors
from postern.endpoints.wire import (
    ClassifyOut,
    Identity,
    InfoOut,
    classify_reply,
    parse_classify,
)
from postern.http.errors import openapi_responses
from postern.http.request import (
    Keys,
    deadline_of,
    now,
    read_json_body,
    unless_client_leaves,
)
from postern.http.request_log import figures
from postern.inference.health import Health
from postern.judging.in_parts import Budget, moderate_in_parts
from postern.judging.pipeline import Pipeline
from postern.metrics import Metrics
from postern.settings.settings import Settings

JSON = "application/json"
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter()


@dataclass(frozen=True)
class Services:
    """What the endpoints need; put together once, in `main.py`."""

    settings: Settings
    pipeline: Pipeline
    health: Health
    metrics: Metrics
    identity: Identity
    info: InfoOut
    keys: Keys
    chat_guard: ChatGuard | None = None
    """The guarded proxy, where an upstream is set."""


class ProblemOut(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="Stable name of the kind of problem, for programs.")
    title: str
    status: int
    detail: str
    request_id: str
    index: int | None = Field(None, description="Which of several exchanges is to blame.")
    errors: list[dict[str, str]] | None = Field(
        None, description="With `body-mismatch`: the fields that do not match."
    )


def budget_of(settings: Settings) -> Budget:
    """Of one request that is judged in parts."""
    return Budget(settings.max_items, settings.chat_max_exchanges, settings.chat_max_chars)


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


_Security = Annotated[Any, Depends(HTTPBearer(auto_error=False))]
_SecurityHeader = Annotated[Any, Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]


def check_key(request: Request) -> None:
    """Raises Unauthorized."""
    services_of(request).keys.check(request.scope)


async def authorize(request: Request, _bearer: _Security, _header: _SecurityHeader) -> None:
    """Raises Unauthorized. The parameters only put the schemes into the OpenAPI document."""
    check_key(request)


@router.post(
    "/classify",
    dependencies=[Depends(authorize)],
    summary="Judge prompts, responses and conversations",
    responses={
        200: {"model": ClassifyOut, "description": "A verdict on every exchange."},
        **openapi_responses(
            errors.MalformedBody,
            errors.InvalidHeader,
            errors.Unauthorized,
            errors.BodyTooSlow,
            errors.BodyTooLarge,
            errors.ExchangeTooLong,
            errors.UnsupportedMediaType,
            errors.BodyMismatch,
            errors.EmptyPrompt,
            errors.NothingToJudge,
            errors.UnknownOperatingPoint,
            errors.QueueFull,
            errors.DeadlineUnreachable,
            errors.InferenceFailed,
            errors.NotReady,
            errors.DeadlineExceeded,
        ),
    },
)
async def classify(request: Request) -> Response:
    """Scores each exchange in windows that cover all of its text; the most harmful one counts.

    The body has one of three forms: one exchange, `inputs`, or `messages`.
    """
    services = services_of(request)
    settings = services.settings
    deadline = deadline_of(request.scope, timeout_ms=settings.request_timeout_ms)
    body = await read_json_body(
        request,
        limit_bytes=settings.max_body_bytes,
        timeout_s=min(settings.body_timeout_ms / 1000.0, max(0.0, deadline - now())),
    )
    started = now()
    asked = parse_classify(body)
    parse_s = now() - started
    services.metrics.stage_duration.labels("parse").observe(parse_s)
    in_parts = asked.turns[0] is not None  # a conversation may be of any length
    moderate = functools.partial(moderate_in_parts, services.pipeline, budget=budget_of(settings))
    moderation = await unless_client_leaves(
        request,
        (moderate if in_parts else services.pipeline.moderate)(
            asked.exchanges, asked.options, deadline=deadline
        ),
    )
    request.state.log.update(
        bytes=len(body), parse_ms=round(parse_s * 1000.0, 3), **figures(moderation)
    )
    reply = classify_reply(
        moderation, asked, request_id=request.state.request_id, identity=services.identity
    )
    return Response(orjson.dumps(reply), media_type=JSON)


@router.get(
    "/healthz", summary="Whether the process lives", responses=openapi_responses(errors.NotReady)
)
async def healthz(request: Request) -> dict[str, str]:
    """The event loop answers and no batch is stuck."""
    services_of(request).health.check_alive()
    return {"status": "alive"}


@router.get(
    "/readyz", summary="Whether traffic can come", responses=openapi_responses(errors.NotReady)
)
async def readyz(request: Request) -> dict[str, str]:
    """A real forward pass went through the real queue."""
    await services_of(request).health.check_ready()
    return {"status": "ready"}


@router.get(
    "/metrics",
    dependencies=[Depends(authorize)],
    summary="Figures for Prometheus",
    responses={
        200: {"content": {PROMETHEUS_TEXT: {"schema": {"type": "string"}}}},
        **openapi_responses(errors.Unauthorized),
    },
)
async def metrics(request: Request) -> Response:
    """Prometheus text format."""
    return Response(services_of(request).metrics.render(), media_type=PROMETHEUS_TEXT)


@router.get(
    "/info",
    dependencies=[Depends(authorize)],
    summary="What runs here",
    responses=openapi_responses(errors.Unauthorized),
)
async def info(request: Request) -> InfoOut:
    """Model, hashes, limits and operating points; no secrets."""
    return services_of(request).info
