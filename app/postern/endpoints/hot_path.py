"""The endpoints that are called for every text, reached without FastAPI's resolving of parameters.

They take the request as it is, so there is nothing to resolve; to find that out took five times as
long as all else that lies between the protocol and the endpoint. FastAPI keeps its own routes to
them, for the OpenAPI documents.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postern.endpoints import dialects as dialects
from postern.endpoints.classify import (
    check_key,
    classify,
)

Endpoint = Callable[[Request], Awaitable[Response]]

_ENDPOINTS: Final[tuple[tuple[str, Callable[[Request], None], Endpoint], ...]] = (
    ("/classify", check_key, classify),
    ("/v1/moderations", check_key, dialects.moderations),
    ("/beta/litellm_basic_guardrail_api", check_key, dialects.litellm_guardrail),
    ("/predict", check_key, dialects.predict),
    ("/v1alpha1/comments:analyze", dialects.check_google_key, dialects.analyze),
)


def add_to(app: FastAPI) -> None:
    """Puts them before all other routes. Each raises Unauthorized where a key is missing."""
    app.router.routes[:0] = [_direct(*one) for one in _ENDPOINTS]


def _direct(path: str, check: Callable[[Request], None], endpoint: Endpoint) -> Route:
    async def answer(request: Request) -> Response:
        request.scope["route"] = route
        check(request)
        return await endpoint(request)

    answer.__name__ = getattr(endpoint, "__name__", path)
    route = Route(path, answer, methods=["POST"], include_in_schema=False)
    return route


def paths() -> frozenset[str]:
    return frozenset(path for path, *_ in _ENDPOINTS)
