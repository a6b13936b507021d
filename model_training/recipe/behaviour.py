"""How many behaviour rows a recipe asks for; no other imports than pydantic."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class BehaviourRowsConfig(BaseModel):
    """Rows that teach behaviour, by kind: upper bounds, half of each kind harmful."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 42
    diluted: Count = 0
    """Prompts of either class with harmless text before, after or around them."""
    spelled: Count = 0
    """Prompts of either class in odd spelling, as they come."""
    encoded: Count = 0
    """Prompts of either class in encodings, as serving decodes them; some as they come."""
    framed: Count = 0
    """Prompts of either class inside frames that jailbreaks use."""
    refused: Count = 0
    """Pairs: refusals of harmful prompts; harmful answers that begin like refusals."""
    replied: Count = 0
    """Pairs: first sentences and one-liners to harmless prompts; harmful ones as short."""
    truncated: Count = 0
    """Pairs: labelled answers of either class, cut."""
    rules: Count = 0
    """Instructions that forbid harm; instructions that ask for it."""
    people: Count = 0
    """People who seek help; people who mean harm."""
    topics: Count = 0
    """Alarming words in harmless requests; requests that do mean harm."""
    fiction: Count = 0
    """Games and stories; requests that mean harm in earnest."""
    identity: Count = 0
    """Groups of people, spoken of fairly or with hate."""
    grave: Count = 0
    """Grave topics asked factually; grave requests."""
