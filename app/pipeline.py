"""The path of a request: exchange -> segments -> windows -> logits -> probability -> verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.batcher import Batcher, Scored
from app.contract.decision import (
    FallbackMode,
    OperatingPoint,
    Policy,
    fallback_verdict,
    student_verdict,
    wants_teacher,
)
from app.contract.errors import EmptyPrompt, ExchangeTooLong, PosternError
from app.contract.exchange import Exchange, Slice
from app.contract.moderation import (
    Judged,
    Moderation,
    Options,
    TextSpan,
    Timings,
    WorstWindow,
)
from app.contract.probability import harmful_margin, harmful_probability
from app.contract.text import segments
from app.contract.windows import Encoding
from app.drift import Drift
from app.metrics import Metrics
from app.tokenizer import Tokenizer

# Below this many characters tokenizing is quicker than the hop to a thread and back.
_INLINE_CHARS = 2000


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Hard limits; what passes them is refused, never cut."""

    max_items: int
    max_exchange_chars: int
    max_exchange_tokens: int


class Pipeline:
    """Moderates exchanges with one student."""

    def __init__(
        self,
        *,
        policy: Policy,
        tokenizer: Tokenizer,
        batcher: Batcher,
        limits: InputLimits,
        metrics: Metrics,
        drift: Drift | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self._tokenizer = tokenizer
        self._batcher = batcher
        self._limits = limits
        self._metrics = metrics
        self._drift = drift or Drift({}, clock=clock)
        self._clock = clock

    async def moderate(
        self, exchanges: Sequence[Exchange], options: Options, *, deadline: float
    ) -> Moderation:
        """Judges every exchange, or raises: there is no partial answer.

        deadline: absolute seconds on the clock. Raises EmptyPrompt, ExchangeTooLong,
        UnknownOperatingPoint, and whatever `Batcher.submit` raises.
        """
        started = self._clock()
        points = [self._point(exchange.slice, options) for exchange in exchanges]
        encodings = await self._encode(exchanges, reject_long=options.reject_long)
        self._metrics.stage_duration.labels("tokenize").observe(self._clock() - started)
        scored = await self._batcher.submit(encodings, deadline=deadline)
        judged = tuple(
            self._judge(exchange.slice, point, encoding, scores, options.fallback)
            for exchange, point, encoding, scores in zip(
                exchanges, points, encodings, scored, strict=True
            )
        )
        timings = Timings(
            queue_s=max(scores.queue_s for scores in scored),
            inference_s=max(scores.inference_s for scores in scored),
            teacher_s=0.0,
            total_s=self._clock() - started,
        )
        self._metrics.stage_duration.labels("queue").observe(timings.queue_s)
        self._metrics.stage_duration.labels("infer").observe(timings.inference_s)
        name = options.operating_point or self.policy.default_operating_point
        return Moderation(judged, name, timings)

    def _point(self, slice_: Slice, options: Options) -> OperatingPoint:
        return self.policy.point(
            slice_, operating_point=options.operating_point, threshold=options.threshold
        )

    async def _encode(self, exchanges: Sequence[Exchange], *, reject_long: bool) -> list[Encoding]:
        if len(exchanges) > self._limits.max_items:
            raise ExchangeTooLong(what="exchanges", limit=self._limits.max_items)
        sizes = [len(e.prompt) + len(e.response or "") for e in exchanges]
        for index, size in enumerate(sizes):
            if size > self._limits.max_exchange_chars:
                raise _blame(self._too_many_characters(), index, exchanges)
        if sum(sizes) <= _INLINE_CHARS:
            encodings = self._tokenize(exchanges)
        else:
            encodings = await asyncio.to_thread(self._tokenize, exchanges)
        for index, encoding in enumerate(encodings):
            if not encoding.prompt_tokens:
                # Some visible characters (lone accents, private ones) are nothing to the tokenizer.
                raise _blame(EmptyPrompt(), index, exchanges)
            if reject_long and len(encoding.windows) > 1:
                window = self._tokenizer.window_tokens
                error = ExchangeTooLong(what="tokens in one window", limit=window)
                raise _blame(error, index, exchanges)
        return encodings

    def _tokenize(self, exchanges: Sequence[Exchange]) -> list[Encoding]:
        many: list[tuple[str, ...]] = []
        for index, exchange in enumerate(exchanges):
            try:
                many.append(segments(exchange))
            except EmptyPrompt as exc:
                raise _blame(exc, index, exchanges) from None
            # Counted again, because normalization can make a text 18 times as long.
            if sum(map(len, many[-1])) > self._limits.max_exchange_chars:
                raise _blame(self._too_many_characters(), index, exchanges)
        return self._tokenizer.encode_many(many, max_tokens=self._limits.max_exchange_tokens)

    def _too_many_characters(self) -> ExchangeTooLong:
        return ExchangeTooLong(what="characters", limit=self._limits.max_exchange_chars)

    def _judge(
        self,
        slice_: Slice,
        point: OperatingPoint,
        encoding: Encoding,
        scored: Scored,
        fallback: FallbackMode,
    ) -> Judged:
        probability = most_harmful_probability(scored, self.policy, slice_)
        if wants_teacher(probability, point, fallback=fallback, has_teacher=False):
            verdict = fallback_verdict(probability, point, slice_=slice_, policy=self.policy)
            self._metrics.degraded.inc()
        else:
            verdict = student_verdict(probability, point)
        outcome = "harmful" if verdict.harmful else "unharmful"
        self._metrics.verdicts.labels(outcome, verdict.decided_by).inc()
        self._metrics.probability.labels(slice_).observe(probability)
        self._drift.observe(slice_, probability)
        worst = worst_window(scored, encoding)
        return Judged(verdict, encoding.tokens, len(encoding.windows), worst)


def most_harmful_probability(scored: Scored, policy: Policy, slice_: Slice) -> float:
    """The calibrated probability of the most harmful window, in [0, 1]."""
    margin = harmful_margin(scored.logits).max(keepdims=True)
    return float(harmful_probability(margin, policy.calibration[slice_])[0])


def worst_window(scored: Scored, encoding: Encoding) -> WorstWindow | None:
    """Which of several windows is the most harmful, the first of equals, and what it held."""
    if not encoding.spans:
        return None
    index = int(harmful_margin(scored.logits).argmax())
    totals = (encoding.prompt_tokens, encoding.tokens - encoding.prompt_tokens)
    held = [
        TextSpan(*span, tokens) for span, tokens in zip(encoding.spans[index], totals, strict=False)
    ]
    return WorstWindow(index, held[0], held[1] if len(held) > 1 else None)


def _blame(error: PosternError, index: int, exchanges: Sequence[Exchange]) -> PosternError:
    """The error, saying which of several exchanges is to blame."""
    if len(exchanges) > 1:
        error.index = index
    return error
