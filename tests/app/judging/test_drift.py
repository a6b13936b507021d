"""The index is 0 where nothing moved and rises with what did; windows forget, memory stays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.reference import ProbabilityReference, reference_of
from postern.judging.drift import FEWEST, WINDOWS, Drift, SlidingHistogram, psi

from tests.fakes import ManualClock

COUNTS = st.lists(st.integers(0, 10_000), min_size=2, max_size=12)


@given(COUNTS)
def test_the_index_of_the_same_counts_is_zero(counts: list[int]) -> None:
    assert psi(counts, counts) == 0.0


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 9999)), min_size=2, max_size=12))
def test_the_index_is_never_negative_and_the_same_both_ways(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    assert psi(one, other) >= -1e-12
    assert psi(one, other) == pytest.approx(psi(other, one))


def test_a_known_index() -> None:
    assert psi([50_000, 50_000], [20_000, 80_000]) == pytest.approx(
        0.3 * math.log(0.8 / 0.2), abs=1e-3
    )


@given(
    st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(0, 3)), max_size=200),
    st.integers(1, 10),
)
def test_a_window_holds_what_a_list_of_all_events_would(
    events: list[tuple[float, int]], n_buckets: int
) -> None:
    clock, window_s = ManualClock(), 60.0
    histogram = SlidingHistogram(4, window_s=window_s, n_buckets=n_buckets, clock=clock)
    seen: list[tuple[int, int]] = []
    bucket_s = window_s / n_buckets
    for wait, index in events:
        clock.advance(wait)
        histogram.count(index)
        seen.append((int(clock() // bucket_s), index))
    oldest = int(clock() // bucket_s) - n_buckets + 1
    kept = [index for turn, index in seen if turn >= oldest]
    assert histogram.counts() == tuple(kept.count(index) for index in range(4))
    clock.advance(window_s + bucket_s)
    assert histogram.counts() == (0, 0, 0, 0)


def test_drift_is_seen_in_the_hour_first_and_forgotten() -> None:
    rng, clock = np.random.default_rng(0), ManualClock()
    drift = Drift({"prompt": reference_of(rng.beta(1, 4, size=5000))}, clock=clock)
    assert set(drift.watched) == {("prompt", window) for window in WINDOWS}
    assert math.isnan(drift.index("prompt", "1h"))
    for probability in rng.beta(1, 4, size=5000):
        drift.observe("prompt", probability)
        drift.observe("pair", probability)  # which has no reference: not watched, no error
    assert 0.0 <= drift.index("prompt", "1h") < 0.02
    clock.advance(7200.0)
    for probability in rng.beta(4, 1, size=FEWEST):
        drift.observe("prompt", probability)
    assert drift.index("prompt", "1h") > 1.0
    assert drift.index("prompt", "1d") < 0.1
    clock.advance(2 * 86400.0)
    assert math.isnan(drift.index("prompt", "1d"))


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1), min_size=1))
def test_a_reference_counts_every_exchange_where_live_ones_would_fall(values: list[float]) -> None:
    probabilities = np.array(values)
    reference = reference_of(probabilities)
    assert sum(reference.masses) == pytest.approx(len(values))
    drift = Drift({"prompt": reference}, clock=ManualClock())
    for value in values * math.ceil(FEWEST / len(values)):
        drift.observe("prompt", value)
    assert drift.index("prompt", "1h") == pytest.approx(0.0, abs=0.3)
    assert all(mass > 0 for mass in reference.masses)


def test_weights_count_as_repeated_exchanges() -> None:
    rng = np.random.default_rng(3)
    values, weights = rng.random(200), rng.integers(1, 4, 200)
    weighted = reference_of(values, weights.astype(np.float64))
    assert weighted == reference_of(np.repeat(values, weights))
    assert len(weighted.masses) == 10


@pytest.mark.parametrize(
    "changes",
    [{"edges": (0.5, 0.2)}, {"masses": (1.0,)}, {"masses": (0.0, 0.0, 0.0)}, {"edges": (0.5, 1.5)}],
)
def test_a_reference_that_is_none_is_refused(changes: dict[str, object]) -> None:
    fields: dict[str, object] = {"edges": (0.2, 0.5), "masses": (1.0, 2.0, 3.0)}
    with pytest.raises(ValueError, match=r"edges|masses|less than"):
        ProbabilityReference.model_validate(fields | changes)
