"""Azure AI Content Safety's `POST /contentsafety/text:analyze` <-> contract.

A severity here says how sure it is that the text is harmful in this way, and not how bad the harm
would be: the student was not taught degrees of harm. From 4 on, which Azure calls medium, the
category applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from postern.contract.categories import CategoryHead
from postern.contract.errors import UnsupportedContent
from postern.contract.exchange import Exchange
from postern.contract.moderation import ListHit, Moderation
from postern.dialects.bodies import (
    VerdictOut,
    best_of,
    judged_targets,
    read_body,
    verdict_fields,
)
from postern.http.bodies import Text
from postern.http.errors import ErrorShape, Failure

AzureCategory = Literal["Hate", "SelfHarm", "Sexual", "Violence"]
CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "Hate": ("hate", "harassment"),
    "SelfHarm": ("self_harm",),
    "Sexual": ("sexual", "sexual_minors"),
    "Violence": ("violence", "threat", "weapons"),
}
"""Azure's categories, and the labels of our taxonomy that its documentation counts to each."""
FOUR, EIGHT = "FourSeverityLevels", "EightSeverityLevels"


class AnalyzeTextIn(BaseModel):
    """A text and the categories to judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Text
    categories: tuple[AzureCategory, ...] | None = Field(
        None, description="Unset or empty: all that the artifact judges."
    )
    blocklistNames: tuple[Text, ...] | None = Field(
        None,
        description="Lists of the caller's policy that block prompts. A name that it does not "
        "have is refused.",
    )
    haltOnBlocklistHit: StrictBool | None = Field(
        None, description="Do not judge a text that matches a named list. Default: false."
    )
    outputType: Literal["FourSeverityLevels", "EightSeverityLevels"] | None = Field(
        None, description="Severities 0, 2, 4, 6 (the default), or 0 to 7."
    )


class AnalyzeText(NamedTuple):
    """The exchange to judge, and what the reply needs of the request.

    targets: places of the labels for each category that is asked for. eight_levels: of severity.
    blocklists: names of lists to match. halts: whether nothing is judged if one of them matches.
    """

    exchange: Exchange
    targets: Mapping[str, Sequence[int]]
    eight_levels: bool
    blocklists: tuple[str, ...] = ()
    halts: bool = False


def parse_analyze_text(body: bytes, head: CategoryHead | None = None) -> AnalyzeText:
    """Parse a request. head: of the artifact, if it tells categories apart.

    Raises MalformedBody, BodyMismatch, UnsupportedContent.
    """
    given = read_body(AnalyzeTextIn, body)
    targets = judged_targets(head, CATEGORIES)
    wanted = tuple(dict.fromkeys(given.categories or targets))
    if not targets or not set(wanted) <= set(targets):
        known = ", ".join(targets) or "none"
        raise UnsupportedContent(f"a category cannot be judged here; these can: {known}")
    return AnalyzeText(
        Exchange(given.text),
        {name: targets[name] for name in wanted},
        given.outputType == EIGHT,
        given.blocklistNames or (),
        given.haltOnBlocklistHit or False,
    )


class TextCategoryOut(BaseModel):
    category: AzureCategory
    severity: int = Field(
        description="How sure it is that the text is harmful in this way, and not how bad. 4 or "
        "more: the category applies."
    )


class BlocklistMatchOut(BaseModel):
    blocklistName: str
    blocklistItemId: str = Field(
        description="Place of the entry in the list, such as `phrases.3`, counted from 0."
    )
    blocklistItemText: str = Field(
        description="The phrase as the operator wrote it, and no text of the request. Empty for a "
        "regular expression, which is not told."
    )


class AnalyzeTextOut(BaseModel):
    """Azure's reply. `postern` is our own addition; Azure's clients pass over it."""

    blocklistsMatch: list[BlocklistMatchOut] = Field(
        description="All entries of the named lists that the text matches."
    )
    categoriesAnalysis: list[TextCategoryOut] = Field(
        description="Empty if a named list matched and `haltOnBlocklistHit` is true."
    )
    postern: VerdictOut | None = Field(
        description="The verdict on all kinds of harm. Azure's categories have no room for fraud, "
        "drugs and others, so they can all be 0 while it is harmful. Null if a named list matched "
        "and `haltOnBlocklistHit` is true: nothing was judged."
    )


def severity_of(probability: float, *, applies: bool, eight_levels: bool) -> int:
    """The severity of a category: 4 to 7 if it applies, by the quarter of its probability; 0 to 3
    if not, by the eighth, of which 3 is the last.

    probability: calibrated, of harm of this kind, in [0, 1]. With four levels, the even number
    below: 0, 2, 4 or 6. More harm never lowers it, and neither does more of this kind.
    """
    severity = 4 + min(3, int(4 * probability)) if applies else min(3, int(8 * probability))
    return severity if eight_levels else severity - severity % 2


def halted_reply(hits: Sequence[ListHit]) -> dict[str, Any]:
    """The reply to a text that was not judged because named lists matched it."""
    return {"blocklistsMatch": _matches(hits), "categoriesAnalysis": [], "postern": None}


def _matches(hits: Sequence[ListHit]) -> list[dict[str, str]]:
    return [
        {
            "blocklistName": one.list_name,
            "blocklistItemId": one.place,
            "blocklistItemText": one.phrase or "",
        }
        for one in hits
    ]


def analyze_text_reply(
    moderation: Moderation, asked: AnalyzeText, hits: Sequence[ListHit] = ()
) -> dict[str, Any]:
    """The reply as plain data in the shape of AnalyzeTextOut."""
    (judged,) = moderation.judged
    analysis = []
    for name, places in asked.targets.items():
        probability, applies = best_of(judged.categories or (), places)
        severity = severity_of(probability, applies=applies, eight_levels=asked.eight_levels)
        analysis.append({"category": name, "severity": severity})
    return {
        "blocklistsMatch": _matches(hits),
        "categoriesAnalysis": analysis,
        "postern": verdict_fields(judged),
    }


# Azure's codes, by status. All others are faults of the request.
_CODES: Final[Mapping[int, str]] = {
    401: "401",
    404: "ResourceNotFound",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServerBusy",
    504: "ServerBusy",
}


class AzureInnerErrorOut(BaseModel):
    code: str = Field(description="Our own name for the failure, for programs.")


class AzureErrorBody(BaseModel):
    """Description of the failure."""

    code: str = Field(description="Azure's code for this kind of failure.")
    message: str
    details: list[Any]
    innererror: AzureInnerErrorOut


class AzureErrorOut(BaseModel):
    """Azure's error object."""

    error: AzureErrorBody


def azure_error(failure: Failure) -> dict[str, Any]:
    """The error as plain data in the shape of AzureErrorOut."""
    problem = failure.problem
    return {
        "error": {
            "code": _CODES.get(problem.status, "InvalidRequestBody"),
            "message": failure.message,
            "details": [],
            "innererror": {"code": problem.slug.title().replace("-", "")},
        }
    }


# Azure answers 400 to whatever is wrong with a body.
AZURE_SHAPE = ErrorShape("application/json", "AzureErrorOut", azure_error, {422: 400})
