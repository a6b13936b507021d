"""Probability -> verdict: monotone, and a wider band never asks the teacher less."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.decision import (
    Fusion,
    OperatingPoint,
    Policy,
    fallback_verdict,
    fused_verdict,
    student_verdict,
    wants_teacher,
)
from postern.contract.errors import UnknownOperatingPoint
from postern.contract.exchange import SLICES
from postern.contract.probability import Calibration
from pydantic import ValidationError

P = st.floats(0.0, 1.0)


def point(threshold: float, low: float, high: float) -> OperatingPoint:
    return OperatingPoint(threshold=threshold, deferral_band=(low, high))


POINTS = st.tuples(P, P, P).map(sorted).map(lambda e: point(e[1], e[0], e[2]))


def policy(**changes: Any) -> Policy:
    thresholds = {"strict": 0.25, "balanced": 0.5, "permissive": 0.75}
    values: dict[str, Any] = {
        "calibration": {slice_: Calibration(temperature=1.0) for slice_ in SLICES},
        "operating_points": {
            name: {slice_: point(value, value - 0.1, value + 0.1) for slice_ in SLICES}
            for name, value in thresholds.items()
        },
        "default_operating_point": "balanced",
    }
    return Policy(**(values | changes))


@given(P, POINTS, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=200)
def test_widening_the_band_never_reduces_deferrals(
    probability: float, narrow: OperatingPoint, left: float, right: float
) -> None:
    low, high = narrow.deferral_band
    wide = point(narrow.threshold, low * left, high + (1.0 - high) * right)
    asked = wants_teacher(probability, narrow, fallback="auto", has_teacher=True)
    assert wants_teacher(probability, wide, fallback="auto", has_teacher=True) >= asked


@given(P, POINTS, st.booleans())
@settings(max_examples=50)
def test_always_and_never_mean_what_they_say(
    probability: float, at: OperatingPoint, has_teacher: bool
) -> None:
    assert wants_teacher(probability, at, fallback="always", has_teacher=has_teacher)
    assert not wants_teacher(probability, at, fallback="never", has_teacher=has_teacher)
    assert not wants_teacher(probability, at, fallback="auto", has_teacher=False)


@given(P, P, POINTS)
@settings(max_examples=100)
def test_a_more_harmful_probability_never_gets_a_milder_verdict(
    one: float, other: float, at: OperatingPoint
) -> None:
    low, high = sorted((one, other))
    assert student_verdict(low, at).harmful <= student_verdict(high, at).harmful
    assert student_verdict(at.threshold, at).harmful  # the threshold itself is harmful


@given(P, POINTS)
@settings(max_examples=200)
def test_a_moved_point_is_a_point_at_the_asked_threshold(
    threshold: float, at: OperatingPoint
) -> None:
    moved = at.moved_to(threshold)
    low, high = moved.deferral_band
    assert moved.threshold == threshold
    assert low <= threshold <= high


def test_a_moved_band_keeps_its_width_in_log_odds() -> None:
    moved = point(0.5, 0.25, 0.75).moved_to(0.75)
    assert moved.deferral_band == pytest.approx((0.5, 0.9))


@pytest.mark.parametrize(
    ("on_failure", "probability", "harmful"),
    [
        ("student", 0.3, True),  # below 0.75, but above `strict`
        ("student", 0.2, False),
        ("block", 0.0, True),
        ("allow", 0.85, False),  # the end of the band
        ("allow", 0.9, True),
    ],
)
def test_the_policy_decides_where_the_teacher_gave_nothing(
    on_failure: Any, probability: float, harmful: bool
) -> None:
    chosen = policy(on_teacher_failure=on_failure)
    at = chosen.point("prompt", operating_point="permissive", threshold=None)
    verdict = fallback_verdict(probability, at, slice_="prompt", policy=chosen)
    assert verdict.harmful is harmful
    assert (verdict.decided_by, verdict.deferred, verdict.degraded) == ("fallback", True, True)
    assert verdict.probability == verdict.student_probability == probability
    assert verdict.teacher_probability is None


@given(P, st.sampled_from(["strict", "balanced", "permissive"]))
@settings(max_examples=50)
def test_by_default_a_failed_teacher_never_makes_a_verdict_milder(
    probability: float, name: str
) -> None:
    chosen = policy()
    at = chosen.point("pair", operating_point=name, threshold=None)
    verdict = fallback_verdict(probability, at, slice_="pair", policy=chosen)
    assert verdict.harmful >= student_verdict(probability, at).harmful
    assert verdict.harmful == (probability >= verdict.threshold)


def test_points_are_found_by_name() -> None:
    chosen = policy()
    assert chosen.point("prompt", operating_point=None, threshold=None).threshold == 0.5
    assert chosen.point("prompt", operating_point="strict", threshold=None).threshold == 0.25
    assert chosen.point("prompt", operating_point="strict", threshold=0.9).threshold == 0.9
    with pytest.raises(UnknownOperatingPoint) as unknown:
        chosen.point("prompt", operating_point="nosuchpoint", threshold=0.5)
    assert "nosuchpoint" not in str(unknown.value)
    assert unknown.value.known == ("strict", "balanced", "permissive")


@pytest.mark.parametrize(
    "changes",
    [
        {"calibration": {"prompt": Calibration(temperature=1.0)}},
        {"default_operating_point": "other"},
        {"operating_points": {"balanced": policy().operating_points["balanced"]}},
        {"operating_points": {"strict": {"prompt": point(0.5, 0.4, 0.6)}}},
        {"on_teacher_failure": "shrug"},
        {"surprise": 1},
    ],
    ids=["slice", "default", "strict", "point slice", "failure", "unknown"],
)
def test_a_policy_with_a_gap_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        policy(**changes)


@pytest.mark.parametrize("edges", [(0.5, 0.6, 0.7), (0.8, 0.6, 0.7), (0.5, -0.1, 0.6)])
def test_a_band_must_hold_its_threshold(edges: tuple[float, float, float]) -> None:
    with pytest.raises(ValidationError):
        point(*edges)


@given(P, P, P, POINTS)
@settings(max_examples=100)
def test_a_fused_probability_lies_between_two_opinions_that_weigh_alike(
    student: float, teacher: float, other: float, at: OperatingPoint
) -> None:
    verdict = fused_verdict(student, teacher, at, slice_="prompt", policy=policy())
    low, high = sorted((student, teacher))
    assert low - 1e-8 <= verdict.probability <= high + 1e-8
    assert verdict.harmful == (verdict.probability >= at.threshold)
    assert (verdict.decided_by, verdict.deferred, verdict.degraded) == ("fused", True, False)
    assert (verdict.student_probability, verdict.teacher_probability) == (student, teacher)
    if other >= teacher:  # a teacher that finds more harm never lowers the verdict
        more = fused_verdict(student, other, at, slice_="prompt", policy=policy())
        assert more.probability >= verdict.probability


@given(P, P, POINTS)
@settings(max_examples=50)
def test_a_student_without_weight_leaves_the_decision_to_the_teacher(
    student: float, teacher: float, at: OperatingPoint
) -> None:
    obeys = policy(fusion={"prompt": Fusion(student=0.0, teacher=1.0)})
    verdict = fused_verdict(student, teacher, at, slice_="prompt", policy=obeys)
    assert verdict.decided_by == "teacher"
    assert verdict.probability == pytest.approx(teacher, abs=1e-6)
