"""Our labels of harm in the hazard taxonomy of MLCommons, with the codes of Llama Guard 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_NON_VIOLENT: Final = "S2 Non-Violent Crimes"

HAZARDS: Final[Mapping[str, str]] = {
    "violence": "S1 Violent Crimes",
    "crime": _NON_VIOLENT,
    "fraud": _NON_VIOLENT,
    "illegal_drugs": _NON_VIOLENT,
    "cyber": _NON_VIOLENT,
    "sexual_minors": "S4 Child Sexual Exploitation",
    "unsafe_advice": "S6 Specialized Advice",
    "privacy": "S7 Privacy",
    "weapons": "S9 Indiscriminate Weapons",
    "hate": "S10 Hate",
    "self_harm": "S11 Suicide & Self-Harm",
    "sexual": "S12 Sexual Content",
}
"""The nearest hazard of each label of the taxonomy. Harassment, threats, misinformation, profanity
and jailbreaks have none."""


def hazard_of(covers: Iterable[str]) -> str | None:
    """The hazard that all these labels share; None if there is none."""
    found = {HAZARDS.get(label) for label in covers}
    return found.pop() if len(found) == 1 else None
