"""The endpoint of the guarded proxy for OpenAI's embeddings."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from postern.chat_guard.embeddings import Embeddings
from postern.contract.proxy_errors import UnreadableTokens
from postern.dialects.openai_errors import openai_error_of
from postern.endpoints.access import authorize
from postern.endpoints.guarded import answered, described, guard_of
from postern.endpoints.services import Services, services_of

DESCRIBED = described(
    "Embed texts with the upstream, guarded",
    {"model": "any", "input": ["What is the capital of France?"]},
    "The upstream's embeddings.",
    UnreadableTokens,
)

router = APIRouter()


@router.post("/v1/embeddings", dependencies=[Depends(authorize)], **DESCRIBED)
async def embeddings(request: Request) -> Response:
    """Judge the texts, or pass them, as the settings want it; and ask the upstream."""
    return await answered(request, shape_of(services_of(request)))


def shape_of(services: Services) -> Embeddings:
    """Raises UpstreamMissing."""
    guard = guard_of(services)
    return Embeddings(guard.refusals, openai_error_of, services.settings.guard.embeddings)
