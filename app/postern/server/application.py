"""The ASGI application: the endpoints, their errors, and the layers around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from postern import __version__
from postern.clock import now
from postern.contract.errors import PosternError
from postern.endpoints import chat, operations, verdicts
from postern.endpoints.error_shapes import error_shape_of
from postern.endpoints.services import Services
from postern.http import errors as http_errors
from postern.http.hosts import Hosts
from postern.http.loop_turns import LoopTurns
from postern.inference.batcher import Batcher
from postern.server import api_docs, web_page
from postern.server.cors import Cors
from postern.server.first_look import FirstLook
from postern.server.observe import Observed


def create_app(services: Services, batcher: Batcher, turns: LoopTurns, hosts: Hosts) -> ASGIApp:
    """The ASGI application. Its lifespan starts and stops the batcher."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        cascade = services.pipeline.cascade
        cascade.start()
        if services.chat_guard is not None:
            services.chat_guard.upstream.start()
        yield
        if services.chat_guard is not None:
            await services.chat_guard.upstream.close()
        await cascade.close()
        await batcher.close()

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
    verdicts.add_to(app)
    app.include_router(chat.router)
    app.include_router(operations.router)
    api_docs.add_to(app)
    if services.settings.server.page:
        web_page.add_to(app)

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
                exc.status_code, request_id=request_id, headers=exc.headers
            )
            return shape.response(failure)
        return shape.response(http_errors.internal_failure(request_id=request_id))

    for kind in (PosternError, HTTPException, Exception):
        app.add_exception_handler(kind, on_error)
    return Observed(
        app,
        metrics=services.metrics,
        health=services.health,
        first_look=_first_look(services, batcher, turns),
        hosts=hosts,
        cors=Cors(services.settings.access.cors_origins),
        root_path=services.settings.server.root_path,
    )


def _asks_for_methods(request: Request, exc: HTTPException) -> bool:
    return request.method == "OPTIONS" and exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED


def _first_look(services: Services, batcher: Batcher, turns: LoopTurns) -> FirstLook | None:
    """None if a cache may hold the answer, which takes no time however long the queue is."""
    if services.settings.engine.cache_entries:
        return None
    return FirstLook(
        batcher,
        paths=verdicts.PATHS,
        keys=services.keys,
        timeout_ms=services.settings.limits.request_timeout_ms,
        window_tokens=services.info.window_tokens,
        turn_s=lambda: turns.turn_s,
        clock=now,
    )
