"""Error -> status, failure, OpenAPI entry. Nothing else gives an error its status code.

A failure has the format of its path, which `endpoints/error_shapes.py` chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Response

from postern.contract import errors, policy_errors, proxy_errors
from postern.contract.errors import Overloaded, PosternError

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
    errors.MalformedRequest: Problem(400, "malformed-request", "The request is not valid HTTP"),
    errors.UrlTooLong: Problem(414, "url-too-long", "The URL is too long"),
    errors.HeadersTooLarge: Problem(431, "headers-too-large", "The headers are too large"),
    errors.ForeignHost: Problem(421, "foreign-host", "The request is meant for another server"),
    errors.ForeignOrigin: Problem(403, "foreign-origin", "The calling web page is not allowed"),
    errors.MalformedBody: Problem(400, "malformed-body", "The body is not valid JSON"),
    errors.InvalidHeader: Problem(400, "invalid-header", "A request header is invalid"),
    proxy_errors.InvalidQuery: Problem(400, "invalid-query", "The query of the URL is invalid"),
    errors.Unauthorized: Problem(401, "unauthorized", "API key missing or wrong"),
    errors.BodyTooSlow: Problem(408, "body-too-slow", "The body did not arrive in time"),
    errors.BodyTooLarge: Problem(413, "body-too-large", "The body is too large"),
    errors.ExchangeTooLong: Problem(413, "exchange-too-long", "The input exceeds a hard limit"),
    errors.UnsupportedMediaType: Problem(415, "unsupported-media-type", "The body must be JSON"),
    errors.UnsupportedContent: Problem(
        400, "unsupported-content", "The request contains something that cannot be judged"
    ),
    errors.BodyMismatch: Problem(422, "body-mismatch", "The body has another shape"),
    policy_errors.OptionFixed: Problem(403, "option-fixed", "The policy fixes this option"),
    policy_errors.UnknownBlocklist: Problem(
        400, "unknown-blocklist", "The policy has no such blocklist"
    ),
    errors.RequestRefused: Problem(400, "bad-request", "The request cannot be read"),
    errors.EmptyPrompt: Problem(422, "empty-prompt", "The prompt is empty"),
    errors.NothingToJudge: Problem(
        422, "nothing-to-judge", "The conversation has no turn to judge"
    ),
    errors.UnreadableContent: Problem(
        422, "unreadable-content", "The conversation contains more than text"
    ),
    proxy_errors.UnreadableTokens: Problem(
        422, "unreadable-tokens", "The text is given as ids of tokens"
    ),
    errors.UnjudgedReference: Problem(
        422, "unjudged-reference", "The conversation goes on from something unjudged"
    ),
    errors.InvalidExchange: Problem(422, "invalid-exchange", "The input cannot be judged"),
    errors.UnknownOperatingPoint: Problem(
        422, "unknown-operating-point", "The artifact defines no such operating point"
    ),
    errors.TooManyConnections: Problem(
        503, "too-many-connections", "Too many connections are open"
    ),
    errors.TooManyWrongKeys: Problem(429, "too-many-wrong-keys", "Too many wrong API keys"),
    errors.TextWorkFull: Problem(429, "text-work-full", "Too much long text waits"),
    errors.QueueFull: Problem(429, "queue-full", "The queue is full"),
    errors.DeadlineUnreachable: Problem(
        429, "deadline-unreachable", "The answer would come after the deadline"
    ),
    policy_errors.RateExceeded: Problem(429, "rate-exceeded", "Too many requests in a minute"),
    errors.Overloaded: Problem(429, "overloaded", "The server is overloaded"),
    errors.InferenceFailed: Problem(500, "inference-failed", "The model failed for this input"),
    errors.NotReady: Problem(503, "not-ready", "The server is not ready"),
    errors.DeadlineExceeded: Problem(504, "deadline-exceeded", "The deadline passed"),
    errors.UpstreamMissing: Problem(501, "upstream-missing", "No upstream is configured"),
    errors.UpstreamUnreachable: Problem(502, "upstream-unreachable", "The upstream is unreachable"),
    errors.UpstreamInvalid: Problem(502, "upstream-invalid", "The upstream's answer is unusable"),
    errors.UpstreamTold: Problem(502, "upstream-told", "The upstream reported an error"),
    errors.UpstreamFailed: Problem(502, "upstream-failed", "The upstream failed"),
    errors.UpstreamTimeout: Problem(504, "upstream-timeout", "The upstream took too long"),
    errors.FeedbackOff: Problem(403, "feedback-off", "Feedback is switched off"),
    errors.VerdictUnknown: Problem(404, "verdict-unknown", "No such verdict is kept"),
    errors.VerdictAmbiguous: Problem(
        422, "verdict-ambiguous", "The feedback fits no result, or several"
    ),
    errors.FeedbackContradicts: Problem(
        409, "feedback-contradicts", "The other label was already recorded"
    ),
    errors.FeedbackUnwritable: Problem(
        507, "feedback-unwritable", "The feedback cannot be recorded"
    ),
    errors.FeedbackRefused: Problem(400, "feedback-refused", "The feedback cannot be taken"),
    # These stop the start or a command, so no client ever sees them. They are listed so that none
    # is forgotten.
    errors.ArtifactInvalid: Problem(500, "artifact-invalid", "The artifact is invalid"),
    errors.SettingsInvalid: Problem(500, "settings-invalid", "A setting is invalid"),
    policy_errors.PoliciesInvalid: Problem(
        500, "policies-invalid", "The file of policies is invalid"
    ),
    errors.LabelledDataInvalid: Problem(500, "data-invalid", "Labelled data are invalid"),
    errors.TooFewRows: Problem(500, "too-few-rows", "There are too few labelled rows"),
    errors.EmptyInput: Problem(500, "empty-input", "There are no rows to measure"),
    errors.CalibrationImpossible: Problem(
        500, "calibration-impossible", "The calibration is impossible"
    ),
    PosternError: Problem(500, INTERNAL_SLUG, "Internal error"),
}


def problem_of(error: PosternError) -> Problem:
    return next(PROBLEMS[cls] for cls in type(error).__mro__ if cls in PROBLEMS)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client is told instead of an answer, not yet in a dialect's format.

    detail: never user text. error: the error that was raised on purpose, if one was.
    """

    problem: Problem
    detail: str
    request_id: str
    headers: Mapping[str, str]
    error: PosternError | None = None

    @property
    def message(self) -> str:
        """The detail, with the index of the faulty input, for formats without a field for it."""
        index = None if self.error is None else self.error.index
        return self.detail if index is None else f"{self.detail} (input {index})"


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """How failures look in one dialect. schema: name of its model in the OpenAPI document."""

    media_type: str
    schema: str
    content: Callable[[Failure], dict[str, Any]]
    statuses: Mapping[int, int] = field(default_factory=dict)

    def status(self, problem: Problem) -> int:
        return self.statuses.get(problem.status, problem.status)

    def response(self, failure: Failure) -> Response:
        return Response(
            orjson.dumps(self.content(failure)),
            self.status(failure.problem),
            dict(failure.headers),
            media_type=self.media_type,
        )


