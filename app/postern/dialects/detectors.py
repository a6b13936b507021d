"""The detector API of TrustyAI and the FMS guardrails orchestrator <-> contract.

A detector names what it found and how sure it is. We find something where the verdict is harmful;
the orchestrator then drops what scores below its own threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from postern.contract.errors import NothingToJudge
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged, Moderation
from postern.contract.text import is_visible
from postern.dialects.bodies import read_body
from postern.http.bodies import Text
from postern.http.errors import ErrorShape, Failure

HARM, CATEGORY = "harm", "harm_category"
"""Detection types: harm of any kind, and one kind of harm."""
HARMFUL: Final = "harmful"
Span = tuple[int, int]


class _In(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class DetectorParamsIn(_In):
    """Parameters of the detector. Unknown ones are ignored."""

    threshold: Annotated[float, Field(ge=0.0, le=1.0, strict=True)] | None = Field(
        None,
        description="Probability from which something is found, instead of the operating point's.",
    )


class _DetectIn(_In):
    detector_params: DetectorParamsIn | None = None


class ContentsIn(_DetectIn):
    """Texts, judged one by one as prompts."""

    contents: Annotated[tuple[Text, ...], Field(min_length=1)]


class GenerationIn(_DetectIn):
    """A prompt and the answer to it; the answer is judged."""

    prompt: Text
    generated_text: Text


class DetectorChatIn(_DetectIn):
    """A chat. All its fields are read as those of a chat for the guarded proxy."""

    messages: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]


class Contents(NamedTuple):
    """texts: as they came. exchanges: of those with something to read. threshold: the caller's."""

    texts: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    threshold: float | None


def parse_contents(body: bytes) -> Contents:
    """Parse a request. Raises MalformedBody, BodyMismatch, NothingToJudge if all are blank."""
    given = read_body(ContentsIn, body, DetectorParamsIn)
    exchanges = tuple(Exchange(text) for text in given.contents if is_visible(text))
    if not exchanges:
        raise NothingToJudge
    return Contents(given.contents, exchanges, threshold_of(given))


def parse_generation(body: bytes) -> tuple[Exchange, float | None]:
    """The exchange, and the caller's threshold. Raises MalformedBody, BodyMismatch."""
    given = read_body(GenerationIn, body, DetectorParamsIn)
    return Exchange(given.prompt, given.generated_text), threshold_of(given)


def parse_chat_params(body: bytes) -> float | None:
    """The caller's threshold, of a chat. Raises MalformedBody, BodyMismatch."""
    return threshold_of(read_body(DetectorChatIn, body, DetectorParamsIn))


def threshold_of(given: _DetectIn) -> float | None:
    return None if given.detector_params is None else given.detector_params.threshold


class DetectionOut(BaseModel):
    """Something that was found."""

    detection: str = Field(description="`harmful`, or the name of a category that applies.")
    detection_type: str = Field(description=f"`{HARM}` or `{CATEGORY}`.")
    score: float = Field(description="Its calibrated probability.")


class SpanDetectionOut(DetectionOut):
    """Something that was found, and where."""

    start: int = Field(description="First character, in Unicode code points of the content.")
    end: int = Field(description="The character after the last.")
    text: str = Field(description="The characters between them.")


ContentsOut = list[list[SpanDetectionOut]]
DetectionsOut = list[DetectionOut]


def contents_reply(
    moderation: Moderation, asked: Contents, spans: Sequence[Span]
) -> list[list[dict[str, Any]]]:
    """The reply as plain data in the shape of ContentsOut: a list for each content, in order.

    spans: for each exchange, the characters of its most harmful part.
    """
    found = iter(zip(moderation.judged, spans, strict=True))
    lists = []
    for text in asked.texts:
        lists.append(_spanned(text, *next(found)) if is_visible(text) else [])
    return lists


def _spanned(text: str, judged: Judged, span: Span) -> list[dict[str, Any]]:
    start, end = span
    place = {"start": start, "end": end, "text": text[start:end]}
    return [place | one for one in _detections(judged)]


def detections_reply(moderation: Moderation) -> list[dict[str, Any]]:
    """The reply as plain data in the shape of DetectionsOut: what was found in the worst part."""
    worst = max(moderation.judged, key=lambda one: (one.verdict.harmful, one.verdict.probability))
    return _detections(worst)


def _detections(judged: Judged) -> list[dict[str, Any]]:
    if not judged.verdict.harmful:
        return []
    applying = [one for one in judged.categories or () if one.applies]
    return [
        _detection(HARMFUL, HARM, judged.verdict.probability),
        *(_detection(one.name, CATEGORY, one.probability) for one in applying),
    ]


def _detection(name: str, kind: str, score: float) -> dict[str, Any]:
    return {"detection": name, "detection_type": kind, "score": round(score, 6)}


class DetectorErrorOut(BaseModel):
    """The error object of detectors."""

    code: int = Field(description="The status.")
    message: str


def detector_error(failure: Failure) -> dict[str, Any]:
    """The error as plain data in the shape of DetectorErrorOut."""
    return {"code": failure.problem.status, "message": failure.message}


DETECTOR_SHAPE = ErrorShape("application/json", "DetectorErrorOut", detector_error)
