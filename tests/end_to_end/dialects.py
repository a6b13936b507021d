"""The dialects as tests see them: where they are, what they are sent, how they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

OPENAI_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
TEI_TYPES = {429: "overloaded", 500: "backend", 503: "unhealthy", 504: "overloaded"}
GOOGLE_CODES = {
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


AZURE_CODES = {
    401: "401",
    404: "ResourceNotFound",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServerBusy",
    504: "ServerBusy",
}


def check_openai(reply: httpx.Response, status: int, slug: str) -> None:
    assert list(reply.json()) == ["error"]
    error = reply.json()["error"]
    assert list(error) == ["message", "type", "param", "code"]
    kind = "server_error" if status >= 500 else "invalid_request_error"
    assert error["type"] == OPENAI_TYPES.get(status, kind)
    own = {"unauthorized": "invalid_api_key", "not-found": "unknown_url"}
    assert error["code"] == own.get(slug, slug.replace("-", "_"))
    assert error["message"]


def check_tei(reply: httpx.Response, status: int, slug: str) -> None:
    assert list(reply.json()) == ["error", "error_type"]
    own = {"empty-prompt": "empty"}
    expected = own.get(slug, TEI_TYPES.get(status, "validation"))
    assert reply.json()["error_type"] == expected
    assert reply.json()["error"]


def check_google(reply: httpx.Response, status: int, slug: str) -> None:
    assert list(reply.json()) == ["error"]
    error = reply.json()["error"]
    assert list(error) == ["code", "message", "status", "details"]
    assert error["code"] == status
    assert error["status"] == GOOGLE_CODES.get(status, "INVALID_ARGUMENT")
    assert error["details"][-1]["reason"] == slug.replace("-", "_").upper()
    assert error["message"]


def check_detector(reply: httpx.Response, status: int, slug: str) -> None:
    assert list(reply.json()) == ["code", "message"]
    assert reply.json()["code"] == status
    assert reply.json()["message"]


def check_problem(reply: httpx.Response, status: int, slug: str) -> None:
    assert reply.json()["type"] == f"urn:postern:problem:{slug}"
    assert reply.json()["status"] == status


def check_webhook(reply: httpx.Response, status: int, slug: str) -> None:
    """agentgateway takes an action without a body for a pass, so an error holds none at all."""
    check_problem(reply, status, slug)
    assert "action" not in reply.json()


def check_azure(reply: httpx.Response, status: int, slug: str) -> None:
    assert list(reply.json()) == ["error"]
    error = reply.json()["error"]
    assert list(error) == ["code", "message", "details", "innererror"]
    assert error["code"] == AZURE_CODES.get(status, "InvalidRequestBody")
    assert error["innererror"] == {"code": slug.title().replace("-", "")}
    assert error["message"]


@dataclass(frozen=True)
class Dialect:
    """body: a good request for a text; wrong: bodies of another shape, as JSON."""

    path: str
    body: Callable[[str], Any]
    wrong: tuple[bytes, ...]
    check: Callable[[httpx.Response, int, str], None]
    media_type: str = "application/json"

    def __str__(self) -> str:
        return self.path


OPENAI = Dialect(
    "/v1/moderations",
    lambda text: {"model": "omni-moderation-latest", "input": text},
    (
        b"null",
        b"[]",
        b"{}",
        b'{"input": null}',
        b'{"input": 3}',
        b'{"input": true}',
        b'{"input": []}',
        b'{"input": {"text": "zzmarkerzz"}}',
        b'{"input": ["a", 3]}',
        b'{"input": ["zzmarkerzz", {"type": "text", "text": "a"}]}',
        b'{"input": [{"type": "text", "text": "a"}, "zzmarkerzz"]}',
        b'{"input": [{"type": "zzmarkerzz", "text": "a"}]}',
        b'{"input": [{"type": "text"}]}',
        b'{"input": [{"type": "text", "text": null}]}',
        b'{"input": [["zzmarkerzz"]]}',
        b'{"input": "a", "model": 4}',
        b'{"input": "a", "zzmarkerzz": 1}',
    ),
    check_openai,
)
LITELLM = Dialect(
    "/beta/litellm_basic_guardrail_api",
    lambda text: {"input_type": "request", "texts": [text], "request_data": {}},
    (
        b"null",
        b"[]",
        b"{}",
        b'{"texts": ["zzmarkerzz"]}',
        b'{"input_type": "zzmarkerzz", "texts": ["a"]}',
        b'{"input_type": "request", "texts": "zzmarkerzz"}',
        b'{"input_type": "request", "texts": [null]}',
        b'{"input_type": "request", "texts": ["a"], "images": "zzmarkerzz"}',
        b'{"input_type": "request", "texts": ["a"], "tool_calls": "zzmarkerzz"}',
        b'{"input_type": "response", "texts": ["a"], "structured_messages": ["zzmarkerzz"]}',
    ),
    check_problem,
    "application/problem+json",
)
TEI = Dialect(
    "/predict",
    lambda text: {"inputs": text},
    (
        b"null",
        b"[]",
        b"{}",
        b'{"inputs": null}',
        b'{"inputs": 3}',
        b'{"inputs": []}',
        b'{"inputs": ["a", "b", "zzmarkerzz"]}',
        b'{"inputs": [[]]}',
        b'{"inputs": [["a"], "zzmarkerzz"]}',
        b'{"inputs": ["a", ["zzmarkerzz"]]}',
        b'{"inputs": [["a", "b", "zzmarkerzz"]]}',
        b'{"inputs": {"zzmarkerzz": "a"}}',
        b'{"inputs": "a", "raw_scores": "zzmarkerzz"}',
    ),
    check_tei,
)
PERSPECTIVE = Dialect(
    "/v1alpha1/comments:analyze",
    lambda text: {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}},
    (
        b"null",
        b"[]",
        b"{}",
        b'{"comment": {"text": "zzmarkerzz"}}',
        b'{"comment": {"text": "zzmarkerzz"}, "requestedAttributes": {}}',
        b'{"comment": {"text": "a"}, "requestedAttributes": {"TOXICITY": 1}}',
        b'{"comment": {"text": "a"}, "requestedAttributes": {"TOXICITY": {"scoreType": "zz"}}}',
        b'{"comment": {"text": "a"}, "requestedAttributes": {"TOXICITY": {"scoreThreshold": 2}}}',
        b'{"comment": "zzmarkerzz", "requestedAttributes": {"TOXICITY": {}}}',
        b'{"comment": {}, "requestedAttributes": {"TOXICITY": {}}}',
        b'{"comment": {"text": 3}, "requestedAttributes": {"TOXICITY": {}}}',
        b'{"comment": {"text": "a", "type": "HTML"}, "requestedAttributes": {"TOXICITY": {}}}',
        b'{"comment": {"text": "a"}, "requestedAttributes": {"TOXICITY": {}}, "zzmarkerzz": 1}',
        b'{"comment": {"text": "a"}, "requestedAttributes": {"TOXICITY": {}}, "languages": "en"}',
    ),
    check_google,
)
AGENTGATEWAY = Dialect(
    "/request",
    lambda text: {"body": {"messages": [{"role": "user", "content": text}]}},
    (
        b"null",
        b"[]",
        b"{}",
        b'{"messages": [{"role": "user", "content": "zzmarkerzz"}]}',
        b'{"body": "zzmarkerzz"}',
        b'{"body": {}}',
        b'{"body": {"messages": []}}',
        b'{"body": {"messages": "zzmarkerzz"}}',
        b'{"body": {"messages": ["zzmarkerzz"]}}',
        b'{"body": {"messages": [{"content": "zzmarkerzz"}]}}',
        b'{"body": {"messages": [{"role": "zzmarkerzz", "content": "a"}]}}',
        b'{"body": {"choices": [{"message": {"role": "user", "content": "a"}}]}}',
    ),
    check_webhook,
    "application/problem+json",
)
DETECTOR = Dialect(
    "/api/v1/text/contents",
    lambda text: {"contents": [text], "detector_params": {}},
    (
        b"null",
        b"[]",
        b"{}",
        b'{"contents": []}',
        b'{"contents": "zzmarkerzz"}',
        b'{"contents": ["a", 3]}',
        b'{"contents": [["zzmarkerzz"]]}',
        b'{"contents": ["a"], "detector_params": "zzmarkerzz"}',
        b'{"contents": ["a"], "detector_params": {"threshold": "0.5"}}',
        b'{"contents": ["a"], "detector_params": {"threshold": 2}}',
    ),
    check_detector,
)
AGENTGATEWAY_ANSWERS = Dialect(
    "/response",
    lambda text: {"body": {"choices": [{"message": {"role": "assistant", "content": text}}]}},
    (),
    check_webhook,
    "application/problem+json",
)
EXT_AUTHZ = Dialect(
    "/ext_authz/v1/chat/completions",
    lambda text: {"model": "m", "messages": [{"role": "user", "content": text}]},
    (),
    check_openai,
)
AZURE = Dialect("/contentsafety/text:analyze", lambda text: {"text": text}, (), check_azure)
DETECTOR_ANSWERS = Dialect(
    "/api/v1/text/generation",
    lambda text: {"prompt": "read a book", "generated_text": text},
    (),
    check_detector,
)
DETECTOR_CHAT = Dialect(
    "/api/v1/text/chat",
    lambda text: {"messages": [{"role": "user", "content": text}]},
    (),
    check_detector,
)
TEI_ROOT = Dialect("/", lambda text: {"inputs": text}, (), check_tei)
ALL = (OPENAI, LITELLM, TEI, PERSPECTIVE)
# What is refused by its form is tested for these.
EVERY = (*ALL, AGENTGATEWAY, DETECTOR)
# What fails in the server is tested for all; AZURE needs an artifact with categories.
JUDGING = (
    *EVERY,
    *(AGENTGATEWAY_ANSWERS, EXT_AUTHZ, AZURE, DETECTOR_ANSWERS, DETECTOR_CHAT, TEI_ROOT),
)
PASSES_OVER_BLANKS = (LITELLM, DETECTOR)
_ALL_WRONG_IS_400 = (OPENAI, EXT_AUTHZ, AZURE)


def assert_fails(reply: httpx.Response, dialect: Dialect, status: int, slug: str) -> None:
    """The failure in the dialect's own shape, without a word of the caller's.

    status: ours; some clients know 400 for whatever is wrong with a body.
    """
    if dialect in _ALL_WRONG_IS_400 and status == 422:
        status = 400
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == dialect.media_type
    assert reply.headers["x-request-id"]
    assert "zzmarkerzz" not in reply.text
    dialect.check(reply, status, slug)
