"""The ASGI application: the endpoints, their errors, and the layers around them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from postern import __version__
from postern.clock import now
from postern.contract.errors import PosternError
from postern.endpoints import verdicts
from postern.endpoints.auditing import audits_for
from postern.endpoints.error_shapes import error_shape_of, why_not_there
from postern.endpoints.services import Services
from postern.http import errors as http_errors
from postern.http.hosts import Hosts
from postern.http.loop_turns import LoopTurns
from postern.inference.batcher import Batcher
from postern.server import paths, published_files, web_page
from postern.server.cors import Cors
from postern.server.direct import DirectVerdicts
from postern.server.first_look import FirstLook
from postern.server.observe import Observed
from postern.tracing.spans import Tracer

_NOT_FOUND: Final = HTTPStatus.NOT_FOUND
_GUARDED: Final = ("/v1/", "/openai/")


def create_app(
    services: Services,
    batcher: Batcher,
    turns: LoopTurns,
    hosts: Hosts,
    tracer: Tracer | None = None,
) -> ASGIApp:
    """The ASGI application. Its lifespan starts and stops the batcher."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        cascade = services.pipeline.cascade
        cascade.start()
        if services.chat_guard is not None:
            services.chat_guard.upstream.start()
        if services.shadow is not None:
            services.shadow.start()
        yield
        if services.shadow is not None:
            await asyncio.to_thread(services.shadow.close)
        if services.chat_audit is not None:
            await services.chat_audit.close()
        if services.chat_guard is not None:
            await services.chat_guard.upstream.close()
        if services.feedback is not None:
            await services.feedback.close()
        await cascade.close()
        await batcher.close()
        if tracer is not None:
            await asyncio.to_thread(tracer.close)

    app = FastAPI(
        title="Postern",
        version=__version__,
        summary="A moderation server: is this prompt, or this response, harmful?",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would be built from the header Host, which anybody can write.
        redirect_slashes=False,
        root_path=services.settings.server.root_path,
    )
    app.state.services = services
    paths.add_to(app)
    published_files.add_to(app, services.settings)
    if services.settings.server.page:
        web_page.add_to(app, on_device=services.settings.server.on_device is not None)

    async def on_error(request: Request, exc: Exception) -> Response:
        request_id = request.state.request_id
        shape = error_shape_of(request.scope["path"])
        if isinstance(exc, PosternError):
            failure = http_errors.failure_of(exc, request_id=request_id)
            services.metrics.rejected.labels(failure.problem.slug).inc()
            request.state.log["problem"] = failure.problem.slug
            return shape.response(failure)
        if isinstance(exc, HTTPException) and _asks_for_methods(request, exc):
            allowed = (exc.headers or {}).get("Allow", "GET")
            return Response(status_code=204, headers={"Allow": f"{allowed}, OPTIONS"})
        if isinstance(exc, HTTPException):
            failure = http_errors.status_failure(
                exc.status_code,
                request_id=request_id,
                headers=exc.headers,
                detail=_no_such_path(app, request) if exc.status_code == _NOT_FOUND else "",
            )
            return shape.response(failure)
        return shape.response(http_errors.internal_failure(request_id=request_id))

    for kind in (PosternError, HTTPException, Exception):
        app.add_exception_handler(kind, on_error)
    return Observed(
        DirectVerdicts(app, on_error),
        metrics=services.metrics,
        health=services.health,
        first_look=_first_look(services, batcher, turns),
        hosts=hosts,
        cors=Cors(services.settings.access.cors_origins),
        root_path=services.settings.server.root_path,
        tracer=tracer,
    )


def _no_such_path(app: FastAPI, request: Request) -> str:
    """What a client of a dialect reads where it looks for more of it; "" elsewhere."""
    asked = request.scope["path"]
    guarded = next((prefix for prefix in _GUARDED if asked.startswith(prefix)), None)
    if guarded is None:
        return why_not_there(asked)
    there = sorted(
        f"{method.upper()} {path}"
        for path, operations in app.openapi()["paths"].items()
        if path.startswith(guarded)
        for method in operations
    )
    return f"this path is not guarded, so it does not pass; there are {', '.join(there)}"


def _asks_for_methods(request: Request, exc: HTTPException) -> bool:
    return request.method == "OPTIONS" and exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED


def _first_look(services: Services, batcher: Batcher, turns: LoopTurns) -> FirstLook | None:
    """None if a cache may hold the answer, which takes no time however long the queue is."""
    if services.settings.engine.cache_entries:
        return None
    return FirstLook(
        batcher,
        paths=verdicts.PATHS,
        # A gateway that obeys this server may block what gets no answer.
        audits=functools.partial(audits_for, services),
        keys=services.keys,
        timeout_ms=services.settings.limits.request_timeout_ms,
        max_body_bytes=services.settings.limits.max_body_bytes,
        window_tokens=services.info.window_tokens,
        turn_s=lambda: turns.turn_s,
        clock=now,
    )
