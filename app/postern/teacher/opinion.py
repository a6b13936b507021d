"""What a teacher may say of an exchange, and the one verb that every kind of teacher has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from postern.contract.exchange import Exchange

Asked = Literal[
    "answered",
    "cannot_tell",
    "refused",
    "timeout",
    "unreachable",
    "failed",
    "throttled",
    "invalid",
]
"""How a call ended. `cannot_tell`: it answered, but with no verdict. `refused`: it will not read
this text, such as one that is too long for it. `failed`: status 5xx or a model that raised.
`invalid`: no answer of the agreed form, a redirect among them."""

Unasked = Literal[
    "missing", "too_long", "deadline", "over_cap", "busy", "breaker_open", "shutting_down"
]
"""Why no call was made, or why its answer was not waited for (`deadline`)."""

Outcome = Asked | Unasked

# What a text can bring about by itself says nothing about the teacher's health: otherwise whoever
# writes such texts could switch the teacher off for everyone.
ITS_OWN_FAULT: Final[frozenset[Outcome]] = frozenset(
    {"timeout", "unreachable", "failed", "throttled", "invalid"}
)
# Worth a second try: a connection that had gone stale, a server that was just restarting.
WORTH_A_RETRY: Final[frozenset[Outcome]] = frozenset({"unreachable", "failed"})


@dataclass(frozen=True, slots=True)
class Opinion:
    """The teacher's harmful probability in [0, 1]; None where it gave none, and `outcome` why."""

    outcome: Outcome
    probability: float | None = None

    def __post_init__(self) -> None:
        if (self.outcome == "answered") != (self.probability is not None):
            raise ValueError("a probability belongs to an answer, and to nothing else")
        if self.probability is not None and not 0.0 <= self.probability <= 1.0:
            raise ValueError("a probability lies between 0 and 1")


class Teacher(Protocol):
    """Whoever has a second opinion. Called on the event loop, several times at once."""

    def start(self) -> None:
        """To be called on the event loop, before the first question."""

    async def close(self) -> None: ...

    @property
    def left_behind(self) -> bool:
        """Closed while a thread of this process was inside a model, which may never return."""
        ...

    async def judge(self, exchange: Exchange, *, timeout_s: float) -> Opinion:
        """One call; failures are opinions, too. The caller enforces the time, and may cancel."""
        ...

    @property
    def described(self) -> dict[str, Any]:
        """For `/info`: no secret, no path, no address."""
        ...
