"""Perspective's `POST /v1alpha1/comments:analyze` <-> contract.

`HARMFUL` is the probability of harm under its own name. `TOXICITY`, which nearly every caller asks
for, is the same number. A few other attributes are the probability of one kind of harm, if the
artifact tells it apart. All others are refused: a score for them would be invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from postern.contract.categories import CategoryHead
from postern.contract.errors import UnsupportedContent
from postern.contract.exchange import Exchange
from postern.contract.moderation import Moderation
from postern.dialects.bodies import best_of, judged_targets, read_body
from postern.http.bodies import Text
from postern.http.errors import ErrorShape, Failure

ATTRIBUTES: Final = ("TOXICITY", "HARMFUL")
"""Both are the probability of harm, whatever the artifact."""
OF_CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "INSULT": ("harassment",),
    "THREAT": ("threat",),
    "IDENTITY_ATTACK": ("hate",),
    "SEXUALLY_EXPLICIT": ("sexual",),
    "PROFANITY": ("profanity",),
}
"""Further attributes, and the label of our taxonomy that is the nearest to each."""


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
        Field(
            description="`TOXICITY` and `HARMFUL` are the probability of harm. "
            + ", ".join(f"`{name}`" for name in OF_CATEGORIES)
            + " can be asked for if the artifact tells these kinds of harm apart."
        )
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
    """The exchange to judge, and what the reply needs of the request.

    targets: places of the labels for each attribute that is a kind of harm.
    """

    exchange: Exchange
    given: AnalyzeIn
    targets: Mapping[str, Sequence[int]]


def parse_analyze(body: bytes, head: CategoryHead | None = None) -> Analyze:
    """Parse a request. head: of the artifact, if it tells categories apart.

    Raises MalformedBody, BodyMismatch, UnsupportedContent.
    """
    given = read_body(AnalyzeIn, body, CommentIn, AttributeIn)
    targets = judged_targets(head, OF_CATEGORIES)
    known = (*ATTRIBUTES, *targets)
    if not set(given.requestedAttributes) <= set(known):
        names = ", ".join(known)
        raise UnsupportedContent(f"an attribute cannot be judged here; only these can: {names}")
    return Analyze(Exchange(given.comment.text), given, targets)


class ScoreOut(BaseModel):
    value: float = Field(description="Calibrated probability of harm, or of harm of this kind.")
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
    given, judged = asked.given, moderation.judged[0]
    values = dict.fromkeys(ATTRIBUTES, round(judged.verdict.probability, 6)) | {
        name: best_of(judged.categories or (), places)[0] for name, places in asked.targets.items()
    }
    scores = {
        name: {"summaryScore": {"value": values[name], "type": "PROBABILITY"}}
        for name, wanted in given.requestedAttributes.items()
        if wanted.scoreThreshold is None or values[name] >= wanted.scoreThreshold
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
