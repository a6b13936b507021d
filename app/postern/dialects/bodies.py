"""Shared by all dialects: read a body into a model, and express a verdict as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from postern.contract.decision import DecidedBy, Probability
from postern.contract.errors import NothingToJudge
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged
from postern.contract.text import is_visible
from postern.http.bodies import refusal_of

Body = TypeVar("Body", bound=BaseModel)


class VerdictOut(BaseModel):
    """Postern's own verdict on one exchange, for what the dialect has no field for."""

    harmful: bool
    probability: Probability = Field(
        description="Calibrated probability that the exchange is harmful."
    )
    threshold: Probability
    deferral_band: tuple[Probability, Probability]
    decided_by: DecidedBy
    deferred: bool
    degraded: bool = Field(
        description="The teacher was wanted and gave nothing, so the artifact's policy decided."
    )
    tokens: int
    windows: int


def verdict_fields(judged: Judged) -> dict[str, Any]:
    """A verdict as plain data in the shape of VerdictOut."""
    verdict = judged.verdict
    low, high = verdict.deferral_band
    return {
        "harmful": verdict.harmful,
        "probability": round(verdict.probability, 6),
        "threshold": round(verdict.threshold, 6),
        "deferral_band": [round(low, 6), round(high, 6)],
        "decided_by": verdict.decided_by,
        "deferred": verdict.deferred,
        "degraded": verdict.degraded,
        "tokens": judged.tokens,
        "windows": judged.windows,
    }


def read_body(model: type[Body], body: bytes, *parts: type[BaseModel]) -> Body:
    """Parse the body as a model. parts: nested models whose field names an error may repeat.

    Raises MalformedBody, BodyMismatch.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        models: tuple[type[BaseModel], ...] = (model, *parts)
        names = frozenset(name for one in models for name in one.model_fields)
        raise refusal_of(exc, names=names) from None


def exchanges_of(texts: Iterable[str], *, prompt: str | None = None) -> tuple[Exchange, ...]:
    """One exchange per visible text: alone, or as a response to the prompt if there is one.

    For dialects that send all parts of a message, including blank ones. Raises NothingToJudge if
    all are blank: an empty list is an error, never a pass.
    """
    exchanges = tuple(
        Exchange(text) if prompt is None else Exchange(prompt, text)
        for text in texts
        if is_visible(text)
    )
    if not exchanges:
        raise NothingToJudge
    return exchanges
