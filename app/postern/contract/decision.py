"""Probability -> verdict. The policy ships with the graph it was fitted on. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from postern.contract.errors import UnknownOperatingPoint
from postern.contract.exchange import SLICES, Slice
from postern.contract.probability import Calibration, log_odds_of, sigmoid

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
FallbackMode = Literal["auto", "never", "always"]
DecidedBy = Literal["student", "teacher", "fused", "fallback", "policy", "list"]
OnTeacherFailure = Literal["student", "block", "allow"]

STRICTEST = "strict"


class OperatingPoint(BaseModel):
    """A threshold, and the band of probabilities around it that go to the teacher."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Probability
    """Probability from which a verdict is harmful."""
    deferral_band: tuple[Probability, Probability]
    """Lowest and highest probability that go to the teacher."""

    @model_validator(mode="after")
    def _band_holds_threshold(self) -> OperatingPoint:
        low, high = self.deferral_band
        if not low <= self.threshold <= high:
            raise ValueError("deferral_band must contain threshold")
        return self

    def moved_to(self, threshold: float) -> OperatingPoint:
        """The same point at another threshold. The band keeps its distance from it in log-odds."""
        shift = log_odds_of(threshold) - log_odds_of(self.threshold)
        low, high = (sigmoid(log_odds_of(edge) + shift) for edge in self.deferral_band)
        return OperatingPoint(
            threshold=threshold, deferral_band=(min(low, threshold), max(high, threshold))
        )


class Fusion(BaseModel):
    """Combines two opinions by weighted log-odds, after Bordley (1982).

    Weights of 0 and 1 would obey the teacher. It is not better everywhere, so the weights are
    fitted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    student: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.5
    teacher: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.5
    bias: Annotated[float, Field(allow_inf_nan=False)] = 0.0

    def probability(self, student: float, teacher: float) -> float:
        """Combine two probabilities in [0, 1] into one."""
        return sigmoid(
            self.student * log_odds_of(student) + self.teacher * log_odds_of(teacher) + self.bias
        )


class Policy(BaseModel):
    """How a margin becomes a verdict, for prompts alone and for pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration: dict[Slice, Calibration]
    operating_points: dict[str, dict[Slice, OperatingPoint]]
    default_operating_point: str
    """Used if a request names none."""
    on_teacher_failure: OnTeacherFailure = "student"
    """`student`: the stricter of the requested and the `strict` threshold decides."""
    # Omitted when empty, so that readers without fusion can still read such a policy.
    fusion: dict[Slice, Fusion] = Field(default_factory=dict, exclude_if=lambda value: not value)
    """Fitted on held-out rows with the served teacher.

    Without it, a slice weighs both opinions equally.
    """

    @model_validator(mode="after")
    def _complete(self) -> Policy:
        if set(self.calibration) != set(SLICES):
            raise ValueError("calibration must name every slice")
        if any(set(point) != set(SLICES) for point in self.operating_points.values()):
            raise ValueError("each operating point must name every slice")
        for name in (self.default_operating_point, STRICTEST):
            if name not in self.operating_points:
                raise ValueError(f"operating point {name!r} is missing")
        return self

    def point(
        self, slice_: Slice, *, operating_point: str | None, threshold: float | None
    ) -> OperatingPoint:
        """The operating point of that name.

        `threshold` overrides its own. Raises UnknownOperatingPoint.
        """
        named = self.operating_points.get(operating_point or self.default_operating_point)
        if named is None:
            raise UnknownOperatingPoint(tuple(self.operating_points))
        return named[slice_] if threshold is None else named[slice_].moved_to(threshold)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one exchange. Probabilities in [0, 1]."""

    harmful: bool
    probability: float
    threshold: float
    deferral_band: tuple[float, float]
    decided_by: DecidedBy
    deferred: bool
    degraded: bool
    student_probability: float
    teacher_probability: float | None


def wants_teacher(
    probability: float, point: OperatingPoint, *, fallback: FallbackMode, has_teacher: bool
) -> bool:
    """Tell whether this probability goes to the teacher. `always` wants one even if none is set."""
    if fallback == "always":
        return True
    low, high = point.deferral_band
    return fallback == "auto" and has_teacher and low <= probability <= high


def student_verdict(probability: float, point: OperatingPoint) -> Verdict:
    """The student decides: harmful at or above the threshold."""
    return Verdict(
        harmful=probability >= point.threshold,
        probability=probability,
        threshold=point.threshold,
        deferral_band=point.deferral_band,
        decided_by="student",
        deferred=False,
        degraded=False,
        student_probability=probability,
        teacher_probability=None,
    )


def fused_verdict(
    probability: float, teacher: float, point: OperatingPoint, *, slice_: Slice, policy: Policy
) -> Verdict:
    """Student and teacher decide together: harmful at or above the same threshold."""
    fusion = policy.fusion.get(slice_, Fusion())
    verdict = teacher_verdict(probability, teacher, point)
    fused = fusion.probability(probability, teacher)
    return replace(
        verdict,
        harmful=fused >= point.threshold,
        probability=fused,
        decided_by="fused" if fusion.student else "teacher",
    )


def teacher_verdict(probability: float, teacher: float, point: OperatingPoint) -> Verdict:
    """The teacher decides alone, because the student was not measured for such a text."""
    return replace(
        student_verdict(teacher, point),
        decided_by="teacher",
        deferred=True,
        student_probability=probability,
        teacher_probability=teacher,
    )


def blocked_verdict(probability: float, point: OperatingPoint) -> Verdict:
    """The operator's setting decides, whatever the probability: it is still the student's."""
    verdict = student_verdict(probability, point)
    return replace(verdict, harmful=True, decided_by="policy", degraded=True)


def fallback_verdict(
    probability: float,
    point: OperatingPoint,
    *,
    slice_: Slice,
    policy: Policy,
    on_failure: OnTeacherFailure | None = None,
) -> Verdict:
    """The teacher was wanted but gave no opinion: the policy decides, and the verdict says so.

    on_failure: instead of the policy's own rule.
    """
    rule = on_failure or policy.on_teacher_failure
    strict = policy.operating_points[STRICTEST][slice_].threshold
    threshold = min(point.threshold, strict)
    low, high = point.deferral_band
    outcome: Mapping[OnTeacherFailure, bool] = {
        "student": probability >= threshold,
        "block": True,
        # Only exchanges that the student doubted are allowed. Above its band it had no doubt, and
        # nobody should get harmful text allowed by making the teacher fail.
        "allow": probability > high,
    }
    return Verdict(
        harmful=outcome[rule],
        probability=probability,
        threshold=threshold if rule == "student" else point.threshold,
        deferral_band=(low, high),
        decided_by="fallback",
        deferred=True,
        degraded=True,
        student_probability=probability,
        teacher_probability=None,
    )
