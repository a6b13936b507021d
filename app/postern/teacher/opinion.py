"""A teacher's possible opinions of an exchange, and the interface of every kind of teacher."""

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
"""How a call ended.

`cannot_tell`: it answered, but with no verdict. `refused`: it will not read this text, for example
because it is too long. `failed`: status 5xx, or a model that raised. `invalid`: an answer of
another form, such as a redirect.
"""

Unasked = Literal[
    "missing", "too_long", "deadline", "over_cap", "busy", "breaker_open", "shutting_down"
]
"""Why no call was made, or why its answer was not waited for (`deadline`)."""

Outcome = Asked | Unasked

# An outcome that a text alone can cause says nothing about the teacher's health. Otherwise anyone
# who writes such texts could switch the teacher off for everyone.
ITS_OWN_FAULT: Final[frozenset[Outcome]] = frozenset(
    {"timeout", "unreachable", "failed", "throttled", "invalid"}
)
# Worth a retry: a connection that had gone stale, or a server that was just restarting.
WORTH_A_RETRY: Final[frozenset[Outcome]] = frozenset({"unreachable", "failed"})


@dataclass(frozen=True, slots=True)
class Opinion:
    """The teacher's harmful probability in [0, 1], or None and the reason in `outcome`."""

    outcome: Outcome
    probability: float | None = None

    def __post_init__(self) -> None:
        if (self.outcome == "answered") != (self.probability is not None):
            raise ValueError("only an answer has a probability")
        if self.probability is not None and not 0.0 <= self.probability <= 1.0:
            raise ValueError("a probability must lie between 0 and 1")


class Teacher(Protocol):
    """A source of second opinions. Called on the event loop, several times at once."""

    def start(self) -> None:
        """Must be called on the event loop, before the first question."""

    async def close(self) -> None: ...

    @property
    def left_behind(self) -> bool:
        """Whether a thread of this process was still inside a model at closing; it may never
        return."""
        ...

    async def judge(self, exchange: Exchange, *, timeout_s: float) -> Opinion:
        """Make one call.

        Failures are opinions, too. The caller enforces the time limit and may cancel.
        """
        ...

    @property
    def languages(self) -> frozenset[str]:
        """Those that it was measured for."""
        ...

    @property
    def described(self) -> dict[str, Any]:
        """For `/info`: no secret, no path, no address."""
        ...
