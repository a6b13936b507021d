"""The endpoint of the guarded proxy in Anthropic's format."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from postern.chat_guard.messages import Messages
from postern.dialects.anthropic_errors import ANTHROPIC_SHAPE, anthropic_error_of
from postern.endpoints.access import authorize
from postern.endpoints.guarded import GUARD_ERRORS, answered, guard_of
from postern.endpoints.services import services_of
from postern.http.errors import openapi_responses

router = APIRouter()


@router.post(
    "/v1/messages",
    dependencies=[Depends(authorize)],
    summary="Create a message with the upstream, guarded",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "required": ["messages"]},
                    "example": {
                        "model": "any",
                        "max_tokens": 256,
                        "messages": [{"role": "user", "content": "What is the capital of France?"}],
                    },
                }
            },
        }
    },
    responses={
        200: {"description": "The upstream's message, or a refusal in its place."},
        **openapi_responses(*GUARD_ERRORS, shape=ANTHROPIC_SHAPE),
    },
)
async def messages(request: Request) -> Response:
    """Judge the conversation, ask the upstream, judge its message, and release it."""
    guard = guard_of(services_of(request))
    return await answered(request, Messages(guard.refusals, anthropic_error_of))
