"""Settings of behaviour: rows for training, floors for publishing."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class BehaviourRowsConfig(BaseModel):
    """Rows that teach behaviour, by kind: upper bounds, half of each kind harmful."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 42
    diluted: Count = 0
    """Prompts of either class with harmless text before, after or around them."""
    spelled: Count = 0
    """Prompts of either class in odd spelling."""
    encoded: Count = 0
    """Prompts of either class, encoded and then decoded as in serving; some stay encoded."""
    framed: Count = 0
    """Prompts of either class inside jailbreak frames."""
    refused: Count = 0
    """Pairs: refusals of harmful prompts; harmful answers that begin like refusals."""
    replied: Count = 0
    """Pairs: first sentences and one-liners for harmless prompts; equally short harmful answers."""
    truncated: Count = 0
    """Pairs: truncated labelled answers of either class."""
    rules: Count = 0
    """Instructions that forbid harm; instructions that ask for harm."""
    people: Count = 0
    """People who seek help; people who mean harm."""
    topics: Count = 0
    """Alarming words in harmless requests; requests that mean harm."""
    fiction: Count = 0
    """Games and stories; requests that mean harm in earnest."""
    identity: Count = 0
    """Texts about groups of people, fair or hateful."""
    grave: Count = 0
    """Factual questions about grave topics; gravely harmful requests."""


class BehaviourConfig(BaseModel):
    """The behaviour cases that `evaluate` runs, and the floors that `publish` checks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: Count = 100
    """Cases of each kind. 0: none."""
    floors: dict[str, Share] = {}
    """Lowest share of right verdicts, by kind (`diluted/after`) or group of kinds (`diluted`);
    `every` covers all other kinds. None: the report only shows the figures.
    """

    language_floors: dict[str, Share] = {}
    """The same for the cases in other languages: by kind (`help_seeking`), which counts all
    published languages together, or by kind and language (`help_seeking.zh`)."""

    def floor_of(self, kind: str) -> float | None:
        """The floor of a kind: its own, else that of its group, else that of `every`."""
        for name in (kind, kind.partition("/")[0], "every"):
            if name in self.floors:
                return self.floors[name]
        return None
