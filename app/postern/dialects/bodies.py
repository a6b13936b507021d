"""Shared by all dialects: read a body into a model, and express a verdict as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, Field, ValidationError

from postern.contract.categories import Category, CategoryHead
from postern.contract.decision import DecidedBy, Probability
from postern.contract.errors import NothingToJudge
from postern.contract.exchange import Exchange
from postern.contract.moderation import BlockReason, Judged, list_fields
from postern.contract.text import is_visible
from postern.http.bodies import refusal_of

Body = TypeVar("Body", bound=BaseModel)

# End users read this text. It contains no score, which would tell an attacker how close the next
# attempt is.
HARMFUL_REASON: Final = "Postern judged this content harmful."


class CategoryOut(BaseModel):
    """A kind of harm."""

    name: str = Field(description="Name of the category; `/info` says what it covers.")
    probability: Probability = Field(
        description="Probability that the exchange is harmful in this way. It is never above that "
        "of harm."
    )
    applies: bool = Field(
        description="The verdict is harmful, and this kind of harm is likely enough, given harm."
    )


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
        description="The teacher was wanted and gave nothing, so the artifact's policy decided; "
        "or nobody who decided was measured for the language."
    )
    tokens: int
    windows: int
    language: str = Field(description="Language that was read, as a BCP 47 tag.")
    language_supported: bool = Field(
        description="A student that serves was measured for the language."
    )
    read_by: str | None = Field(
        None, description="The student for other languages that read it. Absent for the first one."
    )
    block_reason: BlockReason | None = Field(
        None, description="Why it counts as harmful whatever its probability."
    )
    list_name: str | None = Field(
        None, description="Name of the list that decided. Absent if none did."
    )
    list_reason: str | None = Field(None, description="The reason that the list gives, if any.")
    categories: list[CategoryOut] | None = Field(
        None,
        description="Categories that apply. Absent if the artifact does not tell categories apart.",
    )


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
        "language": judged.reading.language,
        "language_supported": judged.reading.supported,
        **({} if judged.read_by is None else {"read_by": judged.read_by}),
        **({} if judged.block_reason is None else {"block_reason": judged.block_reason}),
        **list_fields(judged),
        **category_fields(judged),
    }


def category_fields(judged: Judged, *, all_of_them: bool = False) -> dict[str, Any]:
    """The field `categories`: those that apply, or all; nothing if they were not judged."""
    if judged.categories is None:
        return {}
    shown = [one for one in judged.categories if all_of_them or one.applies]
    return {
        "categories": [
            {
                "name": one.name,
                "probability": round(one.probability, 6),
                "applies": one.applies,
            }
            for one in shown
        ]
    }


def judged_targets(
    head: CategoryHead | None, table: Mapping[str, Sequence[str]]
) -> dict[str, tuple[int, ...]]:
    """Places of the labels that count for each category of another system.

    table: labels of our taxonomy by the other system's category. A label counts if all that it
    covers is in its row. Categories for which none counts are left out: they are not judged.
    """
    labels = () if head is None else head.labels
    found = {
        target: tuple(n for n, label in enumerate(labels) if set(label.covers) <= set(row))
        for target, row in table.items()
    }
    return {target: places for target, places in found.items() if places}


def best_of(categories: Sequence[Category], places: Sequence[int]) -> tuple[float, bool]:
    """The largest probability of the labels at these places, and whether any applies."""
    some = [categories[place] for place in places]
    return round(max(one.probability for one in some), 6), any(one.applies for one in some)


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
