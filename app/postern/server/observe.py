"""The outermost layer: request id, metrics, one log line per request, and a last resort for
errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postern.clock import now
from postern.contract.errors import NotReady, Overloaded, PosternError, TooManyConnections
from postern.endpoints.error_shapes import error_shape_of
from postern.endpoints.verdicts import PATHS
from postern.http import errors as http_errors
from postern.http.hosts import Hosts
from postern.http.protocol import ARRIVED, CROWDED
from postern.http.request import ClientLeft, header, request_id_of
from postern.inference.health import Health
from postern.logs import LOGGER, log
from postern.metrics import Metrics
from postern.server.cors import Cors
from postern.server.first_look import FirstLook
from postern.tracing.names import METHODS, OTHER_METHOD, Attribute
from postern.tracing.spans import NOTHING, Around, Span, Tracer, current

_UNMATCHED = "unmatched"
# Probes and scrapes continue while the server drains, and do not get a log line each.
_OPERATORS_PATHS = frozenset({"/healthz", "/readyz", "/health", "/metrics"})
_CLIENT_CLOSED_REQUEST = 499
_ASKS_FOR_TIMINGS = b"x-postern-timings"
_STAGES = ("parse", "tokenize", "queue", "inference", "teacher")


class Observed:
    """Pure ASGI: nothing is buffered, disconnects stay visible."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        health: Health,
        first_look: FirstLook | None,
        hosts: Hosts,
        cors: Cors,
        root_path: str = "",
        tracer: Tracer | None = None,
    ) -> None:
        self._hosts = hosts
        self._cors = cors
        self._root_path = root_path
        self._app = app
        self._metrics = metrics
        self._health = health
        self._first_look = first_look
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = self._seen_by_the_app(scope)
        arrived: float = scope.setdefault("state", {}).setdefault(ARRIVED, now())
        if self._tracer is None or scope["path"] in _OPERATORS_PATHS:
            await self._answer(scope, receive, send)
            return
        with Around(self._tracer.request(scope["method"], scope["headers"], started=arrived)):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(scope)
        state = scope["state"]
        arrived: float = state[ARRIVED]
        state.update(request_id=request_id, log={})
        status = 0

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                if "policy" in state:
                    headers["X-Postern-Policy"] = state["policy"]
                self._cors.add_to(headers, scope)
                if header(scope, _ASKS_FOR_TIMINGS) == "1":
                    headers["Server-Timing"] = _server_timing(state["log"], now() - arrived)
            await send(message)

        try:
            error = self._refusal(scope)
            if error is not None:
                failure = http_errors.failure_of(error, request_id=request_id)
                response = error_shape_of(scope["path"]).response(failure)
                if not _may_stay(error, scope):
                    response.headers["Connection"] = "close"
                self._metrics.rejected.labels(failure.problem.slug).inc()
                state["log"]["problem"] = failure.problem.slug
                await response(scope, receive, send_observed)
            elif (preflight := self._cors.preflight(scope)) is not None:
                await preflight(scope, receive, send_observed)
            else:
                await self._app(scope, receive, send_observed)
        except ClientLeft:
            status = _CLIENT_CLOSED_REQUEST
            self._metrics.cancelled.inc()
        except Exception:  # the framework has already answered 500; log the cause here
            LOGGER.error("defect", exc_info=True, extra={"fields": {"request_id": request_id}})
            if not status:
                failure = http_errors.internal_failure(request_id=request_id)
                response = error_shape_of(scope["path"]).response(failure)
                await response(scope, receive, send_observed)
        finally:
            self._record(scope, status, now() - arrived)
            fields = state["log"]
            if self._first_look is not None and "tokens" in fields:
                self._first_look.learn(fields["bytes"], fields["tokens"])

    def _seen_by_the_app(self, scope: Scope) -> Scope:
        """The request for the application: HEAD becomes GET, and a proxy's prefix is removed."""
        prefix, path = self._root_path, scope["path"]
        strips = prefix and (path == prefix or path.startswith(f"{prefix}/"))
        if scope["method"] != "HEAD" and not strips:
            return scope
        seen = dict(scope)
        if scope["method"] == "HEAD":
            seen["method"] = "GET"
        if strips:
            seen["path"] = path[len(prefix) :] or "/"
        return seen

    def _refusal(self, scope: Scope) -> PosternError | None:
        if scope["path"] in _OPERATORS_PATHS:
            return None
        if self._health.draining:
            return NotReady("the server is shutting down")
        if scope["state"].get(CROWDED):
            return TooManyConnections()
        try:
            self._hosts.check(scope)
        except PosternError as exc:
            return exc
        return None if self._first_look is None else self._first_look.refusal(scope)

    def _record(self, scope: Scope, status: int, elapsed_s: float) -> None:
        route = getattr(scope.get("route"), "path", None)
        if route is None:  # refused before routing, or no such route
            route = scope["path"] if scope["path"] in PATHS else _UNMATCHED
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.request_duration.labels(route).observe(elapsed_s)
        if (span := current()) is not NOTHING:
            _describe(span, scope, route=route, status=status)
        quiet = route in _OPERATORS_PATHS
        if LOGGER.isEnabledFor(logging.DEBUG if quiet else logging.INFO):
            log(
                "request",
                level=logging.DEBUG if quiet else logging.INFO,
                request_id=scope["state"]["request_id"],
                method=scope["method"] if scope["method"].isalpha() else "?",
                route=route,
                status=status,
                duration_ms=round(elapsed_s * 1000.0, 3),
                **scope["state"]["log"],
            )


def _describe(span: Span, scope: Scope, *, route: str, status: int) -> None:
    """Complete the span of a request. The path itself stays out: it may hold anything."""
    state = scope["state"]
    span.rename(f"{scope['method'] if scope['method'] in METHODS else OTHER_METHOD} {route}")
    span.set(Attribute.ROUTE, route)
    span.set(Attribute.STATUS, status)
    span.set(Attribute.REQUEST_ID, state["request_id"])
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == _CLIENT_CLOSED_REQUEST:
        span.fail(state["log"].get("problem", str(status)))
    elif "problem" in state["log"]:  # the caller's fault is no failure of the server
        span.set(Attribute.ERROR, state["log"]["problem"])


def _may_stay(error: PosternError, scope: Scope) -> bool:
    """Whether to keep the connection: overloading clients retry, and a new connection costs more.

    A client that waits for status 100 may or may not send its body now, so nobody could tell where
    its next request begins.
    """
    overloaded = isinstance(error, Overloaded) and not isinstance(error, TooManyConnections)
    return overloaded and header(scope, b"expect") is None


def _server_timing(fields: Mapping[str, Any], total_s: float) -> str:
    """The stages of a request in milliseconds, for the header Server-Timing."""
    stages = [(stage, fields[f"{stage}_ms"]) for stage in _STAGES if f"{stage}_ms" in fields]
    return ", ".join(
        f"{stage};dur={ms:.3f}" for stage, ms in [*stages, ("total", total_s * 1000.0)]
    )
