"""Perspective's `POST /v1alpha1/comments:analyze` <-> contract.

The student judges one thing: harm. `HARMFUL` reports it under its own name. `TOXICITY`, which
nearly every caller asks for, reports the same number. All other attributes are refused: a score for
insults or profanity would be invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from postern.contract.errors import UnsupportedContent
from postern.contract.exchange import Exchange
from postern.contract.moderation import Moderation
from postern.dialects.bodies import read_body
from postern.http.bodies import Text
from postern.http.errors import ErrorShape, Failure

ATTRIBUTES: Final = ("TOXICITY", "HARMFUL")


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CommentIn(_In):
    """The text to score."""

    text: Text
    type: Literal["PLAIN_TEXT", "TEXT_TYPE_UNSPECIFIED"] = "PLAIN_TEXT"


class AttributeIn(_In):
    """Options for one attribute."""

    scoreType: Literal["PROBABILITY", "SCORE_TYPE_UNSPECIFIED"] = "PROBABILITY"
    scoreThreshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = Field(
        None, description="Scores below it are left out of the reply."
    )


class AnalyzeIn(_In):
    """A comment and the attributes to score. All other fields have no effect here."""

    comment: CommentIn
    requestedAttributes: Annotated[dict[Text, AttributeIn], Field(min_length=1, max_length=100)] = (
        Field(description="`TOXICITY` or `HARMFUL`: both are the probability of harm.")
    )
    languages: tuple[Text, ...] = ()
    context: Any = Field(None, description="Ignored, as it was by the original.")
    doNotStore: bool = Field(False, description="Ignored: nothing is ever stored.")
    clientToken: Text | None = Field(None, description="Returned unchanged.")
    sessionId: Text | None = None
    communityId: Text | None = None
    spanAnnotations: bool = Field(
        False, description="Ignored: only the text as a whole has a score."
    )


class Analyze(NamedTuple):
    """The exchange to judge, and what the reply needs of the request."""

    exchange: Exchange
    given: AnalyzeIn


def parse_analyze(body: bytes) -> Analyze:
    """Parse a request. Raises MalformedBody, BodyMismatch, UnsupportedContent."""
    given = read_body(AnalyzeIn, body, CommentIn, AttributeIn)
    if not set(given.requestedAttributes) <= set(ATTRIBUTES):
        known = ", ".join(ATTRIBUTES)
        raise UnsupportedContent(f"an attribute cannot be judged here; only these can: {known}")
    return Analyze(Exchange(given.comment.text), given)


class ScoreOut(BaseModel):
    value: float = Field(description="Calibrated probability of harm.")
    type: Literal["PROBABILITY"]


class AttributeScoreOut(BaseModel):
    summaryScore: ScoreOut


class AnalyzeOut(BaseModel):
    """Perspective's reply."""

    attributeScores: dict[str, AttributeScoreOut]
    languages: list[str] | None = Field(None, description="As in the request, if it gave any.")
    clientToken: str | None = None


def analyze_reply(moderation: Moderation, asked: Analyze) -> dict[str, Any]:
    """The reply as plain data in the shape of AnalyzeOut."""
    value = round(moderation.judged[0].verdict.probability, 6)
    given = asked.given
    scores = {
        name: {"summaryScore": {"value": value, "type": "PROBABILITY"}}
        for name, wanted in given.requestedAttributes.items()
        if wanted.scoreThreshold is None or value >= wanted.scoreThreshold
    }
    return {
        "attributeScores": scores,
        **({"languages": list(given.languages)} if given.languages else {}),
        **({"clientToken": given.clientToken} if given.clientToken is not None else {}),
    }


# Google's canonical codes, by status. All other statuses are faults of the request.
_CODES: Final[Mapping[int, str]] = {
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GoogleErrorBody(BaseModel):
    """Description of the failure."""

    code: int
    message: str
    status: str = Field(description="Google's canonical code.")
    details: list[dict[str, Any]]


class GoogleErrorOut(BaseModel):
    """Google's error object."""

    error: GoogleErrorBody


def google_error(failure: Failure) -> dict[str, Any]:
    """The error as plain data in the shape of GoogleErrorOut; `reason` is our slug in Google's
    spelling."""
    slug = failure.problem.slug
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": slug.replace("-", "_").upper(),
            "domain": "postern",
        }
    ]
    if slug == "empty-prompt":  # the only kind that Perspective's clients look for by name
        kind = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
        details.insert(0, {"@type": kind, "errorType": "COMMENT_EMPTY"})
    status = failure.problem.status
    return {
        "error": {
            "code": status,
            "message": failure.message,
            "status": _CODES.get(status, "INVALID_ARGUMENT"),
            "details": details,
        }
    }


GOOGLE_SHAPE = ErrorShape("application/json", "GoogleErrorOut", google_error)
