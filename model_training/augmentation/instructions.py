"""Extracts the instruction from a generator's answer, and tells what is wrong with it. No I/O."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from model_training.augmentation.exclusions import is_excluded

Intent = Literal["harmful", "benign"]
Complaint = Literal["refused_by_server", "empty", "excluded", "refusal", "chatter", "same"]

SOURCES: Final[dict[Intent, str]] = {
    "harmful": "generated_harmful",
    "benign": "generated_benign",
}

_QUOTES: Final = {'"': '"', "“": "”", "«": "»", "'": "'", "`": "`"}
_LIST_MARK: Final = re.compile(r"^\s*(?:[-*•>#]+|\d{1,3}[.):])\s+")
_TITLE: Final = re.compile(
    r"^\W*(?:harmful |harmless |benign )?(?:prompt|instruction)\W*:\s*", re.I
)
_REFUSAL: Final = re.compile(
    r"^\W*(?:i(?:'m| am) (?:so |very |really |deeply )?(?:sorry|afraid)|sorry|my apologies)\b"
    r"|(?:^\W*|\b(?:i|we)(?:'m| am| must| have to| really| simply| just| also){0,2} )"
    r"(?:can(?:no|')?t|can not|won't|will not|could(?:n't| not)|decline to|do not|don't"
    r"|unable to|not able to|not comfortable|not going to|not allowed to|not permitted to"
    r"|refuse to)(?: \w+){0,2} "
    r"(?:help|assist|fulfil|comply|provid|generat|creat|engag|support|condon|writ"
    r"|produc|giv|answer|respond|discuss|do (?:that|this|so)|participat|promot|encourag)"
    r"|\b(?:as|i am|i'm)(?: just)? an? (?:ai|artificial|(?:large )?language|virtual)\b"
    r"|\bi (?:must )?(?:decline|refuse)\b"
    r"|\bagainst my (?:guidelines|programming|principles|policy|policies)"
    r"|\b(?:let's|can we|could we) talk about something else",
    re.IGNORECASE,
)
_CHATTER: Final = re.compile(
    r"^\W*(?:sure|certainly|of course|okay|ok|absolutely|here(?: is|'s| are)|i have an idea"
    r"|i (?:would|will|can) (?:suggest|propose|write|create|give)|this (?:prompt|instruction)"
    r"|the (?:prompt|instruction|following)|note|disclaimer|warning|remember|please note|example)\b"
    r"|\b(?:this (?:prompt|instruction) (?:is|would|could|asks|aims|encourages|might|may)"
    r"|(?:harmful|harmless|offensive) (?:instruction|prompt)s?\b)"
    r"|[\[<]insert\b",
    re.IGNORECASE,
)
_OPENING_CHARACTERS: Final = 160
"""A refusal stands at the beginning. Further on, the same words may belong to the instruction."""


class Instruction(BaseModel):
    """A generated instruction and its origin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Identifies the call: a hash of the request."""
    intent: Intent
    category: str | None
    exemplar_source: str | None
    text: str
    complaint: Complaint | None
    prefix: str | None
    finish: str | None
    model: str
    seed: int
    sampling: dict[str, Any]
    twin_of: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of a twin: the instruction whose words it shares."""


def instruction_of(written: str) -> str:
    """The instruction in a generator's answer: its first line or quotation, without markup."""
    lines = [line.strip() for line in written.replace("\r", "\n").split("\n")]
    text = next((line for line in lines if line.strip("*#_- \t")), "")
    for _ in range(3):  # marks can be nested
        text = _TITLE.sub("", _LIST_MARK.sub("", text)).strip().strip("*_").strip()
    closing = _QUOTES.get(text[:1])
    if closing is not None:
        end = text.find(closing, 1)
        if end > 0 and (end == len(text) - 1 or len(text[1:end].split()) > 2):
            text = text[1:end].strip()  # text after a quotation is about it
        elif end < 0 and closing != "'":  # otherwise it is an apostrophe
            text = text[1:].strip()
    return text


def complaint_about(text: str) -> Complaint | None:
    """Why a text is not an instruction. The same test decides what counts as a success."""
    if not any(char.isalnum() for char in text):
        return "empty"
    if is_excluded(text):
        return "excluded"
    if is_refusal(text):
        return "refusal"
    if _CHATTER.search(text):
        return "chatter"
    return None


def is_refusal(text: str) -> bool:
    """Whether a text begins as refusals do."""
    return _REFUSAL.search(text.replace("\u2019", "'")[:_OPENING_CHARACTERS]) is not None
