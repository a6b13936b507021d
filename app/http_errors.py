"""Error -> status, problem document, OpenAPI entry. Nothing else knows status codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Response

from app.contract import errors
from app.contract.errors import Overloaded, PosternError

PROBLEM_TYPE = "application/problem+json"
INTERNAL_SLUG = "internal-error"


@dataclass(frozen=True, slots=True)
class Problem:
    """How one kind of error looks over HTTP. slug: stable, for programs."""

    status: int
    slug: str
    title: str


# The most specific class of an error decides.
PROBLEMS: dict[type[PosternError], Problem] = {
    errors.MalformedBody: Problem(400, "malformed-body", "The body is not valid JSON"),
    errors.InvalidHeader: Problem(400, "invalid-header", "A request header is invalid"),
    errors.Unauthorized: Problem(401, "unauthorized", "API key missing or wrong"),
    errors.BodyTooSlow: Problem(408, "body-too-slow", "The body did not arrive in time"),
    errors.BodyTooLarge: Problem(413, "body-too-large", "The body is too large"),
    errors.ExchangeTooLong: Problem(413, "exchange-too-long", "The input passes a hard limit"),
    errors.UnsupportedMediaType: Problem(415, "unsupported-media-type", "The body must be JSON"),
    errors.BodyMismatch: Problem(422, "body-mismatch", "The body has another shape"),
    errors.RequestRefused: Problem(400, "bad-request", "The request cannot be read"),
    errors.EmptyPrompt: Problem(422, "empty-prompt", "The prompt is empty"),
    errors.NothingToJudge: Problem(422, "nothing-to-judge", "The conversation holds no turn"),
    errors.InvalidExchange: Problem(422, "invalid-exchange", "The input cannot be judged"),
    errors.UnknownOperatingPoint: Problem(
        422, "unknown-operating-point", "The artifact defines no such operating point"
    ),
    errors.TooManyConnections: Problem(
        503, "too-many-connections", "Too many connections are open"
    ),
    errors.QueueFull: Problem(429, "queue-full", "The queue is full"),
    errors.DeadlineUnreachable: Problem(
        429, "deadline-unreachable", "The answer would come after the deadline"
    ),
    errors.Overloaded: Problem(429, "overloaded", "The server is overloaded"),
    errors.InferenceFailed: Problem(500, "inference-failed", "The model failed for this input"),
    errors.NotReady: Problem(503, "not-ready", "The server is not ready"),
    errors.DeadlineExceeded: Problem(504, "deadline-exceeded", "The deadline passed"),
    # These stop the start, so no client ever sees them; listed so that none is forgotten.
    errors.ArtifactInvalid: Problem(500, "artifact-invalid", "The artifact is invalid"),
    errors.SettingsInvalid: Problem(500, "settings-invalid", "A setting is invalid"),
    PosternError: Problem(500, INTERNAL_SLUG, "Internal error"),
}


def problem_of(error: PosternError) -> Problem:
    return next(PROBLEMS[cls] for cls in type(error).__mro__ if cls in PROBLEMS)


def problem_response(error: PosternError, *, request_id: str) -> Response:
    """RFC 9457. The detail is the error's message, which never holds text of users."""
    problem = problem_of(error)
    headers = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    extra: dict[str, Any] = {} if error.index is None else {"index": error.index}
    if isinstance(error, errors.BodyMismatch):
        extra["errors"] = [{"field": field, "detail": text} for field, text in error.problems]
    return _response(problem, str(error), request_id=request_id, headers=headers, **extra)


def status_response(
    status: int, *, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """For what the framework refuses itself: no such path, another method."""
    phrase = HTTPStatus(status).phrase
    problem = Problem(status, phrase.lower().replace(" ", "-"), phrase)
    return _response(problem, phrase, request_id=request_id, headers=dict(headers or {}))


def internal_response(*, request_id: str) -> Response:
    """A defect of ours: the cause goes to the log, not to the client."""
    problem = PROBLEMS[PosternError]
    return _response(problem, "the server failed; see its log", request_id=request_id, headers={})


def _response(
    problem: Problem, detail: str, *, request_id: str, headers: dict[str, str], **extra: Any
) -> Response:
    content = {
        "type": f"urn:postern:problem:{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "request_id": request_id,
        **extra,
    }
    return Response(orjson.dumps(content), problem.status, headers, media_type=PROBLEM_TYPE)


def openapi_responses(*classes: type[PosternError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the errors that a route can answer with, an example for each."""
    entries: dict[int | str, dict[str, Any]] = {}
    for cls in classes:
        problem = PROBLEMS[cls]
        entry = entries.setdefault(
            problem.status,
            {
                "description": problem.title,
                "content": {
                    PROBLEM_TYPE: {
                        "schema": {"$ref": "#/components/schemas/ProblemOut"},
                        "examples": {},
                    }
                },
            },
        )
        if problem.title not in entry["description"]:
            entry["description"] += f"; {problem.title[0].lower()}{problem.title[1:]}"
        if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
            entry["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
            }
        entry["content"][PROBLEM_TYPE]["examples"][problem.slug] = {
            "value": {
                "type": f"urn:postern:problem:{problem.slug}",
                "title": problem.title,
                "status": problem.status,
                "detail": (cls.__doc__ or problem.title).strip().splitlines()[0],
                "request_id": "5f2b8c0e9d7a4c51",
            }
        }
    return entries
