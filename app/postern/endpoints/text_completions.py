"""The endpoint of the guarded proxy for OpenAI's older completions."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from postern.chat_guard.text_completions import TextCompletions
from postern.contract.proxy_errors import UnreadableTokens
from postern.dialects.openai_errors import openai_error_of
from postern.endpoints.access import authorize
from postern.endpoints.guarded import answered, described, guard_of
from postern.endpoints.services import Services, services_of

DESCRIBED = described(
    "Complete a text with the upstream, guarded",
    {"model": "any", "prompt": "The capital of France is"},
    "The upstream's completion, or a refusal in its place.",
    UnreadableTokens,
)

router = APIRouter()


@router.post("/v1/completions", dependencies=[Depends(authorize)], **DESCRIBED)
async def completions(request: Request) -> Response:
    """Judge the texts, ask the upstream, judge its completions, and release them."""
    return await answered(request, shape_of(services_of(request)))


def shape_of(services: Services) -> TextCompletions:
    """Raises UpstreamMissing."""
    return TextCompletions(guard_of(services).refusals, openai_error_of)
