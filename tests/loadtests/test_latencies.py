"""The histogram: merging loses nothing, and percentiles are those of the values."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.latencies import Latencies

# The library is slow: an array of 45,000 counts for each histogram.
FEW = settings(max_examples=6)
SECONDS = st.lists(st.floats(1e-6, 3000.0), max_size=30)


@FEW
@given(st.lists(SECONDS, max_size=4))
def test_merged_is_as_if_recorded_in_one(several: list[list[float]]) -> None:
    merged = Latencies.merged(map(Latencies.of, several))
    together = Latencies.of(one for part in several for one in part)
    assert merged.summary_ms() == together.summary_ms()
    assert merged.count == sum(map(len, several))


@FEW
@given(SECONDS)
def test_what_is_written_is_read_again(seconds: list[float]) -> None:
    recorded = Latencies.of(seconds)
    again = Latencies.decoded(recorded.encoded())
    assert again.summary_ms() == recorded.summary_ms()
    assert again.count == recorded.count


@FEW
@given(SECONDS.filter(bool), st.sampled_from([50.0, 90.0, 99.0, 100.0]))
def test_percentiles_are_within_three_digits(seconds: list[float], percentile: float) -> None:
    ranked = sorted(seconds)
    # The smallest value that at least so many percent do not pass.
    place = next(i for i in range(len(ranked)) if (i + 1) * 100.0 >= percentile * len(ranked))
    found = Latencies.of(seconds).at_ms(percentile) / 1000.0
    assert abs(found - ranked[place]) <= 2e-3 * ranked[place] + 1e-6


@FEW
@given(SECONDS, st.floats(1e-5, 100.0))
def test_how_many_are_within_a_limit(seconds: list[float], limit: float) -> None:
    counted = Latencies.of(seconds).within(limit)
    rounding = 2e-3 * limit + 1e-6
    assert sum(one <= limit - rounding for one in seconds) <= counted
    assert counted <= sum(one <= limit + rounding for one in seconds)


def test_nothing_recorded_is_no_zero() -> None:
    assert Latencies().summary_ms() is None
