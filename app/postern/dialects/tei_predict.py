"""text-embeddings-inference's `POST /predict` <-> contract. A pair is a prompt and its response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, Tag

from postern.contract.errors import UnsupportedContent
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged, Moderation
from postern.dialects.bodies import read_body
from postern.http.bodies import Text
from postern.http.errors import ErrorShape, Failure

_Sequence = Annotated[tuple[Text, ...], Field(min_length=1, max_length=2)]


def _form_of(value: Any) -> str:
    if isinstance(value, list):
        return "batch" if value and isinstance(value[0], list) else "sequence"
    return "text"


class PredictIn(BaseModel):
    """A text, a pair, or a batch of lists that each hold a text or a pair.

    Other fields are ignored, as in the original.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    inputs: Annotated[
        Annotated[Text, Tag("text")]
        | Annotated[_Sequence, Tag("sequence")]
        | Annotated[tuple[_Sequence, ...], Field(min_length=1), Tag("batch")],
        Discriminator(_form_of),
    ]
    truncate: StrictBool = Field(
        False, description="Has no effect: all of a long text is scored, in windows."
    )
    raw_scores: StrictBool = Field(False, description="Refused if true: scores are calibrated.")


class Predict(NamedTuple):
    """Exchanges to judge, and whether they came as a batch."""

    exchanges: tuple[Exchange, ...]
    is_batch: bool


def parse_predict(body: bytes) -> Predict:
    """Parse a request. Raises MalformedBody, BodyMismatch, UnsupportedContent."""
    given = read_body(PredictIn, body)
    if given.raw_scores:
        raise UnsupportedContent("raw_scores is not supported: scores are calibrated probabilities")
    match given.inputs:
        case str(text):
            return Predict((Exchange(text),), False)
        case (str(), *_) as sequence:
            return Predict((Exchange(*sequence),), False)
        case batch:
            return Predict(tuple(Exchange(*sequence) for sequence in batch), True)


class PredictionOut(BaseModel):
    """One label and its calibrated probability."""

    score: float
    label: Literal["harmful", "unharmful"]


PredictOut = list[PredictionOut] | list[list[PredictionOut]]


def predict_reply(moderation: Moderation, asked: Predict) -> list[Any]:
    """The reply as plain data in the shape of PredictOut: the likelier label first, as in the
    original."""
    predictions = [_predictions(one) for one in moderation.judged]
    return predictions if asked.is_batch else predictions[0]


def _predictions(judged: Judged) -> list[dict[str, Any]]:
    harmful = round(judged.verdict.probability, 6)
    both = [
        {"score": harmful, "label": "harmful"},
        {"score": round(1.0 - harmful, 6), "label": "unharmful"},
    ]
    return both if harmful >= 0.5 else both[::-1]


TeiErrorType = Literal["unhealthy", "backend", "overloaded", "validation", "tokenizer", "empty"]

# By slug, then by status. All others are faults of the request.
_BY_SLUG: Final[Mapping[str, TeiErrorType]] = {"empty-prompt": "empty", "not-ready": "unhealthy"}
_BY_STATUS: Final[Mapping[int, TeiErrorType]] = {
    429: "overloaded",
    500: "backend",
    503: "unhealthy",
    504: "overloaded",
}


class TeiErrorOut(BaseModel):
    """text-embeddings-inference's error."""

    error: str
    error_type: TeiErrorType


def tei_error(failure: Failure) -> dict[str, Any]:
    """The error as plain data in the shape of TeiErrorOut."""
    problem = failure.problem
    kind = _BY_SLUG.get(problem.slug) or _BY_STATUS.get(problem.status, "validation")
    return {"error": failure.message, "error_type": kind}


TEI_SHAPE = ErrorShape("application/json", "TeiErrorOut", tei_error)
