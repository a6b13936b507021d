"""Latencies in an HDR histogram: 1 µs to an hour, three digits, mergeable without loss."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

_LOWEST_US = 1
_HIGHEST_US = 3_600_000_000
_DIGITS = 3
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


class Latencies:
    """Counts of durations. Recorded in seconds, reported in milliseconds."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Latencies:
        made = cls()
        for one in seconds:
            made.record(one)
        return made

    @classmethod
    def decoded(cls, text: str) -> Latencies:
        """Latencies from the text that `encoded` wrote."""
        made = cls()
        made._histogram.decode_and_add(text)
        return made

    @classmethod
    def merged(cls, several: Iterable[Latencies]) -> Latencies:
        made = cls()
        for one in several:
            # The library's own `add` iterates over all possible values, not only those that occur.
            for item in one._histogram.get_recorded_iterator():
                made._histogram.record_value(
                    item.value_iterated_to, item.count_added_in_this_iter_step
                )
        return made

    def record(self, seconds: float) -> None:
        microseconds = min(max(round(seconds * 1e6), _LOWEST_US), _HIGHEST_US)
        self._histogram.record_value(microseconds)

    @property
    def count(self) -> int:
        return int(self._histogram.get_total_count())

    def at_ms(self, percentile: float) -> float:
        """The least recorded latency that `percentile` percent do not exceed; 0 if none."""
        # The library's own method rounds to the nearest rank, which flatters small samples.
        rank = max(1, math.ceil(percentile * self.count / 100.0 - 1e-9))
        for item in self._histogram.get_recorded_iterator():
            if item.total_count_to_this_value >= rank:
                return float(item.value_iterated_to) / 1000.0
        return 0.0

    def within(self, limit_s: float) -> int:
        """Number of latencies of at most `limit_s`, to the histogram's three digits."""
        limit_us = self._histogram.get_highest_equivalent_value(round(limit_s * 1e6))
        counted = 0
        for item in self._histogram.get_recorded_iterator():
            if item.value_iterated_to > limit_us:
                break
            counted = item.total_count_to_this_value
        return counted

    def encoded(self) -> str:
        """Base64 text that other HDR tools can also read."""
        text: str = self._histogram.encode().decode("ascii")
        return text

    def summary_ms(self) -> dict[str, float] | None:
        """The summary in milliseconds; None if nothing was recorded."""
        if not self.count:
            return None
        named = {f"p{percent:g}".replace(".", "_"): self.at_ms(percent) for percent in PERCENTILES}
        return {
            **{name: round(value, 3) for name, value in named.items()},
            "max": round(self._histogram.get_max_value() / 1000.0, 3),
            "mean": round(self._histogram.get_mean_value() / 1000.0, 3),
        }
