"""What a caller can ask of the pipeline, and what the pipeline answers.

Every dialect uses these types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from postern.contract.categories import Category
from postern.contract.decision import FallbackMode, Verdict
from postern.contract.language import UNREAD, Reading

TeacherRead = Literal["text", "decoded", "worst_window"]
"""What the teacher was shown: the text as it came, the text without its disguise or, if the whole
was too long for it, the window that the student found most harmful."""

DeferralReason = Literal["always", "language", "trigger", "band", "budget"]
"""Why a teacher was wanted: the caller's request, a language that the student was not measured for,
a disguise, or the deferral mode."""

BlockReason = Literal["unsupported_language", "category"]
"""Why an exchange counts as harmful whatever its probability: its language, or the threshold that a
policy sets for a category of harm."""

ListAction = Literal["block", "allow"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller can ask for. `threshold` in [0, 1] overrides the operating point's."""

    operating_point: str | None = None
    threshold: float | None = None
    fallback: FallbackMode = "auto"
    reject_long: bool = False
    """Refuse text that is longer than one window, instead of scoring it in several."""
    default_operating_point: str | None = None
    """Used if neither the caller nor its policy names one. None: the artifact's default."""


@dataclass(frozen=True, slots=True)
class ListMatch:
    """The list of a policy that decided. reason: the operator's words; None if there are none."""

    name: str
    action: ListAction
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ListHit:
    """One entry of a list that a text matches. place: of the entry in the list, as `phrases.3`.

    phrase: in the operator's own writing. None for a regular expression.
    """

    list_name: str
    place: str
    phrase: str | None = None


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Tokens from `start` up to but excluding `end`, of `tokens` in the whole text."""

    start: int
    end: int
    tokens: int


@dataclass(frozen=True, slots=True)
class WorstWindow:
    """The most harmful window: its position and the text that it covers."""

    index: int
    prompt: TextSpan
    response: TextSpan | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and what it cost. tokens: of text; windows: forward passes."""

    verdict: Verdict
    tokens: int
    windows: int
    worst_window: WorstWindow | None = None
    """None if there is only one window, or if the text without its disguise decided."""
    triggers: tuple[str, ...] = ()
    """How the text seemed disguised. If it did, it was also scored without the disguise."""
    teacher_read: TeacherRead | None = None
    """None if no teacher gave an opinion."""
    deferral_reason: DeferralReason | None = None
    """None if no teacher was wanted."""
    reading: Reading = UNREAD
    block_reason: BlockReason | None = None
    """None if the probability decided."""
    categories: tuple[Category, ...] | None = None
    """All that the artifact tells apart, in its order. None: it tells none."""
    list_match: ListMatch | None = None
    """None unless a list decided."""
    audited: bool = False
    """Harmful, but the policy only audits the categories that apply, so it blocks nothing."""
    read_by: str | None = None
    """Name and version of the student that read it. None: the first one."""

    @property
    def blocks(self) -> bool:
        """Whether a route that can block must not let the exchange pass."""
        return self.verdict.harmful and not self.audited


def list_fields(judged: Judged) -> dict[str, str]:
    """What a reply says of the list that decided; nothing if none did."""
    match = judged.list_match
    if match is None:
        return {}
    reason = {} if match.reason is None else {"list_reason": match.reason}
    return {"list_name": match.name, **reason}


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. The slowest exchange of a request counts."""

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

    @property
    def blocks(self) -> bool:
        """Whether a route that can block must not let the request pass."""
        return any(one.blocks for one in self.judged)


@dataclass(frozen=True, slots=True)
class Identity:
    """The artifact as named in replies. sha256: hash of its manifest."""

    name: str
    version: str
    sha256: str
