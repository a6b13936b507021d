"""Student, then teacher: which exchanges get a second opinion, and how it changes the verdict.

Every question ends in a verdict. If the teacher was wanted but gave no opinion, the policy's
`on_teacher_failure` decides, the verdict says `degraded`, and a metric counts it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from postern.contract.decision import (
    FallbackMode,
    OnTeacherFailure,
    OperatingPoint,
    Policy,
    Verdict,
    blocked_verdict,
    fallback_verdict,
    fused_verdict,
    student_verdict,
    teacher_verdict,
    wants_teacher,
)
from postern.contract.exchange import Exchange
from postern.contract.language import UNREAD, OnUnsupportedLanguage, Reading
from postern.contract.moderation import BlockReason, DeferralReason
from postern.contract.probability import log_odds_of
from postern.metrics import Metrics
from postern.teacher.desk import TeacherDesk
from postern.teacher.opinion import Opinion
from postern.teacher.shares import NearestShare
from postern.tracing.names import Attribute, Step
from postern.tracing.spans import step

# Part of the remaining time that is kept for writing the reply when the teacher is asked.
_RESERVE_SHARE: Final = 0.1
_MOST_RESERVE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Case:
    """An exchange as the student saw it.

    exchange: the text for the teacher. excerpt: its worst window, if there are several.
    """

    exchange: Exchange
    probability: float
    point: OperatingPoint
    disguised: bool = False
    """A trigger fired, so the student's probability says little."""
    excerpt: Callable[[], Exchange] | None = None
    reading: Reading = UNREAD
    settled: bool = False
    """Something else decides, so no teacher is asked."""
    on_teacher_failure: OnTeacherFailure | None = None
    on_unsupported_language: OnUnsupportedLanguage | None = None
    """Of the caller's policy; None: the general rules."""
    artifact_policy: Policy | None = None
    """The policy of the student that read the exchange. None: the first student read it."""


@dataclass(frozen=True, slots=True)
class Decided:
    """excerpt: the teacher saw only the worst window. reason: why it was wanted, if it was."""

    verdict: Verdict
    excerpt: bool = False
    reason: DeferralReason | None = None
    block_reason: BlockReason | None = None


@dataclass(frozen=True, slots=True)
class CascadeRules:
    """nearest: set in `budget` mode; None: the artifact's band.

    audit_share: in [0, 1]. teacher_languages: those that the teacher was measured for, of those
    that the student was not.
    """

    nearest: NearestShare | None = None
    audit_share: float = 0.0
    on_unsupported_language: OnUnsupportedLanguage = "teacher"
    teacher_languages: frozenset[str] = frozenset()


