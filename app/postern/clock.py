"""The one clock of deadlines, durations and queues."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds on a clock that never goes back; its zero means nothing."""
    return time.monotonic()
