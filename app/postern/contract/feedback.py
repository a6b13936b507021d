"""A corrected verdict as a line of the feedback file. No I/O.

The line has the columns of labelled data, which `postern calibrate` and `import-data` of the
training read, and one more that tells what the server said.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from postern.contract.decision import DecidedBy, Probability
from postern.contract.exchange import LABEL_ORDER, Exchange

LabelName = Literal["unharmful", "harmful"]

COLUMN: Final = "feedback"
"""Name of the additional column. Readers of labels ignore it."""


class VerdictGiven(BaseModel):
    """What the server said before it was corrected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Of the request."""
    index: int
    """Position among the exchanges of the request."""
    time: str
    """When the correction came, in UTC."""
    verdict: LabelName
    probability: Probability
    threshold: Probability
    decided_by: DecidedBy
    artifact: str
    version: str


class FeedbackLine(BaseModel):
    """One line. Exactly one of the two labels is set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    response: str | None = None
    prompt_label: int | None = None
    response_label: int | None = None
    feedback: VerdictGiven


def feedback_line(exchange: Exchange, expected: LabelName, given: VerdictGiven) -> bytes:
    """A line of JSON in UTF-8, with its line break. The label is that of what was judged."""
    label = LABEL_ORDER.index(expected)
    line = FeedbackLine(
        prompt=exchange.prompt,
        response=exchange.response,
        prompt_label=label if exchange.slice == "prompt" else None,
        response_label=label if exchange.slice == "pair" else None,
        feedback=given,
    )
    return line.model_dump_json(exclude_none=True).encode() + b"\n"


def label_name(harmful: bool) -> LabelName:
    """The word for a verdict."""
    return "harmful" if harmful else "unharmful"
