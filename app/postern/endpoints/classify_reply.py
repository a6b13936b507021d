"""Verdicts -> the reply of `POST /classify`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from postern.contract.decision import DecidedBy, Probability
from postern.contract.moderation import (
    BlockReason,
    DeferralReason,
    Identity,
    Judged,
    Moderation,
    TeacherRead,
    TextSpan,
    WorstWindow,
    list_fields,
)
from postern.dialects.bodies import CategoryOut, category_fields
from postern.endpoints.classify_body import Asked


class ModelOut(BaseModel):
    """The artifact that answered. sha256: hash of its manifest, which has the hashes of all its
    files."""

    name: str
    version: str
    sha256: str


class SpanOut(BaseModel):
    """A part of a text, counted in the student's tokens. These follow the normalized text, not its
    bytes.

    `start / tokens` and `end / tokens` are good estimates of the part's place in the text.
    """

    start: int = Field(description="First token, counted from 0.")
    end: int = Field(description="The token after the last.")
    tokens: int = Field(description="Tokens of the whole text.")


class WorstWindowOut(BaseModel):
    """The most harmful window, the first of equals. Its probability is that of the exchange."""

    index: int = Field(description="Position among the windows, from 0.")
    prompt: SpanOut = Field(description="Part of the prompt that the window covers.")
    response: SpanOut | None = Field(
        description="Part of the response that the window covers, if there is a response."
    )


class ResultOut(BaseModel):
    """The verdict on one exchange."""

    index: int = Field(description="Position among the judged exchanges.")
    turn: int | None = Field(
        None, description="With `messages`: the judged message. Absent otherwise."
    )
    harmful: bool = Field(description="The verdict.")
    probability: Probability = Field(
        description="Calibrated probability that the exchange is harmful."
    )
    threshold: Probability = Field(description="Probability from which the verdict is harmful.")
    deferral_band: tuple[Probability, Probability] = Field(
        description="Probabilities that go to the teacher."
    )
    decided_by: DecidedBy = Field(
        description="Who decided. `fallback`: the artifact's policy for a missing teacher. "
        "`policy`: the operator's, for an unsupported language or a category of harm. `list`: a "
        "list of the operator's."
    )
    deferred: bool = Field(description="A teacher was wanted for this exchange.")
    degraded: bool = Field(
        description="The teacher was wanted and gave nothing, so the artifact's policy decided; "
        "or nobody who decided was measured for the language."
    )
    student_probability: Probability = Field(description="What the student said.")
    teacher_probability: Probability | None = Field(
        description="What the teacher said, if it was asked."
    )
    tokens: int = Field(description="Tokens of the text, all of which were scored.")
    windows: int = Field(description="Windows in which the text was scored.")
    worst_window: WorstWindowOut | None = Field(
        None,
        description="The window that decided. Absent if there is only one, or if the text without"
        " its disguise decided.",
    )
    triggers: list[str] = Field(
        [], description="How the text seemed disguised. Absent if it did not."
    )
    teacher_read: TeacherRead | None = Field(
        None, description="What the teacher was shown. Absent if it gave no opinion."
    )
    deferral_reason: DeferralReason | None = Field(
        None, description="Why a teacher was wanted. Absent if none was."
    )
    language: str = Field(
        description="Language that was read, as a BCP 47 tag; `und` if the text is too short or "
        "too mixed to tell. A foreign part of the text counts before the rest.",
        examples=["en"],
    )
    language_supported: bool = Field(
        description="A student that serves was measured for the language. `und` is supported, "
        "unless the text surely is in none of the first student's languages."
    )
    read_by: str | None = Field(
        None,
        description="Name and version of the student for other languages that read the exchange. "
        "Absent if the artifact of `model` did.",
    )
    block_reason: BlockReason | None = Field(
        None,
        description="Why the exchange counts as harmful whatever its probability. Absent if the "
        "probability decided.",
    )
    list_name: str | None = Field(
        None, description="Name of the list that decided. Absent if none did."
    )
    list_reason: str | None = Field(None, description="The reason that the list gives, if any.")
    categories: list[CategoryOut] | None = Field(
        None,
        description="Kinds of harm: those that apply or, if the request asks for `all`, every "
        "one. Absent if the artifact does not tell them apart.",
    )


class TimingsOut(BaseModel):
    """Milliseconds; the slowest exchange of the request counts."""

    queue: float = Field(description="Waiting for the model.")
    inference: float = Field(description="In the model.")
    teacher: float = Field(description="Waiting for the teacher.")
    total: float = Field(description="From parsing to the verdicts.")


class ClassifyOut(BaseModel):
    """Verdicts in the order of the exchanges."""

    id: str = Field(description="Name of the request, as in X-Request-Id.")
    model: ModelOut = Field(description="The artifact that answered.")
    operating_point: str = Field(description="The named point that was used.")
    harmful: bool = Field(description="True if any result is harmful.")
    results: list[ResultOut] = Field(description="One verdict per exchange.")
    timings_ms: TimingsOut = Field(description="Time in each stage.")


def classify_reply(
    moderation: Moderation, asked: Asked, *, request_id: str, identity: Identity
) -> dict[str, Any]:
    """The body of a reply in the shape of ClassifyOut; plain data, because this is the hot path."""
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
            _result(index, turn, one, all_categories=asked.all_categories)
            for index, (turn, one) in enumerate(zip(asked.turns, moderation.judged, strict=True))
        ],
        "timings_ms": {
            "queue": _ms(timings.queue_s),
            "inference": _ms(timings.inference_s),
            "teacher": _ms(timings.teacher_s),
            "total": _ms(timings.total_s),
        },
    }


def _result(index: int, turn: int | None, one: Judged, *, all_categories: bool) -> dict[str, Any]:
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
        "language": one.reading.language,
        "language_supported": one.reading.supported,
        **({} if one.read_by is None else {"read_by": one.read_by}),
        **({} if one.block_reason is None else {"block_reason": one.block_reason}),
        **list_fields(one),
        **category_fields(one, all_of_them=all_categories),
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