class Cascade:
    """Decides with the student, and with a teacher if there is one."""

    def __init__(
        self,
        policy: Policy,
        desk: TeacherDesk | None,
        *,
        metrics: Metrics,
        rules: CascadeRules | None = None,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._desk = desk
        self._metrics = metrics
        self._rules = rules or CascadeRules()
        self._draw = draw
        self._clock = clock
        self._audits: set[asyncio.Task[None]] = set()
        if desk is not None:  # from 0 on, so that the first disagreement is a rise
            for said in itertools.product(("harmful", "unharmful"), ("harmful", "unharmful")):
                metrics.teacher_audits.labels(*said)

    def start(self) -> None:
        """Must be called on the event loop."""
        if self._desk is not None:
            self._desk.start()

    async def close(self) -> None:
        """Abandon the questions under way. Requests that wait for them get a verdict."""
        for task in list(self._audits):
            task.cancel()
        await asyncio.gather(*self._audits, return_exceptions=True)
        if self._desk is not None:
            await self._desk.close()

    @property
    def left_behind(self) -> bool:
        """Whether a thread was still inside an in-process teacher when the cascade closed."""
        return self._desk is not None and self._desk.left_behind

    @property
    def audits(self) -> int:
        """Number of audits under way."""
        return len(self._audits)

    async def decide(
        self, cases: Sequence[Case], *, fallback: FallbackMode, deadline: float
    ) -> list[Decided]:
        """A verdict on each case before `deadline` (absolute, clock).

        A teacher's failure never raises.
        """
        if self._desk is not None:
            self._desk.came(len(cases))
        reasons = [self._reason(case, fallback) for case in cases]
        left_s = deadline - self._clock()
        ask_until = deadline - min(_MOST_RESERVE_S, _RESERVE_SHARE * max(0.0, left_s))
        asked = await asyncio.gather(
            *(
                self._by_both(case, reason, ask_until)
                for case, reason in zip(cases, reasons, strict=True)
                if reason is not None
            )
        )
        by_both = iter(asked)
        return [
            self._by_student(case, fallback) if reason is None else next(by_both)
            for case, reason in zip(cases, reasons, strict=True)
        ]

    def _reason(self, case: Case, fallback: FallbackMode) -> DeferralReason | None:
        """Why the teacher is wanted, or None if it is not."""
        nearest = self._rules.nearest
        # Observe every exchange: the quantile is over all traffic.
        near = None if nearest is None else nearest.holds(_distance(case))
        if case.settled or self._blocks(case):
            return None
        if fallback == "always":
            return "always"
        if fallback == "never" or self._desk is None:
            return None
        if self._on_unsupported(case) == "teacher" and self._teacher_alone(case):
            return "language"
        if case.artifact_policy is not None and not self._reads(case.reading):
            return None  # another student was measured for the language, and the teacher was not
        if case.disguised:
            return "trigger"
        if near is not None:
            return "budget" if near else None
        in_band = wants_teacher(case.probability, case.point, fallback="auto", has_teacher=True)
        return "band" if in_band else None

    def _by_student(self, case: Case, fallback: FallbackMode) -> Decided:
        if self._blocks(case):
            blocked = blocked_verdict(case.probability, case.point)
            return Decided(blocked, block_reason="unsupported_language")
        verdict = student_verdict(case.probability, case.point)
        if not case.reading.supported:
            return Decided(replace(verdict, degraded=True))
        desk, share = self._desk, self._rules.audit_share
        if case.artifact_policy is not None and not self._reads(case.reading):
            share = 0.0
        if desk is not None and fallback == "auto" and self._draw() < share:
            task = asyncio.create_task(self._audit(desk, case, verdict), name="teacher-audit")
            self._audits.add(task)
            task.add_done_callback(self._audits.discard)
        return Decided(verdict)

    async def _by_both(self, case: Case, reason: DeferralReason, ask_until: float) -> Decided:
        slice_, excerpt = case.exchange.slice, False
        opinion = Opinion("missing")
        if self._desk is not None:
            with step(Step.TEACHER) as span:
                span.set(Attribute.REASON, reason)
                question, excerpt = await _question(case, self._desk.max_chars)
                opinion = await self._desk.ask(question, deadline=ask_until)
                span.set(Attribute.OUTCOME, opinion.outcome)
        self._metrics.deferrals.labels(reason, opinion.outcome).inc()
        p, teacher, point = case.probability, opinion.probability, case.point
        policy = case.artifact_policy or self._policy
        if teacher is not None and self._teacher_alone(case):
            return Decided(teacher_verdict(p, teacher, point), excerpt, reason)
        if teacher is not None:
            fused = fused_verdict(p, teacher, point, slice_=slice_, policy=policy)
            # Neither of the two was measured for an unsupported language.
            return Decided(replace(fused, degraded=not case.reading.supported), excerpt, reason)
        self._metrics.degraded.inc()
        fallback = fallback_verdict(
            p, point, slice_=slice_, policy=policy, on_failure=case.on_teacher_failure
        )
        return Decided(fallback, reason=reason)

    def _blocks(self, case: Case) -> bool:
        return not case.reading.supported and self._on_unsupported(case) == "block"

    def _on_unsupported(self, case: Case) -> OnUnsupportedLanguage:
        return case.on_unsupported_language or self._rules.on_unsupported_language

    def _teacher_alone(self, case: Case) -> bool:
        """Whether the teacher was measured for the language, and the student was not."""
        return not case.reading.supported and self._reads(case.reading)

    def _reads(self, reading: Reading) -> bool:
        """Whether the teacher was measured for a language that the first student was not."""
        return reading.language in self._rules.teacher_languages

    async def _audit(self, desk: TeacherDesk, case: Case, verdict: Verdict) -> None:
        """Ask the teacher for comparison only. It changes no verdict."""
        question, _ = await _question(case, desk.max_chars)
        opinion = await desk.audit(question)
        said = "none"
        if opinion.probability is not None:
            said = _word(opinion.probability >= 0.5)
        self._metrics.teacher_audits.labels(_word(verdict.harmful), said).inc()


async def _question(case: Case, max_chars: int) -> tuple[Exchange, bool]:
    """The text to ask about, and whether it is only an excerpt."""
    whole = case.exchange
    if case.excerpt is None or len(whole.prompt) + len(whole.response or "") <= max_chars:
        return whole, False
    return await asyncio.to_thread(case.excerpt), True  # long text is tokenized again


def _word(harmful: bool) -> str:
    return "harmful" if harmful else "unharmful"


def _distance(case: Case) -> float:
    """Distance from the threshold in log-odds, which treats values near 0 and 1 like those
    between."""
    return abs(log_odds_of(case.probability) - log_odds_of(case.point.threshold))
