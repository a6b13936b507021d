"""Verdicts -> the reply of `POST /classify`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from postern.contract.decision import DecidedBy, Probability
from postern.contract.moderation import (
    DeferralReason,
    Identity,
    Judged,
    Moderation,
    TeacherRead,
    TextSpan,
    WorstWindow,
)
from postern.endpoints.classify_body import Asked


class ModelOut(BaseModel):
    """Which artifact answered. sha256: of its manifest, which holds the hashes of all its files."""

    name: str
    version: str
    sha256: str


class SpanOut(BaseModel):
    """A part of a text, in the student's tokens: they follow the text as normalized, not its bytes.

    `start / tokens` and `end / tokens` are good estimates of where the part lies in the text.
    """

    start: int = Field(description="First token, counted from 0.")
    end: int = Field(description="The token after the last.")
    tokens: int = Field(description="Tokens of the whole text.")


class WorstWindowOut(BaseModel):
    """The most harmful window, the first of equals. Its probability is that of the exchange."""

    index: int = Field(description="Position among the windows, from 0.")
    prompt: SpanOut = Field(description="What the window held of the prompt.")
    response: SpanOut | None = Field(
        description="What it held of the response, where there is one."
    )


class ResultOut(BaseModel):
    """The verdict on one exchange."""

    index: int = Field(description="Position among the judged exchanges.")
    turn: int | None = Field(
        None, description="With `messages`: the judged message. Absent otherwise."
    )
    harmful: bool
    probability: Probability = Field(description="Calibrated probability that it is harmful.")
    threshold: Probability
    deferral_band: tuple[Probability, Probability]
    decided_by: DecidedBy
    deferred: bool = Field(description="A teacher was wanted for this exchange.")
    degraded: bool = Field(description="It was wanted and gave nothing; the policy decided.")
    student_probability: Probability
    teacher_probability: Probability | None
    tokens: int = Field(description="Tokens of text, all of them scored.")
    windows: int = Field(description="Windows that the text was scored in.")
    worst_window: WorstWindowOut | None = Field(
        None, description="Which window decided. Absent where there is only one."
    )
    triggers: list[str] = Field(
        [], description="How the text seemed disguised. Absent where it did not."
    )
    teacher_read: TeacherRead | None = Field(
        None, description="What the teacher was shown. Absent where none gave an opinion."
    )
    deferral_reason: DeferralReason | None = Field(
        None, description="Why a teacher was wanted. Absent where none was."
    )


class TimingsOut(BaseModel):
    """Milliseconds; the slowest exchange of the request counts."""

    queue: float
    inference: float
    teacher: float
    total: float


class ClassifyOut(BaseModel):
    """Verdicts in the order of the exchanges; `harmful` where any of them is."""

    id: str
    model: ModelOut
    operating_point: str
    harmful: bool
    results: list[ResultOut]
    timings_ms: TimingsOut


def classify_reply(
    moderation: Moderation, asked: Asked, *, request_id: str, identity: Identity
) -> dict[str, Any]:
    """The body of a reply, of the shape of ClassifyOut; plain data, as it is on the hot path."""
    timings = moderation.timings
    return {
        "id": request_id,
        "model": {
            "name": identity.name,
            "version": identity.version,
            "sha256": identity.sha256,
        },
        "operating_point": moderation.operating_point,
        "harmful": moderation.harmful,
        "results": [
            _result(index, turn, one)
            for index, (turn, one) in enumerate(zip(asked.turns, moderation.judged, strict=True))
        ],
        "timings_ms": {
            "queue": _ms(timings.queue_s),
            "inference": _ms(timings.inference_s),
            "teacher": _ms(timings.teacher_s),
            "total": _ms(timings.total_s),
        },
    }


def _result(index: int, turn: int | None, one: Judged) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "index": index,
        **({} if turn is None else {"turn": turn}),
        "harmful": verdict.harmful,
        "probability": _rounded(verdict.probability),
        "threshold": _rounded(verdict.threshold),
        "deferral_band": [_rounded(edge) for edge in verdict.deferral_band],
        "decided_by": verdict.decided_by,
        "deferred": verdict.deferred,
        "degraded": verdict.degraded,
        "student_probability": _rounded(verdict.student_probability),
        "teacher_probability": _rounded(verdict.teacher_probability),
        "tokens": one.tokens,
        "windows": one.windows,
        **({} if one.worst_window is None else {"worst_window": _worst(one.worst_window)}),
        **({"triggers": list(one.triggers)} if one.triggers else {}),
        **({} if one.teacher_read is None else {"teacher_read": one.teacher_read}),
        **({} if one.deferral_reason is None else {"deferral_reason": one.deferral_reason}),
    }


def _worst(window: WorstWindow) -> dict[str, Any]:
    return {
        "index": window.index,
        "prompt": _span(window.prompt),
        "response": None if window.response is None else _span(window.response),
    }


def _span(span: TextSpan) -> dict[str, int]:
    return {"start": span.start, "end": span.end, "tokens": span.tokens}


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 6)


def _ms(seconds: float) -> float:
    return round(seconds * 1000.0, 3)
