"""The table of the endpoints that judge text: each path, its checks and its errors.

FastAPI gets a route for each, for the OpenAPI document and for other methods. Requests for a
verdict do not pass through it (`server/direct.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Depends, FastAPI
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from postern.contract import errors, policy_errors
from postern.contract.audit import AGENTGATEWAY, LITELLM
from postern.contract.errors import PosternError
from postern.dialects.agentgateway import GatewayActionOut, PromptHookIn, ResponseHookIn
from postern.dialects.anthropic_errors import AnthropicErrorOut
from postern.dialects.azure_content_safety import AnalyzeTextIn, AnalyzeTextOut, AzureErrorOut
from postern.dialects.detectors import (
    ContentsIn,
    ContentsOut,
    DetectionsOut,
    DetectorChatIn,
    DetectorErrorOut,
    GenerationIn,
)
from postern.dialects.litellm_guardrail import GuardrailIn, GuardrailOut
from postern.dialects.openai_errors import OpenAiErrorOut
from postern.dialects.openai_moderations import ModerationIn, ModerationOut
from postern.dialects.perspective import AnalyzeIn, AnalyzeOut, GoogleErrorOut
from postern.dialects.tei_predict import PredictIn, PredictOut, TeiErrorOut
from postern.endpoints.access import AZURE_KEYS, GOOGLE_KEYS, OWN_KEYS, KeyCheck
from postern.endpoints.classify import classify
from postern.endpoints.classify_body import ClassifyIn
from postern.endpoints.classify_reply import ClassifyOut
from postern.endpoints.detectors import chat, contents, generation
from postern.endpoints.dialects import analyze, analyze_text, moderations, predict
from postern.endpoints.error_shapes import error_shape_of
from postern.endpoints.examples import EXAMPLES
from postern.endpoints.gateways import (
    agentgateway_request,
    agentgateway_response,
    litellm_guardrail,
)
from postern.http.errors import openapi_responses
from postern.http.problem import ProblemOut

_SCHEMAS: Final = "#/components/schemas/"
_REFERENCE: Final = f"{_SCHEMAS}{{model}}"

READING_ERRORS: Final[tuple[type[PosternError], ...]] = (
    errors.MalformedBody,
    errors.InvalidHeader,
    errors.Unauthorized,
    errors.BodyTooSlow,
    errors.BodyTooLarge,
    errors.ExchangeTooLong,
    errors.UnsupportedMediaType,
    errors.BodyMismatch,
    errors.EmptyPrompt,
)
"""Possible errors of reading and checking a body of text."""
JUDGING_ERRORS: Final[tuple[type[PosternError], ...]] = (
    policy_errors.RateExceeded,
    errors.QueueFull,
    errors.DeadlineUnreachable,
    errors.InferenceFailed,
    errors.NotReady,
    errors.DeadlineExceeded,
)
"""Possible errors of judging it."""
_CHAT_ERRORS: Final = (errors.NothingToJudge, errors.UnreadableContent)


@dataclass(frozen=True)
class VerdictEndpoint:
    """A path whose whole work is a verdict within the request's own deadline.

    body, reply: the types from which pydantic makes the schemas. own_errors: in addition to those
    of reading and judging, which every such path has.
    """

    path: str
    answer: Callable[[Request], Awaitable[Response]]
    summary: str
    body: Any
    reply: Any
    about_reply: str
    own_errors: tuple[type[PosternError], ...] = ()
    keys: KeyCheck = OWN_KEYS

    @property
    def errors(self) -> tuple[type[PosternError], ...]:
        return (
            *READING_ERRORS,
            *self.own_errors,
            policy_errors.OptionFixed,
            errors.UnknownOperatingPoint,
            *JUDGING_ERRORS,
        )


VERDICTS: Final = (
    VerdictEndpoint(
        "/classify",
        classify,
        "Judge prompts, responses and conversations",
        ClassifyIn,
        ClassifyOut,
        "A verdict on every exchange.",
        (errors.NothingToJudge,),
    ),
    VerdictEndpoint(
        "/v1/moderations",
        moderations,
        "OpenAI's moderation: overall harm, and the categories that the artifact judges",
        ModerationIn,
        ModerationOut,
        "One result for each input.",
        (errors.UnsupportedContent,),
    ),
    VerdictEndpoint(
        LITELLM,
        litellm_guardrail,
        "LiteLLM's generic guardrail",
        GuardrailIn,
        GuardrailOut,
        "Whether LiteLLM lets it through.",
        (errors.NothingToJudge,),
    ),
    VerdictEndpoint(
        "/predict",
        predict,
        "text-embeddings-inference's sequence classification",
        PredictIn,
        PredictOut,
        "Both labels, the likelier first.",
        (errors.UnsupportedContent,),
    ),
    VerdictEndpoint(
        "/",
        predict,
        "text-embeddings-inference's route for its own model",
        PredictIn,
        PredictOut,
        "Both labels, the likelier first.",
        (errors.UnsupportedContent,),
    ),
    VerdictEndpoint(
        AGENTGATEWAY["prompt"],
        agentgateway_request,
        "agentgateway's guardrail webhook, for prompts",
        PromptHookIn,
        GatewayActionOut,
        "Whether agentgateway lets it through.",
        _CHAT_ERRORS,
    ),
    VerdictEndpoint(
        AGENTGATEWAY["response"],
        agentgateway_response,
        "agentgateway's guardrail webhook, for answers",
        ResponseHookIn,
        GatewayActionOut,
        "Whether agentgateway lets it through.",
        _CHAT_ERRORS,
    ),
    VerdictEndpoint(
        "/contentsafety/text:analyze",
        analyze_text,
        "Azure AI Content Safety's analysis of a text",
        AnalyzeTextIn,
        AnalyzeTextOut,
        "One severity for each category, and what matched in the named lists.",
        (errors.UnsupportedContent, policy_errors.UnknownBlocklist),
        AZURE_KEYS,
    ),
    VerdictEndpoint(
        "/api/v1/text/contents",
        contents,
        "A detector of TrustyAI and the FMS orchestrator, for single texts",
        ContentsIn,
        ContentsOut,
        "For each content, what was found in it.",
        (errors.NothingToJudge,),
    ),
    VerdictEndpoint(
        "/api/v1/text/generation",
        generation,
        "A detector of TrustyAI and the FMS orchestrator, for an answer and its prompt",
        GenerationIn,
        DetectionsOut,
        "What was found in the answer.",
    ),
    VerdictEndpoint(
        "/api/v1/text/chat",
        chat,
        "A detector of TrustyAI and the FMS orchestrator, for a chat",
        DetectorChatIn,
        DetectionsOut,
        "What was found in the chat.",
        _CHAT_ERRORS,
    ),
    VerdictEndpoint(
        "/v1alpha1/comments:analyze",
        analyze,
        "Perspective's comment analysis: TOXICITY and HARMFUL are the probability of harm",
        AnalyzeIn,
        AnalyzeOut,
        "One score for each attribute.",
        (errors.UnsupportedContent,),
        GOOGLE_KEYS,
    ),
)

PATHS: Final = frozenset(endpoint.path for endpoint in VERDICTS)


def add_to(app: FastAPI) -> None:
    """Add the documented routes."""
    for endpoint in VERDICTS:
        app.add_api_route(
            endpoint.path,
            endpoint.answer,
            methods=["POST"],
            dependencies=[Depends(endpoint.keys.dependency)],
            summary=endpoint.summary,
            responses={
                200: {"model": endpoint.reply, "description": endpoint.about_reply},
                **openapi_responses(*endpoint.errors, shape=error_shape_of(endpoint.path)),
            },
        )


_ERRORS: Final = (
    *(ProblemOut, OpenAiErrorOut, AnthropicErrorOut, TeiErrorOut, GoogleErrorOut),
    *(AzureErrorOut, DetectorErrorOut),
)


def complete(document: dict[str, Any]) -> None:
    """Add bodies with examples, and the models of errors, to an OpenAPI document."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in _ERRORS:
        schemas[model.__name__] = _schema(model, schemas)
    for endpoint in VERDICTS:
        schema = _schema(endpoint.body, schemas)
        if isinstance(endpoint.body, type):
            schemas[endpoint.body.__name__] = schema
            schema = {"$ref": f"{_SCHEMAS}{endpoint.body.__name__}"}
        document["paths"][endpoint.path]["post"]["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {"schema": schema, "examples": EXAMPLES[endpoint.path]}
            },
        }


def _schema(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a type. Types that it refers to are added to `schemas`."""
    schema = TypeAdapter(kind).json_schema(ref_template=_REFERENCE)
    schemas.update(schema.pop("$defs", {}))
    return schema
