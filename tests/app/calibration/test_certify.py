"""A whole slice: certified policy on samples of a known population, and refusals with numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.calibration.bounds import rows_needed
from postern.calibration.certify import certify_slice, deferred, new_policy, outcomes
from postern.calibration.labelled import Labelled
from postern.calibration.parts import FEWEST, PARTS, SHARES, Wanted, scored_slice, shortages
from postern.contract.decision import Fusion, OperatingPoint, Policy
from postern.contract.errors import TooFewRows
from postern.contract.exchange import SLICES, Exchange
from postern.contract.probability import Calibration, harmful_probability

from tests.app.calibration.samples import Population

WANTED = Wanted(alpha_miss=0.05, alpha_false_alarm=0.1, delta=0.05)
OLD = Policy(
    calibration={name: Calibration(temperature=1.0) for name in SLICES},
    operating_points={
        point: {
            name: OperatingPoint(threshold=threshold, deferral_band=(threshold, threshold))
            for name in SLICES
        }
        for point, threshold in (("strict", 0.3), ("balanced", 0.5), ("permissive", 0.7))
    },
    default_operating_point="balanced",
    on_teacher_failure="block",
)


def test_a_good_teacher_lowers_both_errors_and_the_certificate_says_by_how_much() -> None:
    rng = np.random.default_rng(0)
    alone = certify_slice(Population().sample(4000, rng), "prompt", WANTED, old=OLD)
    helped = certify_slice(
        Population(teacher_apart=5.0).sample(4000, rng), "prompt", WANTED, old=OLD
    )

    assert alone.fusion is None
    assert helped.fusion is not None
    assert helped.fusion.teacher > 0.3  # 1 where both opinions are calibrated and independent
    for name in ("strict", "balanced", "permissive"):
        one, other = alone.certificate.end_to_end[name], helped.certificate.end_to_end[name]
        errors = one.miss_rate.rate + one.false_positive_rate.rate
        assert other.miss_rate.rate + other.false_positive_rate.rate < errors / 2
        for counted in (other.miss_rate, other.false_positive_rate, other.deferral_rate):
            assert counted.rate < counted.upper_bound < 1.0
        low, high = helped.points[name].deferral_band
        assert low <= helped.certificate.low.threshold
        assert high >= helped.certificate.high.threshold


def test_no_row_is_used_twice() -> None:
    """What is fitted, chosen, certified and audited does not move when other parts change."""
    rng = np.random.default_rng(1)
    sample = Population(teacher_apart=3.0).sample(3000, rng)
    before = certify_slice(sample, "prompt", WANTED, old=OLD)
    audit = sample.within("audit")
    sample.margins[audit] = rng.normal(size=int(audit.sum()))
    after = certify_slice(sample, "prompt", WANTED, old=OLD)

    assert after.certificate.end_to_end != before.certificate.end_to_end
    assert (after.calibration, after.points, after.fusion) == (
        before.calibration,
        before.points,
        before.fusion,
    )
    assert after.certificate.low == before.certificate.low
    certify = sample.within("certify")
    sample.margins[certify] = rng.normal(size=int(certify.sum()))
    third = certify_slice(sample, "prompt", WANTED, old=OLD)
    assert third.certificate.low != before.certificate.low
    assert (third.calibration, third.fusion) == (before.calibration, before.fusion)
    assert {n: p.threshold for n, p in third.points.items()} == {
        n: p.threshold for n, p in before.points.items()
    }


def test_end_to_end_bounds_hold_on_what_was_never_seen() -> None:
    """The audited rates of many samples against the rates on a large one: bounds fail rarely."""
    rng, failed, draws = np.random.default_rng(2), 0, 40
    population = Population(teacher_apart=3.0, disguised_rate=0.2)
    truth = population.sample(5000, rng)
    for _ in range(draws):
        found = certify_slice(population.sample(1200, rng), "prompt", WANTED, old=OLD)
        policy = new_policy(OLD, {"prompt": found})
        point = policy.operating_points["balanced"]["prompt"]
        student = harmful_probability(truth.margins, found.calibration)
        asked = deferred(student, truth.disguised, point, has_teacher=True)
        harmful = outcomes(student, truth.teacher, asked, point, slice_="prompt", policy=policy)
        missed = 1.0 - harmful[truth.labels == 1].mean()
        failed += missed > found.certificate.end_to_end["balanced"].miss_rate.upper_bound
    assert failed <= draws * WANTED.delta + 4 * np.sqrt(draws * 0.05 * 0.95)


@given(st.integers(0, 1000), st.integers(50, 900))
@settings(max_examples=25)
def test_it_refuses_exactly_where_a_part_is_too_small(seed: int, size: int) -> None:
    sample = Population().sample(size, np.random.default_rng(seed))
    rows = sample.rows()
    enough = all(
        min(rows[part]) >= FEWEST for part in PARTS
    ) and rows["certify"][0] >= rows_needed(0.05, 0.05) and rows["certify"][1] >= rows_needed(
        0.1, 0.05
    )  # fmt: skip
    assert (shortages(sample, "pair", WANTED) == []) is enough
    if not enough:
        with pytest.raises(TooFewRows, match=r"slice pair: .* about \d+ more (un)?harmful ones"):
            certify_slice(sample, "pair", WANTED, old=OLD)


def test_as_many_rows_as_the_refusal_asks_for_are_enough() -> None:
    rng = np.random.default_rng(3)
    wanted = Wanted(alpha_miss=0.01, alpha_false_alarm=0.05, delta=0.05)
    small = _labelled(rng, harmful=100, unharmful=400)
    (problem,) = shortages(scored_slice(small, np.zeros(500), None), "prompt", wanted)
    assert "takes 299 exchanges" in problem
    more = int(problem.partition("about ")[2].split()[0])
    larger = small + _labelled(rng, harmful=more, unharmful=0)
    assert shortages(scored_slice(larger, np.zeros(len(larger)), None), "prompt", wanted) == []


def _labelled(rng: np.random.Generator, *, harmful: int, unharmful: int) -> list[Labelled]:
    return [
        Labelled(Exchange(f"prompt {rng.integers(1 << 60)}"), int(number < harmful))
        for number in range(harmful + unharmful)
    ]


def test_a_prompt_stands_on_one_side_and_counts_once_where_rates_are_counted() -> None:
    rows = [
        Labelled(Exchange(text, f"answer {copy}"), copy % 2)
        for text in (f"Prompt {number}" for number in range(300))
        for copy in range(6)
    ]
    again = [Labelled(Exchange(r.exchange.prompt.upper() + "!!"), r.label) for r in rows]
    both = [*rows, *again]
    places = np.arange(len(both), dtype=np.float64)
    found = scored_slice(both, places, None)
    part_of: dict[str, set[int]] = {}
    for place, part in zip(found.margins, found.parts, strict=True):
        prompt = both[int(place)].exchange.prompt.upper().rstrip("!")
        part_of.setdefault(prompt, set()).add(int(part))
    assert all(len(parts) == 1 for parts in part_of.values())
    assert len(part_of) == 300
    for part in PARTS:
        harmful, unharmful = found.rows()[part]
        prompts = sum(parts == {PARTS.index(part)} for parts in part_of.values())
        assert harmful == unharmful == prompts * (1 if part in ("certify", "audit") else 6)
        assert prompts / 300 == pytest.approx(SHARES[part], abs=0.1)


def test_a_slice_that_was_not_calibrated_keeps_its_policy() -> None:
    found = certify_slice(
        Population(teacher_apart=3.0).sample(2000, np.random.default_rng(4)),
        "pair",
        WANTED,
        old=OLD.model_copy(update={"fusion": {"prompt": Fusion(bias=1.0), "pair": Fusion()}}),
    )
    policy = new_policy(
        OLD.model_copy(update={"fusion": {"prompt": Fusion(bias=1.0), "pair": Fusion()}}),
        {"pair": found},
    )
    assert policy.calibration["prompt"] == OLD.calibration["prompt"]
    assert policy.calibration["pair"] == found.calibration
    assert policy.fusion == {"prompt": Fusion(bias=1.0), "pair": found.fusion}
    assert policy.on_teacher_failure == "block"
    for name, points in policy.operating_points.items():
        assert points["prompt"] == OLD.operating_points[name]["prompt"]
        assert points["pair"] == found.points[name]


def test_a_teacher_that_says_nothing_is_counted_as_a_failure_never_as_a_pass() -> None:
    student = np.array([0.01, 0.4, 0.45, 0.99])
    point = OperatingPoint(threshold=0.5, deferral_band=(0.1, 0.9))
    silent = np.full(4, np.nan)
    asked = deferred(student, np.zeros(4, dtype=np.bool_), point, has_teacher=True)
    assert asked.tolist() == [False, True, True, False]
    found = outcomes(student, silent, asked, point, slice_="prompt", policy=OLD)
    assert found.tolist() == [False, True, True, True]  # the old policy blocks
    alone = outcomes(student, None, asked, point, slice_="prompt", policy=OLD)
    assert alone.tolist() == [False, False, False, True]


def test_what_is_disguised_is_deferred_where_there_is_a_teacher() -> None:
    student, disguised = np.array([0.01, 0.01, 0.5]), np.array([True, False, True])
    point = OperatingPoint(threshold=0.5, deferral_band=(0.4, 0.6))
    with_one, without = (
        deferred(student, disguised, point, has_teacher=there) for there in (True, False)
    )
    assert with_one.tolist() == [True, False, True]
    assert without.tolist() == [False, False, True]
    policy = OLD.model_copy(update={"fusion": {"prompt": Fusion(student=0.0, teacher=1.0)}})
    sure, silent = np.full(3, 0.99), np.full(3, np.nan)
    for teacher, asked, harmful in (
        (sure, with_one, [True, False, True]),  # the teacher convinces where it is asked
        (silent, with_one, [True, False, True]),  # the old policy blocks
        (None, without, [False, False, True]),  # the student decides alone
    ):
        found = outcomes(student, teacher, asked, point, slice_="prompt", policy=policy)
        assert found.tolist() == harmful


def test_the_certificate_counts_every_forced_deferral() -> None:
    def rates(teacher_apart: float | None, disguised_rate: float) -> dict[str, float]:
        population = Population(teacher_apart=teacher_apart, disguised_rate=disguised_rate)
        sample = population.sample(2000, np.random.default_rng(6))
        found = certify_slice(sample, "prompt", WANTED, old=OLD)
        whole = found.certificate.end_to_end
        return {name: one.deferral_rate.rate for name, one in whole.items()}

    for name, rate in rates(3.0, 0.0).items():
        assert rate < 1.0
        assert rates(3.0, 1.0)[name] == 1.0
        assert rate < rates(3.0, 0.3)[name] < 1.0
    assert rates(None, 1.0) == rates(None, 0.0)  # nobody is asked
