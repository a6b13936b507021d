"""The endpoint of the guarded proxy for OpenAI's Responses API."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from postern.chat_guard.responses.memory import Memory
from postern.chat_guard.responses.shape import Responses
from postern.contract import errors
from postern.dialects.openai_errors import OPENAI_SHAPE, openai_error_of
from postern.endpoints.access import authorize
from postern.endpoints.guarded import GUARD_ERRORS, answered, guard_of
from postern.endpoints.services import Services, reading_of, services_of
from postern.http.errors import openapi_responses

router = APIRouter()


@router.post(
    "/v1/responses",
    dependencies=[Depends(authorize)],
    summary="Get a response of the upstream, guarded",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {"model": "any", "input": "What is the capital of France?"},
                }
            },
        }
    },
    responses={
        200: {"description": "The upstream's response, or a refusal in its place."},
        **openapi_responses(*GUARD_ERRORS, errors.UnjudgedReference, shape=OPENAI_SHAPE),
    },
)
async def responses(request: Request) -> Response:
    """Judge the conversation, ask the upstream, judge its response, and release it."""
    shape = shape_of(services_of(request))
    return await answered(request, shape, admit=shape.admit)


def shape_of(services: Services) -> Responses:
    """Raises UpstreamMissing."""
    guard, settings = guard_of(services), services.settings
    on_unknown = settings.guard.on_unknown_id
    memory = Memory(
        guard.upstream,
        guard.passed_ids,
        reading_of(settings),
        max_bytes=guard.rules.max_response_bytes,
        within_s=settings.upstream.total_timeout_ms / 1000.0,
    )
    return Responses(
        guard.refusals,
        openai_error_of,
        guard.passed_ids,
        unknown_ids_pass=on_unknown == "pass",
        memory=memory if on_unknown == "fetch" else None,
    )
