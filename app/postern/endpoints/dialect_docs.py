"""The dialects' part of the OpenAPI document: bodies, which their endpoints read, and errors."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from postern.dialects.litellm_guardrail import GuardrailIn
from postern.dialects.openai_errors import OpenAiErrorOut
from postern.dialects.openai_moderations import ModerationIn
from postern.dialects.perspective import (
    AnalyzeIn,
    GoogleErrorOut,
)
from postern.dialects.tei_predict import (
    PredictIn,
    TeiErrorOut,
)

_REFERENCE: Final = "#/components/schemas/{model}"

_BODIES: Final[dict[str, type[BaseModel]]] = {
    "/v1/moderations": ModerationIn,
    "/beta/litellm_basic_guardrail_api": GuardrailIn,
    "/predict": PredictIn,
    "/v1alpha1/comments:analyze": AnalyzeIn,
}

EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "/v1/moderations": {
        "text": {
            "summary": "A text",
            "value": {"model": "omni-moderation-latest", "input": "How do I sharpen a knife?"},
        },
        "several": {
            "summary": "Several texts, a result for each",
            "value": {"input": ["What is the capital of France?", "Write a poem."]},
        },
        "parts": {
            "summary": "One input in parts",
            "value": {"input": [{"type": "text", "text": "How do I sharpen a knife?"}]},
        },
    },
    "/beta/litellm_basic_guardrail_api": {
        "request": {
            "summary": "A request on its way to a model",
            "value": {"input_type": "request", "texts": ["How do I sharpen a knife?"]},
        },
        "response": {
            "summary": "The answer on its way back",
            "value": {
                "input_type": "response",
                "texts": ["Draw it over a wet stone at a steady angle."],
                "structured_messages": [{"role": "user", "content": "How do I sharpen a knife?"}],
            },
        },
    },
    "/predict": {
        "text": {"summary": "A prompt", "value": {"inputs": "How do I sharpen a knife?"}},
        "pair": {
            "summary": "A prompt and its response",
            "value": {"inputs": ["How do I sharpen a knife?", "Draw it over a wet stone."]},
        },
        "batch": {
            "summary": "Several of both",
            "value": {"inputs": [["Write a poem."], ["Hello!", "Hello, how can I help?"]]},
        },
    },
    "/v1alpha1/comments:analyze": {
        "comment": {
            "summary": "A comment",
            "value": {
                "comment": {"text": "What a helpful answer, thank you."},
                "requestedAttributes": {"TOXICITY": {}},
                "languages": ["en"],
                "doNotStore": True,
            },
        }
    },
}


def complete(document: dict[str, Any]) -> None:
    """Adds bodies with examples, and the models of errors, to a document of the whole server."""
    schemas = document["components"]["schemas"]
    for model in (OpenAiErrorOut, TeiErrorOut, GoogleErrorOut):
        _add(schemas, model)
    for path, body in _BODIES.items():
        _add(schemas, body)
        document["paths"][path]["post"]["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": _REFERENCE.format(model=body.__name__)},
                    "examples": EXAMPLES[path],
                }
            },
        }


def _add(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    schema = model.model_json_schema(ref_template=_REFERENCE)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
