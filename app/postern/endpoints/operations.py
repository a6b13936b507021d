"""The endpoints for operators: probes, metrics, and information about the server."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request, Response

from postern.contract import errors
from postern.endpoints.access import authorize
from postern.endpoints.error_shapes import error_shape_of
from postern.endpoints.info import InfoOut, policies_shown
from postern.endpoints.services import services_of
from postern.http.errors import openapi_responses

PROMETHEUS_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter()


@router.get(
    "/healthz", summary="Check that the process lives", responses=openapi_responses(errors.NotReady)
)
async def healthz(request: Request) -> dict[str, str]:
    """The event loop answers and no batch is stuck."""
    services_of(request).health.check_alive()
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="Check that the server is ready for traffic",
    responses=openapi_responses(errors.NotReady),
)
async def readyz(request: Request) -> dict[str, str]:
    """A real forward pass went through the real queue."""
    await services_of(request).health.check_ready()
    return {"status": "ready"}


@router.get(
    "/health",
    summary="Check readiness, as text-embeddings-inference and detectors have it",
    response_class=Response,
    responses={
        200: {"description": "Ready. The reply has no body.", "content": {}},
        **openapi_responses(errors.NotReady, shape=error_shape_of("/health")),
    },
)
async def health(request: Request) -> Response:
    """The same as `/readyz`, for probes that cannot be changed."""
    await services_of(request).health.check_ready()
    return Response()


@router.get(
    "/metrics",
    dependencies=[Depends(authorize)],
    summary="Metrics for Prometheus",
    responses={
        200: {"content": {PROMETHEUS_TEXT: {"schema": {"type": "string"}}}},
        **openapi_responses(errors.Unauthorized),
    },
)
async def metrics(request: Request) -> Response:
    """Metrics in the Prometheus text format."""
    return Response(services_of(request).metrics.render(), media_type=PROMETHEUS_TEXT)


@router.get(
    "/info",
    dependencies=[Depends(authorize)],
    summary="Show model, limits and operating points",
    responses=openapi_responses(errors.Unauthorized),
)
async def info(request: Request) -> InfoOut:
    """Model, hashes, limits and operating points; no secrets."""
    services = services_of(request)
    if services.policies is None:
        return services.info
    shown = policies_shown(services.policies.policies)
    return services.info.model_copy(update={"policies": shown})
