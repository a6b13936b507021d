"""A labelled, scored sample -> policy and certificate. Each step has prompts of its own. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from postern.calibration.figures import Ints
from postern.calibration.fit import Sample, choose_calibration, fit_fusion
from postern.calibration.guarantee import bound, lower_edge, upper_edge
from postern.calibration.operating_points import point_figures, thresholds
from postern.calibration.parts import Mask, ScoredSlice, Wanted, shortages
from postern.contract.certificate import CertifiedThreshold, EndToEnd, SliceCertificate
from postern.contract.decision import (
    Fusion,
    OperatingPoint,
    Policy,
    Verdict,
    fallback_verdict,
    fused_verdict,
    student_verdict,
    wants_teacher,
)
from postern.contract.errors import TooFewRows
from postern.contract.exchange import Slice
from postern.contract.probability import Calibration, Floats, harmful_probability

_POINTS: Final = ("strict", "balanced", "permissive")


@dataclass(frozen=True)
class CertifiedSlice:
    """What one slice adds to the policy, and what was proved about it."""

    calibration: Calibration
    points: dict[str, OperatingPoint]
    fusion: Fusion | None
    certificate: SliceCertificate
    metrics: dict[str, Any]


def certify_slice(
    sample: ScoredSlice, slice_: Slice, wanted: Wanted, *, old: Policy
) -> CertifiedSlice:
    """Fit, choose, certify and audit one slice. Raises TooFewRows.

    old: the policy that the new one follows. What happens when a teacher fails stays the same.
    """
    lacking = shortages(sample, slice_, wanted)
    if lacking:
        raise TooFewRows("; ".join(lacking))
    whole = Sample(sample.margins, sample.labels, np.ones(len(sample.labels)), sample.folds)
    calibration, metrics = choose_calibration(whole.part(sample.within("fit")))
    probabilities = harmful_probability(sample.margins, calibration)
    choose = sample.within("choose")
    fusion = _fusion(sample, probabilities, choose)
    certify = sample.within("certify")
    low, high = (
        edge(
            probabilities[certify & (sample.labels == label)],
            alpha=wanted.alpha(label),
            delta=wanted.delta,
        )
        for edge, label in ((lower_edge, 1), (upper_edge, 0))
    )
    points = _points(probabilities[choose], sample.labels[choose], low=low, high=high)
    found = CertifiedSlice(
        calibration,
        points,
        fusion,
        SliceCertificate(rows=sample.rows(), low=low, high=high, end_to_end={}),
        metrics,
    )
    return _audited(found, sample, slice_, wanted, policy=new_policy(old, {slice_: found}))


def new_policy(old: Policy, found: Mapping[Slice, CertifiedSlice]) -> Policy:
    """The old policy with the calibrated slices replaced; the other slices keep theirs."""
    kept = {name: fusion for name, fusion in old.fusion.items() if name not in found}
    fused = {name: one.fusion for name, one in found.items() if one.fusion is not None}
    default = old.default_operating_point
    return Policy(
        calibration={
            name: found[name].calibration if name in found else calibration
            for name, calibration in old.calibration.items()
        },
        operating_points={
            point: {
                name: found[name].points[point] if name in found else had
                for name, had in old.operating_points.get(
                    point, old.operating_points[default]
                ).items()
            }
            for point in _POINTS
        },
        default_operating_point=default if default in _POINTS else "balanced",
        on_teacher_failure=old.on_teacher_failure,
        fusion=kept | fused,
    )


def _fusion(sample: ScoredSlice, probabilities: Floats, where: Mask) -> Fusion | None:
    """Weights of the two opinions, fitted on rows that the calibration did not see."""
    if sample.teacher is None:
        return None
    told = where & ~np.isnan(sample.teacher)
    if len(set(sample.labels[told].tolist())) < 2:
        raise TooFewRows("the teacher gave too few opinions to weigh: both labels are needed")
    return fit_fusion(probabilities[told], sample.teacher[told], sample.labels[told])


def _points(
    probabilities: Floats, labels: Ints, *, low: CertifiedThreshold, high: CertifiedThreshold
) -> dict[str, OperatingPoint]:
    """Each threshold with the certified band, widened to contain it, which only defers more."""
    chosen = thresholds(probabilities, labels, np.ones(len(labels)))
    return {
        name: OperatingPoint(
            threshold=threshold,
            deferral_band=(min(low.threshold, threshold), max(high.threshold, threshold)),
        )
        for name, threshold in chosen.items()
    }


def _audited(
    found: CertifiedSlice, sample: ScoredSlice, slice_: Slice, wanted: Wanted, *, policy: Policy
) -> CertifiedSlice:
    """Add figures and bounds of the whole policy, on the part that was used for no choice."""
    audit = sample.within("audit")
    labels = sample.labels[audit]
    probabilities = harmful_probability(sample.margins[audit], found.calibration)
    teacher = None if sample.teacher is None else sample.teacher[audit]
    disguised = sample.disguised[audit]
    end_to_end, figures = {}, {}
    for name, point in found.points.items():
        asked = deferred(probabilities, disguised, point, has_teacher=teacher is not None)
        harmful = outcomes(probabilities, teacher, asked, point, slice_=slice_, policy=policy)
        end_to_end[name] = EndToEnd(
            miss_rate=bound(~harmful[labels == 1], delta=wanted.delta),
            false_positive_rate=bound(harmful[labels == 0], delta=wanted.delta),
            deferral_rate=bound(asked, delta=wanted.delta),
        )
        figures[name] = point_figures(point, probabilities, labels, np.ones(len(labels)))
    return replace(
        found,
        certificate=found.certificate.model_copy(update={"end_to_end": end_to_end}),
        metrics=found.metrics | {"operating_points": figures},
    )


def deferred(student: Floats, disguised: Mask, point: OperatingPoint, *, has_teacher: bool) -> Mask:
    """(n,) rows that the server would send to a teacher: the band, and everything disguised.

    Without a teacher, only the band, which is what the server would send to one.
    """
    in_band = [
        wants_teacher(float(probability), point, fallback="auto", has_teacher=True)
        for probability in student
    ]
    return np.array(in_band, dtype=np.bool_) | (disguised & has_teacher)


def outcomes(
    student: Floats,
    teacher: Floats | None,
    asked: Mask,
    point: OperatingPoint,
    *,
    slice_: Slice,
    policy: Policy,
) -> Mask:
    """(n,) which exchanges the server would call harmful, by the same functions as the server.

    teacher: (n,), NaN where it fails; None without a teacher: the student decides alone. asked:
    (n,) from `deferred`.
    """

    def verdict(probability: float, opinion: float, *, ask: bool) -> Verdict:
        if teacher is None or not ask:
            return student_verdict(probability, point)
        if math.isnan(opinion):
            return fallback_verdict(probability, point, slice_=slice_, policy=policy)
        return fused_verdict(probability, opinion, point, slice_=slice_, policy=policy)

    opinions = np.full(len(student), np.nan) if teacher is None else teacher
    return np.array(
        [
            verdict(float(probability), float(opinion), ask=bool(ask)).harmful
            for probability, opinion, ask in zip(student, opinions, asked, strict=True)
        ],
        dtype=np.bool_,
    )
