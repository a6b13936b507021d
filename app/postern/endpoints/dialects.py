"""The dialects' endpoints: each reads its own shape, judges, and answers in it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBearer

from postern.contract import errors
from postern.contract.errors import PosternError
from postern.dialects.litellm_guardrail import (
    GuardrailOut,
    guardrail_reply,
    parse_guardrail,
)
from postern.dialects.openai_errors import OPENAI_SHAPE
from postern.dialects.openai_moderations import (
    ModerationOut,
    moderation_reply,
    parse_moderation,
)
from postern.dialects.perspective import (
    GOOGLE_SHAPE,
    AnalyzeOut,
    analyze_reply,
    parse_analyze,
)
from postern.dialects.tei_predict import (
    TEI_SHAPE,
    PredictOut,
    parse_predict,
    predict_reply,
)
from postern.endpoints import door
from postern.endpoints.classify import (
    authorize,
    services_of,
)
from postern.http.errors import openapi_responses
from postern.http.request import header

router = APIRouter()

# What every dialect can answer with, beside what only some can.
_ERRORS: Final[tuple[type[PosternError], ...]] = (
    errors.MalformedBody,
    errors.InvalidHeader,
    errors.Unauthorized,
    errors.BodyTooSlow,
    errors.BodyTooLarge,
    errors.ExchangeTooLong,
    errors.UnsupportedMediaType,
    errors.BodyMismatch,
    errors.EmptyPrompt,
    errors.UnknownOperatingPoint,
    errors.QueueFull,
    errors.DeadlineUnreachable,
    errors.InferenceFailed,
    errors.NotReady,
    errors.DeadlineExceeded,
)


@router.post(
    "/v1/moderations",
    dependencies=[Depends(authorize)],
    summary="OpenAI's moderation: overall harm; categories are reported as not judged",
    responses={
        200: {"model": ModerationOut, "description": "One result for each input."},
        **openapi_responses(*_ERRORS, errors.UnsupportedContent, shape=OPENAI_SHAPE),
    },
)
async def moderations(request: Request) -> Response:
    """For OpenAI's clients: change `base_url` and nothing else. Images are refused."""
    received = await door.receive(request)
    exchanges = door.parsed(request, received, parse_moderation)
    moderation = await door.judge(request, received, exchanges)
    identity = services_of(request).identity
    content = moderation_reply(moderation, request_id=request.state.request_id, identity=identity)
    return door.reply(content, moderation)


@router.post(
    "/beta/litellm_basic_guardrail_api",
    dependencies=[Depends(authorize)],
    summary="LiteLLM's generic guardrail",
    responses={
        200: {"model": GuardrailOut, "description": "Whether LiteLLM lets it through."},
        **openapi_responses(*_ERRORS, errors.NothingToJudge),
    },
)
async def litellm_guardrail(request: Request) -> Response:
    """Judges every text and the arguments of every tool call; an answer beside its prompt.

    Images cannot be judged: content with images is blocked, unless `X-Postern-Images: pass` says
    that images may go through unjudged.
    """
    received = await door.receive(request)
    may_pass = door.images_pass(request)
    asked = door.parsed(request, received, parse_guardrail)
    moderation = None
    if asked.exchanges:
        moderation = await door.judge(request, received, asked.exchanges, in_parts=True)
    return door.reply(guardrail_reply(moderation, asked, images_pass=may_pass), moderation)


@router.post(
    "/predict",
    dependencies=[Depends(authorize)],
    summary="text-embeddings-inference's sequence classification",
    responses={
        200: {"model": PredictOut, "description": "Both labels, the likelier first."},
        **openapi_responses(*_ERRORS, errors.UnsupportedContent, shape=TEI_SHAPE),
    },
)
async def predict(request: Request) -> Response:
    """A text is a prompt, a pair is a prompt and its response; the scores are calibrated."""
    received = await door.receive(request)
    asked = door.parsed(request, received, parse_predict)
    moderation = await door.judge(request, received, asked.exchanges)
    return door.reply(predict_reply(moderation, asked), moderation)


_GoogleQuery = Annotated[Any, Depends(APIKeyQuery(name="key", auto_error=False))]
_GoogleHeader = Annotated[Any, Depends(APIKeyHeader(name="X-Goog-Api-Key", auto_error=False))]
_Bearer = Annotated[Any, Depends(HTTPBearer(auto_error=False))]


async def authorize_google(
    request: Request, _query: _GoogleQuery, _header: _GoogleHeader, _bearer: _Bearer
) -> None:
    """`check_google_key` for FastAPI, with the schemes for the OpenAPI document."""
    check_google_key(request)


def check_google_key(request: Request) -> None:
    """As `check_key`, and also where Google's clients put a key. Raises Unauthorized."""
    keys = services_of(request).keys
    given = request.query_params.get("key") or header(request.scope, b"x-goog-api-key")
    if given is None:
        keys.check(request.scope)
    else:
        keys.check_key(given)


@router.post(
    "/v1alpha1/comments:analyze",
    dependencies=[Depends(authorize_google)],
    summary="Perspective's comment analysis: TOXICITY and HARMFUL are the probability of harm",
    responses={
        200: {"model": AnalyzeOut, "description": "One score for each attribute."},
        **openapi_responses(*_ERRORS, errors.UnsupportedContent, shape=GOOGLE_SHAPE),
    },
)
async def analyze(request: Request) -> Response:
    """For callers of Perspective, which ends on 31 December 2026. Other attributes are refused."""
    received = await door.receive(request)
    asked = door.parsed(request, received, parse_analyze)
    moderation = await door.judge(request, received, (asked.exchange,))
    return door.reply(analyze_reply(moderation, asked), moderation)
