"""Every error can be told in every shape, and a path alone says in which."""

from __future__ import annotations

import json

import pytest
from postern.contract import errors
from postern.contract.errors import PosternError
from postern.dialects.anthropic_errors import (
    ANTHROPIC_SHAPE,
    AnthropicErrorOut,
    anthropic_error_of,
)
from postern.dialects.azure_content_safety import AZURE_SHAPE, AzureErrorOut
from postern.dialects.detectors import DETECTOR_SHAPE, DetectorErrorOut
from postern.dialects.openai_errors import OPENAI_SHAPE, OpenAiErrorOut, openai_error_of
from postern.dialects.perspective import GOOGLE_SHAPE, GoogleErrorOut
from postern.dialects.tei_predict import TEI_SHAPE, TeiErrorOut
from postern.endpoints.error_shapes import error_shape_of, why_not_there
from postern.http import errors as http_errors
from postern.http.errors import PROBLEM_SHAPE, ErrorShape, Failure
from postern.http.problem import ProblemOut
from pydantic import BaseModel

SHAPES = (
    *(PROBLEM_SHAPE, OPENAI_SHAPE, ANTHROPIC_SHAPE, TEI_SHAPE, GOOGLE_SHAPE),
    *(AZURE_SHAPE, DETECTOR_SHAPE),
)
MODELS: dict[str, type[BaseModel]] = {
    "ProblemOut": ProblemOut,
    "OpenAiErrorOut": OpenAiErrorOut,
    "AnthropicErrorOut": AnthropicErrorOut,
    "TeiErrorOut": TeiErrorOut,
    "GoogleErrorOut": GoogleErrorOut,
    "AzureErrorOut": AzureErrorOut,
    "DetectorErrorOut": DetectorErrorOut,
}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.schema)
@pytest.mark.parametrize("cls", http_errors.PROBLEMS, ids=lambda cls: cls.__name__)
def test_every_error_has_the_shape_that_the_document_promises(
    shape: ErrorShape, cls: type[PosternError]
) -> None:
    problem = http_errors.PROBLEMS[cls]
    content = shape.content(Failure(problem, "a detail", "r1", {}))
    MODELS[shape.schema].model_validate(content, strict=True)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.schema)
def test_headers_and_blame_travel_with_every_shape(shape: ErrorShape) -> None:
    full = errors.QueueFull(waiting_tokens=5, retry_after_s=1.5)
    response = shape.response(http_errors.failure_of(full, request_id="r1"))
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert response.headers["content-type"] == shape.media_type
    empty = errors.EmptyPrompt()
    empty.index = 3
    assert "3" in json.dumps(shape.content(http_errors.failure_of(empty, request_id="r")))


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/classify", PROBLEM_SHAPE),
        ("/", TEI_SHAPE),
        ("/v1", OPENAI_SHAPE),
        ("/v1/", OPENAI_SHAPE),
        ("/v1/moderations", OPENAI_SHAPE),
        ("/v1/chat/completions", OPENAI_SHAPE),
        ("/openai/deployments/d/embeddings", OPENAI_SHAPE),
        ("/v1/messages", ANTHROPIC_SHAPE),
        ("/v1/messages/count_tokens", ANTHROPIC_SHAPE),
        ("/v1/messagesX", OPENAI_SHAPE),
        ("/v10/moderations", PROBLEM_SHAPE),
        ("/v1alpha1/comments:analyze", GOOGLE_SHAPE),
        ("/predict", TEI_SHAPE),
        ("/predictions", PROBLEM_SHAPE),
        ("/health", TEI_SHAPE),
        ("/healthz", PROBLEM_SHAPE),
        ("/request", PROBLEM_SHAPE),
        ("/response", PROBLEM_SHAPE),
        ("/ext_authz/v1/chat/completions", OPENAI_SHAPE),
        ("/contentsafety/text:analyze", AZURE_SHAPE),
        ("/contentsafety/text:shieldPrompt", AZURE_SHAPE),
        ("/api/v1/text/contents", DETECTOR_SHAPE),
        ("/api/v1/other", PROBLEM_SHAPE),
        ("/beta/litellm_basic_guardrail_api", PROBLEM_SHAPE),
    ],
)
def test_a_path_has_one_shape(path: str, shape: ErrorShape) -> None:
    assert error_shape_of(path) is shape


def test_an_error_inside_a_stream() -> None:
    assert openai_error_of(errors.DeadlineExceeded())["error"]["type"] == "server_error"
    mismatch = errors.BodyMismatch((("messages.0.role", "is missing"),))
    assert openai_error_of(mismatch)["error"]["param"] == "messages.0.role"
    assert openai_error_of(errors.BodyMismatch((("", "no object"),)))["error"]["param"] is None


def test_an_error_has_a_type_that_anthropic_s_clients_know() -> None:
    kinds = {
        errors.BodyMismatch((("", "no object"),)): "invalid_request_error",
        errors.Unauthorized(): "authentication_error",
        errors.BodyTooLarge(5): "request_too_large",
        errors.QueueFull(waiting_tokens=5, retry_after_s=1.5): "rate_limit_error",
        errors.UpstreamUnreachable(): "api_error",
        errors.DeadlineExceeded(): "timeout_error",
    }
    for error, kind in kinds.items():
        told = anthropic_error_of(error)
        assert (told["type"], told["error"]["type"]) == ("error", kind)
    assert ANTHROPIC_SHAPE.status(http_errors.PROBLEMS[errors.BodyMismatch]) == 400


def test_what_is_not_answered_is_said() -> None:
    assert "shieldPrompt" in why_not_there("/contentsafety/text:shieldPrompt")
    assert why_not_there("/contentsafe") == why_not_there("/classify") == ""