def failure_of(error: PosternError, *, request_id: str) -> Failure:
    """The failure for an error.

    Its detail is the error's message, which never contains user text.
    """
    problem = problem_of(error)
    headers = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, errors.UnsupportedMediaType) and error.is_encoded:
        headers["Accept-Encoding"] = "identity"  # RFC 9110, section 15.5.16
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Failure(problem, str(error), request_id, headers, error)


def status_failure(
    status: int, *, request_id: str, headers: Mapping[str, str] | None = None, detail: str = ""
) -> Failure:
    """For refusals by the framework: no such path, another method."""
    phrase = HTTPStatus(status).phrase
    problem = Problem(status, phrase.lower().replace(" ", "-"), phrase)
    return Failure(problem, detail or phrase, request_id, headers or {})


def internal_failure(*, request_id: str) -> Failure:
    """For a bug of ours: the cause goes to the log, not to the client."""
    return Failure(PROBLEMS[PosternError], "the server failed; see its log", request_id, {})


def _problem_content(failure: Failure) -> dict[str, Any]:
    content: dict[str, Any] = {
        "type": f"urn:postern:problem:{failure.problem.slug}",
        "title": failure.problem.title,
        "status": failure.problem.status,
        "detail": failure.detail,
        "request_id": failure.request_id,
    }
    error = failure.error
    if error is not None and error.index is not None:
        content["index"] = error.index
    if isinstance(error, errors.BodyMismatch):
        content["errors"] = [{"field": field, "detail": text} for field, text in error.problems]
    return content


PROBLEM_SHAPE = ErrorShape(PROBLEM_TYPE, "ProblemOut", _problem_content)
"""RFC 9457: the format of every path that belongs to no dialect."""


def openapi_responses(
    *classes: type[PosternError], shape: ErrorShape = PROBLEM_SHAPE
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the errors that a route can answer with, each with an example."""
    entries: dict[int | str, dict[str, Any]] = {}
    for cls in classes:
        problem = PROBLEMS[cls]
        entry = entries.setdefault(
            shape.status(problem),
            {
                "description": problem.title,
                "content": {
                    shape.media_type: {
                        "schema": {"$ref": f"#/components/schemas/{shape.schema}"},
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
        detail = (cls.__doc__ or problem.title).strip().splitlines()[0]
        example = Failure(problem, detail, "5f2b8c0e9d7a4c51", {})
        entry["content"][shape.media_type]["examples"][problem.slug] = {
            "value": shape.content(example)
        }
    return entries
