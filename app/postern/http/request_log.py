"""The fields that a request's log line has about its verdicts: counts and times, never text."""

from __future__ import annotations

from typing import Any

from postern.contract.moderation import Moderation


def figures(moderation: Moderation) -> dict[str, Any]:
    """Fields of the line `request`. Times are in milliseconds, of the slowest exchange.

    `teacher_ms` is present only if the teacher was wanted for at least one.
    """
    judged, timings = moderation.judged, moderation.timings
    verdicts = [one.verdict for one in judged]
    deferred = sum(verdict.deferred for verdict in verdicts)
    seconds = {
        "tokenize_ms": timings.tokenize_s,
        "queue_ms": timings.queue_s,
        "inference_ms": timings.inference_s,
    }
    if deferred:
        seconds["teacher_ms"] = timings.teacher_s
    return {
        "exchanges": len(judged),
        "tokens": sum(one.tokens for one in judged),
        "windows": sum(one.windows for one in judged),
        "harmful": sum(verdict.harmful for verdict in verdicts),
        "deferred": deferred,
        "taught": sum(verdict.teacher_probability is not None for verdict in verdicts),
        "degraded": sum(verdict.degraded for verdict in verdicts),
        **{name: round(value * 1000.0, 3) for name, value in seconds.items()},
    }
