"""The endpoints of the guarded proxy in OpenAI's format."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException

from postern.chat_guard.completions import ChatCompletions
from postern.chat_guard.identifiers import is_model_path
from postern.contract import errors
from postern.dialects.openai_errors import OPENAI_SHAPE, openai_error_of
from postern.endpoints.access import authorize
from postern.endpoints.guarded import (
    GUARD_ERRORS,
    UPSTREAM_ERRORS,
    answered,
    call_of,
    guard_of,
    whole_response,
)
from postern.endpoints.services import Services, services_of
from postern.http.errors import openapi_responses
from postern.http.request import unless_client_leaves

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
        **openapi_responses(*GUARD_ERRORS, shape=OPENAI_SHAPE),
    },
)
async def chat_completions(request: Request) -> Response:
    """Judge the conversation, ask the upstream, judge its answer, and release it."""
    return await answered(request, shape_of(services_of(request)))


@router.get(
    "/v1/models",
    dependencies=[Depends(authorize)],
    summary="List the upstream's models",
    responses={
        200: {"description": "The models, as the upstream lists them."},
        **openapi_responses(errors.Unauthorized, *UPSTREAM_ERRORS, shape=OPENAI_SHAPE),
    },
)
async def models(request: Request) -> Response:
    """The upstream's list, passed through unchanged."""
    services = services_of(request)
    shape = shape_of(services)
    listing = guard_of(services).models(shape, call_of(request, services, shape.headers))
    return whole_response(await unless_client_leaves(request.receive, listing))


@router.get(
    "/v1/models/{model:path}",
    dependencies=[Depends(authorize)],
    summary="Describe one of the upstream's models",
    responses={
        200: {"description": "The model, as the upstream describes it."},
        **openapi_responses(errors.Unauthorized, *UPSTREAM_ERRORS, shape=OPENAI_SHAPE),
    },
)
async def model(request: Request, model: str) -> Response:
    """What the upstream says of the model, passed through unchanged."""
    if not is_model_path(model):
        raise HTTPException(404)
    services = services_of(request)
    shape = shape_of(services)
    call = call_of(request, services, shape.headers)
    asking = guard_of(services).models(shape, call, model=model)
    return whole_response(await unless_client_leaves(request.receive, asking))


def shape_of(services: Services) -> ChatCompletions:
    """Raises UpstreamMissing."""
    return ChatCompletions(guard_of(services).refusals, openai_error_of)
