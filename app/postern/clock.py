"""The one clock for deadlines, durations and queues."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds on a clock that never goes back. Only differences have a meaning."""
    return time.monotonic()
