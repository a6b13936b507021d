"""The laws of the cascade's curves: what bounds what, for any opinions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.decision import Fusion

from model_training.measures import curves
from model_training.measures.curves import Opinions


def opinions(seed: int, size: int, *, knows: float = 2.0) -> Opinions:
    """A student and a teacher that knows `knows`; ties included. At least one row of each label."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], rng.integers(0, 2, size - 2)])
    signs = 2.0 * labels - 1.0
    student, teacher = (
        np.round(1 / (1 + np.exp(-(signs * strength + rng.normal(scale=1.5, size=size)))), 2)
        for strength in (0.7, knows)
    )
    return Opinions(
        student=student,
        fused=curves.fuse(student, teacher, Fusion(student=0.7, teacher=0.8, bias=-0.1)),
        teacher=teacher,
        threshold=np.full(size, 0.4),
        teacher_threshold=np.full(size, 0.5),
        labels=labels,
    )


ANY = st.builds(
    opinions, st.integers(0, 10_000), st.integers(4, 120), knows=st.sampled_from([-1.0, 0.0, 2.0])
)
RATES = st.sampled_from(curves.RATES)


@given(ANY, RATES)
@settings(max_examples=60)
def test_no_choice_beats_the_oracle_and_the_oracle_never_harms(one: Opinions, rate: float) -> None:
    rng, size = np.random.default_rng(0), len(one.labels)
    rate = round(rate * size) / size  # a share that rows can make up
    best = curves.line(one, "oracle", rate)
    assert best >= curves.line(one, "band", rate) - 1e-12
    assert best >= curves.line(one, "random", rate) - 1e-12
    assert best >= curves.f1_of(one.by_student, one.labels)
    for _ in range(5):
        deferred = rng.permutation(size) < round(rate * size)
        assert best >= curves.f1_deferring(one, deferred) - 1e-12


def test_the_oracle_is_the_best_of_all_subsets() -> None:
    for seed in range(12):
        one = opinions(seed, 9)
        for size in range(10):
            best = max(
                curves.f1_deferring(one, np.isin(np.arange(9), chosen))
                for count in range(size + 1)
                for chosen in combinations(range(9), count)
            )
            assert curves.line(one, "oracle", size / 9) == pytest.approx(best)


@given(ANY)
@settings(max_examples=40)
def test_the_ends_of_every_line(one: Opinions) -> None:
    alone = curves.f1_of(one.by_student, one.labels)
    both = curves.f1_of(one.by_fusion, one.labels)
    for name in curves.LINES:
        assert curves.line(one, name, 0.0) == pytest.approx(alone)
    assert curves.line(one, "band", 1.0) == pytest.approx(both)
    assert curves.line(one, "random", 1.0) == pytest.approx(both)
    override = curves.line(one, "override", 1.0)
    assert override == pytest.approx(curves.f1_of(one.by_teacher, one.labels))
    assert curves.line(one, "oracle", 1.0) >= max(alone, both)


@given(ANY)
@settings(max_examples=40)
def test_the_oracle_rises_with_the_rate(one: Opinions) -> None:
    found = [curves.line(one, "oracle", rate) for rate in curves.RATES]
    assert found == sorted(found)


def test_random_deferral_is_the_chord_in_expectation() -> None:
    one, rng = opinions(3, 400), np.random.default_rng(0)
    for rate in (0.1, 0.5):
        drawn = [
            curves.f1_deferring(one, rng.permutation(400) < round(rate * 400)) for _ in range(400)
        ]
        assert curves.line(one, "random", rate) == pytest.approx(float(np.mean(drawn)), abs=0.01)


@given(ANY, RATES)
@settings(max_examples=40)
def test_the_band_is_a_band_of_the_asked_for_size(one: Opinions, rate: float) -> None:
    deferred = curves.in_band(one, rate)
    assert deferred.sum() == round(rate * len(one.labels))
    if deferred.any() and not deferred.all():
        doubts = curves.doubt(one)
        assert doubts[deferred].min() >= doubts[~deferred].max()


@given(ANY, RATES)
@settings(max_examples=40)
def test_benefit_less_harm_is_the_change_in_right_verdicts(one: Opinions, rate: float) -> None:
    found = curves.deferred_figures(one, rate)
    deferred = curves.in_band(one, rate)
    after = np.where(deferred, one.by_fusion, one.by_student) == (one.labels == 1)
    before = one.by_student == (one.labels == 1)
    assert found["benefit"] - found["harm"] == int(after.sum()) - int(before.sum())
    assert found["benefit"] <= found["student_errors"] <= found["deferred"]


def test_a_knowing_teacher_pays_and_a_blind_one_does_not() -> None:
    good, blind = opinions(1, 4000, knows=3.0), opinions(1, 4000, knows=0.0)
    share = curves.gain_share(good, 0.1)
    assert share is not None
    assert 0.1 < share <= 1.0
    assert (curves.gain_share(blind, 0.1) or 0.0) < share
    found = curves.intervals(good, 0.1, n_resamples=100)
    assert found["band"][0] < curves.line(good, "band", 0.1) < found["band"][1]
    assert found["band_less_student"][0] > 0.0
    assert found == curves.intervals(good, 0.1, n_resamples=100)


@given(ANY)
@settings(max_examples=40)
def test_risk_coverage_ends_at_the_error_rate_and_order_of_ties_is_nothing(one: Opinions) -> None:
    errors, doubts = one.by_student != (one.labels == 1), curves.doubt(one)
    coverage, risk = curves.risk_coverage(errors, doubts)
    assert coverage[-1] == 1.0
    assert risk[-1] == pytest.approx(errors.mean())
    order = np.random.default_rng(0).permutation(len(errors))
    assert curves.aurc(errors[order], doubts[order]) == pytest.approx(curves.aurc(errors, doubts))
    best = curves.aurc(errors, errors.astype(np.float64))
    assert best - 1e-12 <= curves.aurc(errors, doubts)


def test_a_known_area_under_the_risk_coverage_curve() -> None:
    errors = np.array([False, True, False, True])
    assert curves.aurc(errors, np.array([0.1, 0.2, 0.3, 0.4])) == pytest.approx(
        (0 + 1 / 2 + 1 / 3 + 2 / 4) / 4
    )
    assert curves.aurc(errors, np.zeros(4)) == 0.5


def test_fusion_of_many_is_fusion_of_one() -> None:
    rng, fusion = np.random.default_rng(0), Fusion(student=0.3, teacher=1.7, bias=-0.4)
    student, teacher = np.append(rng.random(50), [0, 1]), np.append(rng.random(50), [1, 1])
    expected = [fusion.probability(s, t) for s, t in zip(student, teacher, strict=True)]
    assert curves.fuse(student, teacher, fusion) == pytest.approx(expected)
