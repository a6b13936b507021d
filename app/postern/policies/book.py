"""The policies in force, replaced whole, and how often each caller may ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from postern.contract.policy_errors import RateExceeded
from postern.policies.records import CallerPolicy, Policies

_MINUTE_S: Final = 60.0


class PolicyBook:
    """For one event loop, which also replaces the policies, so a request sees one file or the
    other."""

    def __init__(self, policies: Policies, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.policies = policies
        self._clock = clock
        # By caller: requests left, and when that was counted. Callers are few: keys, numbered.
        self._left: dict[int, tuple[float, float]] = {}

    def of(self, caller: int) -> CallerPolicy:
        """The policy of a caller, by the number of its key; 0 without keys."""
        return self.policies.of(caller)

    def admit(self, caller: int, policy: CallerPolicy) -> None:
        """Count one request. Raises RateExceeded.

        A minute's requests may come at once; each becomes free again after its share of a minute.
        """
        limit = policy.limits.requests_per_minute
        if limit is None:
            return
        now = self._clock()
        left, counted = self._left.get(caller, (float(limit), now))
        left = min(float(limit), left + (now - counted) * limit / _MINUTE_S)
        if left < 1.0:
            self._left[caller] = (left, now)
            raise RateExceeded(limit, retry_after_s=(1.0 - left) * _MINUTE_S / limit)
        self._left[caller] = (left - 1.0, now)
