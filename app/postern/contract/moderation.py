"""What a caller may ask of the pipeline, and what it answers; every door speaks in these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from postern.contract.decision import (
    FallbackMode,
    Verdict,
)

TeacherRead = Literal["text", "decoded", "worst_window"]
"""What the teacher was shown: the text as it came, the text without its disguise, or the window
that the student found the most harmful, where the whole was too long for the teacher."""

DeferralReason = Literal["always", "trigger", "band", "budget", "value"]
"""Why a teacher was wanted: the caller's word, a disguise, or what the deferral mode says."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may ask for. `threshold` in [0, 1] overrides the operating point's."""

    operating_point: str | None = None
    threshold: float | None = None
    fallback: FallbackMode = "auto"
    reject_long: bool = False
    """Refuse text of more than one window instead of scoring it in windows."""


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Tokens start to end (excluded) of a text of so many tokens."""

    start: int
    end: int
    tokens: int


@dataclass(frozen=True, slots=True)
class WorstWindow:
    """The window whose probability counted: its position, and what it held."""

    index: int
    prompt: TextSpan
    response: TextSpan | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and what it took. tokens: of text; windows: forward passes."""

    verdict: Verdict
    tokens: int
    windows: int
    worst_window: WorstWindow | None = None
    """Only where there are several windows."""
    triggers: tuple[str, ...] = ()
    """How the text seemed disguised; then it was also scored without the disguise."""
    teacher_read: TeacherRead | None = None
    """None where no teacher gave an opinion."""
    deferral_reason: DeferralReason | None = None
    """None where no teacher was wanted."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds; the slowest exchange of a request counts."""

    queue_s: float
    inference_s: float
    teacher_s: float
    total_s: float
    tokenize_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Moderation:
    """All verdicts of a request, in the order of its exchanges."""

    judged: tuple[Judged, ...]
    operating_point: str
    timings: Timings

    @property
    def harmful(self) -> bool:
        return any(one.verdict.harmful for one in self.judged)


@dataclass(frozen=True, slots=True)
class Identity:
    """The artifact as replies name it. sha256: of its manifest."""

    name: str
    version: str
    sha256: str
