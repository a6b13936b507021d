"""Which exchanges the teacher gets, and that every one of them gets a verdict."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.artifact import Artifact
from postern.contract.decision import FallbackMode, OperatingPoint
from postern.contract.exchange import Exchange
from postern.contract.language import OnUnsupportedLanguage, Reading
from postern.judging.cascade import Cascade, CascadeRules, Case, Decided
from postern.metrics import Metrics
from postern.teacher.opinion import Opinion
from postern.teacher.shares import NearestShare, SlidingShare

from tests.app.teacher.test_desk import YES, FakeTeacher, desk_of

POINT = OperatingPoint(threshold=0.5, deferral_band=(0.4, 0.6))


def case_of(probability: float, **more: Any) -> Case:
    return Case(Exchange(str(probability)), probability, POINT, **more)


def decide(
    artifact: Artifact,
    cases: Sequence[Case],
    *,
    teacher: FakeTeacher | None = None,
    fallback: FallbackMode = "auto",
    metrics: Metrics | None = None,
    rules: CascadeRules | None = None,
    desk: dict[str, Any] | None = None,
    **more: Any,
) -> list[Decided]:
    async def case() -> list[Decided]:
        asked = desk_of(teacher, **desk or {}) if teacher is not None else None
        cascade = Cascade(
            artifact.manifest.policy,
            asked,
            metrics=metrics or Metrics(),
            rules=rules,
            clock=asyncio.get_running_loop().time,
            **more,
        )
        try:
            decided = await cascade.decide(cases, fallback=fallback, deadline=math.inf)
            while cascade.audits:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            return decided
        finally:
            await cascade.close()

    return asyncio.run(case())


def by(decided: Sequence[Decided]) -> list[str]:
    return [one.verdict.decided_by for one in decided]


def test_the_band_and_triggers_and_callers_ask(artifact: Artifact) -> None:
    cases = [case_of(0.1), case_of(0.4), case_of(0.61), case_of(0.01, disguised=True)]
    teacher = FakeTeacher(YES)
    metrics = Metrics()
    decided = decide(artifact, cases, teacher=teacher, metrics=metrics)
    assert by(decided) == ["student", "fused", "student", "fused"]
    assert teacher.seen == ["0.4", "0.01"]
    assert by(decide(artifact, cases, teacher=teacher, fallback="never")) == ["student"] * 4
    assert by(decide(artifact, cases, teacher=teacher, fallback="always")) == ["fused"] * 4
    assert by(decide(artifact, cases)) == ["student"] * 4
    for reason in ("band", "trigger"):
        labels = {"reason": reason, "outcome": "answered"}
        assert metrics.registry.get_sample_value("postern_deferrals_total", labels) == 1.0


@given(
    st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=8),
    st.sampled_from(["auto", "never", "always"]),
    st.sampled_from(["answered", "timeout", "cannot_tell", "refused"]),
    st.booleans(),
)
@settings(max_examples=60)
def test_every_exchange_gets_its_own_verdict(
    artifact: Artifact,
    given_: list[tuple[float, bool]],
    fallback: FallbackMode,
    outcome: Any,
    has_teacher: bool,
) -> None:
    cases = [case_of(probability, disguised=odd) for probability, odd in given_]
    opinion = YES if outcome == "answered" else Opinion(outcome)
    teacher = FakeTeacher(opinion) if has_teacher else None
    wide = {"at_once": 100, "may_wait": 100}
    metrics = Metrics()
    decided = decide(
        artifact, cases, teacher=teacher, fallback=fallback, desk=wide, metrics=metrics
    )
    assert [one.verdict.student_probability for one in decided] == [p for p, _ in given_]
    for one in decided:
        verdict = one.verdict
        assert verdict.degraded == (verdict.decided_by == "fallback")
        assert verdict.deferred == (verdict.decided_by != "student")
        assert (verdict.teacher_probability is not None) == (verdict.decided_by == "fused")
    degraded = sum(one.verdict.degraded for one in decided)
    assert metrics.registry.get_sample_value("postern_degraded_total") == degraded
    if outcome == "answered" and has_teacher:
        assert not degraded


def test_a_budget_takes_the_nearest(artifact: Artifact) -> None:
    rules = CascadeRules(NearestShare(0.1, memory=1000, warm_up=100))
    probabilities = [0.001 + 0.998 * math.fmod(index * 0.618034, 1.0) for index in range(1000)]
    teacher = FakeTeacher(YES)
    decided = decide(
        artifact,
        [case_of(probability) for probability in probabilities],
        teacher=teacher,
        rules=rules,
        desk={"at_once": 2000},
    )
    late = list(zip(probabilities, by(decided), strict=True))[500:]
    asked = [probability for probability, who in late if who == "fused"]
    assert 30 <= len(asked) <= 70  # a tenth of five hundred
    assert max(abs(p - 0.5) for p in asked) < min(
        abs(p - 0.5) for p, who in late if who == "student" and not 0.4 < p < 0.6
    )


def test_audits_count_both_opinions_and_change_nothing(artifact: Artifact) -> None:
    metrics = Metrics()
    draws = iter([0.0, 0.9])
    decided = decide(
        artifact,
        [case_of(0.1), case_of(0.2)],
        teacher=FakeTeacher(YES),
        metrics=metrics,
        rules=CascadeRules(audit_share=0.5),
        draw=lambda: next(draws),
    )
    assert by(decided) == ["student", "student"]
    labels = {"student": "unharmful", "teacher": "harmful"}
    assert metrics.registry.get_sample_value("postern_teacher_audits_total", labels) == 1.0
    nobody = decide(
        artifact,
        [case_of(0.1)],
        teacher=FakeTeacher(YES),
        fallback="never",
        rules=CascadeRules(audit_share=1.0),
        draw=lambda: pytest.fail("a caller who wants no teacher is not audited"),
    )
    assert by(nobody) == ["student"]


def test_of_a_long_exchange_the_excerpt_is_asked(artifact: Artifact) -> None:
    teacher = FakeTeacher(YES)
    long = Case(Exchange("x" * 101), 0.5, POINT, excerpt=lambda: Exchange("worst"))
    lone = Case(Exchange("x" * 102), 0.5, POINT)
    short = Case(Exchange("short"), 0.5, POINT, excerpt=lambda: Exchange("never"))
    decided = decide(artifact, [long, lone, short], teacher=teacher)
    assert sorted(teacher.seen) == ["short", "worst"]
    assert by(decided) == ["fused", "fallback", "fused"]
    assert [one.excerpt for one in decided] == [True, False, False]


GERMAN = Reading("de", supported=False)
FRENCH = Reading("fr", supported=False)


def rules_of(on_unsupported: OnUnsupportedLanguage = "teacher") -> CascadeRules:
    """A teacher that was measured for German."""
    return CascadeRules(
        on_unsupported_language=on_unsupported, teacher_languages=frozenset({"de", "en"})
    )


def test_a_teacher_measured_for_the_language_decides_alone_and_outside_the_band(
    artifact: Artifact,
) -> None:
    teacher, metrics = FakeTeacher(YES), Metrics()
    cases = [case_of(0.01, reading=GERMAN), case_of(0.01, reading=FRENCH), case_of(0.02)]
    told, alone, own = decide(artifact, cases, teacher=teacher, rules=rules_of(), metrics=metrics)
    assert teacher.seen == ["0.01"]
    assert (told.reason, told.verdict.decided_by, told.verdict.probability) == (
        *("language", "teacher"),
        0.9,
    )
    assert told.verdict.harmful
    assert not told.verdict.degraded
    assert (alone.verdict.decided_by, alone.verdict.degraded) == ("student", True)
    assert not alone.verdict.harmful
    assert (own.verdict.decided_by, own.verdict.degraded) == ("student", False)
    labels = {"reason": "language", "outcome": "answered"}
    assert metrics.registry.get_sample_value("postern_deferrals_total", labels) == 1.0


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_a_teacher_that_fails_or_is_over_its_cap_is_no_quiet_pass(
    artifact: Artifact, share: float
) -> None:
    teacher = FakeTeacher(Opinion("timeout"))
    cap = SlidingShare(share=share, window_s=60.0, at_least=0, clock=lambda: 0.0)
    case = case_of(0.01, reading=GERMAN)
    (one,) = decide(artifact, [case], teacher=teacher, rules=rules_of(), desk={"cap": cap})
    assert bool(teacher.seen) == bool(share)
    assert (one.verdict.decided_by, one.verdict.degraded) == ("fallback", True)
    assert one.reason == "language"


def test_a_teacher_that_was_not_measured_either_does_not_make_it_whole(artifact: Artifact) -> None:
    (one,) = decide(
        artifact, [case_of(0.5, reading=FRENCH)], teacher=FakeTeacher(YES), rules=rules_of()
    )
    assert (one.reason, one.verdict.decided_by, one.verdict.degraded) == ("band", "fused", True)


def test_the_student_alone_is_degraded(artifact: Artifact) -> None:
    teacher = FakeTeacher(YES)
    ways: tuple[tuple[OnUnsupportedLanguage, FallbackMode], ...] = (
        ("student", "auto"),
        ("teacher", "never"),
    )
    for kind, fallback in ways:
        case = case_of(0.9, reading=GERMAN)
        (one,) = decide(artifact, [case], teacher=teacher, rules=rules_of(kind), fallback=fallback)
        assert (one.verdict.decided_by, one.verdict.degraded) == ("student", True)
        assert one.verdict.harmful
    assert not teacher.seen


@pytest.mark.parametrize("fallback", ["auto", "never", "always"])
def test_block_calls_it_harmful_with_a_reason_and_invents_no_probability(
    artifact: Artifact, fallback: FallbackMode
) -> None:
    teacher = FakeTeacher(YES)
    cases = [case_of(0.01, reading=GERMAN), case_of(0.01, reading=Reading("und"))]
    blocked, other = decide(
        artifact, cases, teacher=teacher, rules=rules_of("block"), fallback=fallback
    )
    assert blocked.verdict.harmful
    assert blocked.block_reason == "unsupported_language"
    assert (blocked.verdict.decided_by, blocked.verdict.probability) == ("policy", 0.01)
    assert (blocked.verdict.degraded, blocked.verdict.deferred) == (True, False)
    assert other.block_reason is None
    assert "0.01" not in teacher.seen or fallback == "always"
