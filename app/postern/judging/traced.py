"""What the span of a moderation says: counts, the verdict and its probability. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from postern.contract.exchange import Exchange
from postern.contract.moderation import Moderation
from postern.tracing.names import ALLOW, DENY, LLM_INPUT, LLM_OUTPUT, Attribute
from postern.tracing.spans import NOTHING, Span


def describe(span: Span, exchanges: Sequence[Exchange], moderation: Moderation) -> None:
    """Note the outcome of a moderation."""
    if span is NOTHING:
        return
    verdicts = [one.verdict for one in moderation.judged]
    slices = {exchange.slice for exchange in exchanges}
    if len(slices) == 1:
        span.set(Attribute.TARGET, LLM_INPUT if slices == {"prompt"} else LLM_OUTPUT)
    span.set(Attribute.VERDICT, DENY if moderation.harmful else ALLOW)
    span.set(Attribute.POLICY, moderation.operating_point)
    span.set(Attribute.RISK, round(max(one.probability for one in verdicts), 6))
    span.set(Attribute.EXCHANGES, len(verdicts))
    span.set(Attribute.HARMFUL, sum(one.harmful for one in verdicts))
    span.set(Attribute.DEFERRED, sum(one.deferred for one in verdicts))
    span.set(Attribute.DEGRADED, sum(one.degraded for one in verdicts))
    span.set(Attribute.TOKENS, sum(one.tokens for one in moderation.judged))
    span.set(Attribute.WINDOWS, sum(one.windows for one in moderation.judged))
