"""OpenAI's `POST /v1/moderations` <-> contract.

`flagged` and the `postern` object carry the verdict. A category is judged if the artifact tells it
apart. A category that is not judged is false and 0, and applied to no input at all
(`category_applied_input_types` is empty). A score for a category is never invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from postern.contract.categories import CategoryHead
from postern.contract.errors import UnsupportedContent
from postern.contract.exchange import Exchange
from postern.contract.moderation import Identity, Judged, Moderation
from postern.dialects.bodies import (
    VerdictOut,
    best_of,
    judged_targets,
    read_body,
    verdict_fields,
)
from postern.http.bodies import Text

CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "harassment": ("harassment",),
    "harassment/threatening": ("threat",),
    "hate": ("hate",),
    "hate/threatening": (),
    "illicit": ("crime", "fraud", "cyber", "illegal_drugs", "weapons"),
    "illicit/violent": ("weapons",),
    "self-harm": ("self_harm",),
    "self-harm/instructions": (),
    "self-harm/intent": (),
    "sexual": ("sexual", "sexual_minors"),
    "sexual/minors": ("sexual_minors",),
    "violence": ("violence", "threat"),
    "violence/graphic": (),
}
"""OpenAI's categories, and the labels of our taxonomy that lie within each. None lies within one of
the empty ones, so nothing judges it."""


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_In):
    """A text in a multi-modal input."""

    type: Literal["text"]
    text: Text


class ImagePart(_In):
    """An image in a multi-modal input: recognized, and refused."""

    type: Literal["image_url"]
    image_url: Any


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


def _form_of(value: Any) -> str:
    """The form in which an input is parsed. Its errors then refer to this form alone."""
    if isinstance(value, list):
        return "parts" if value and isinstance(value[0], Mapping) else "many"
    return "one"


Input = Annotated[
    Annotated[Text, Tag("one")]
    | Annotated[tuple[Text, ...], Field(min_length=1), Tag("many")]
    | Annotated[tuple[Part, ...], Field(min_length=1), Tag("parts")],
    Discriminator(_form_of),
]


class ModerationIn(_In):
    """A text, several texts, or one multi-modal input whose parts are all text."""

    input: Input
    model: Text | None = Field(
        None, description="Any name is accepted; the reply names the model that answered."
    )


def parse_moderation(body: bytes) -> tuple[Exchange, ...]:
    """One exchange per result: a string, each of several strings, or all text parts together.

    Raises MalformedBody, BodyMismatch, UnsupportedContent.
    """
    given = read_body(ModerationIn, body, TextPart, ImagePart).input
    if isinstance(given, str):
        return (Exchange(given),)
    texts: list[str] = []
    parts: list[str] = []
    for one in given:
        if isinstance(one, ImagePart):
            raise UnsupportedContent("images cannot be judged here; send text alone")
        (parts if isinstance(one, TextPart) else texts).append(
            one.text if isinstance(one, TextPart) else one
        )
    if parts:  # one input, as with OpenAI: parts may be harmful only in combination
        texts = ["\n".join(parts)]
    return tuple(map(Exchange, texts))


class ModerationResultOut(BaseModel):
    """OpenAI's result. `postern` is our own addition; OpenAI's clients keep it."""

    flagged: bool
    categories: dict[str, bool] = Field(
        description="Whether each category applies. False if it is not judged."
    )
    category_scores: dict[str, float] = Field(
        description="Probability of harm of each kind. 0 if it is not judged."
    )
    category_applied_input_types: dict[str, list[str]] = Field(
        description="`text` for each category that is judged. Empty if it is not judged."
    )
    postern: VerdictOut


class ModerationOut(BaseModel):
    """OpenAI's reply."""

    id: str
    model: str
    results: list[ModerationResultOut]


def moderation_reply(
    moderation: Moderation, *, request_id: str, identity: Identity, head: CategoryHead | None
) -> dict[str, Any]:
    """The reply as plain data in the shape of ModerationOut. head: of the artifact."""
    targets = judged_targets(head, CATEGORIES)
    return {
        "id": f"modr-{request_id}",
        "model": f"{identity.name}-{identity.version}",
        "results": [_result(one, targets) for one in moderation.judged],
    }


def _result(judged: Judged, targets: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """targets: places of the labels for each category that is judged."""
    found = {name: best_of(judged.categories or (), places) for name, places in targets.items()}
    both = {name: found.get(name, (0.0, False)) for name in CATEGORIES}
    return {
        "flagged": judged.verdict.harmful,
        "categories": {name: applies for name, (_, applies) in both.items()},
        "category_scores": {name: score for name, (score, _) in both.items()},
        "category_applied_input_types": {
            name: ["text"] if name in found else [] for name in CATEGORIES
        },
        "postern": verdict_fields(judged),
    }
