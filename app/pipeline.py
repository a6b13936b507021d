"""The path of a request: exchange -> segments -> windows -> logits -> probability -> verdict.

The last step, who decides, is `app/cascade.py`.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.batcher import Batcher, Scored
from app.cascade import Cascade, Case, Decided
from app.contract.decision import OperatingPoint, Policy
from app.contract.errors import EmptyPrompt, ExchangeTooLong, InferenceFailed, PosternError
from app.contract.exchange import Exchange, Slice
from app.contract.moderation import (
    Judged,
    Moderation,
    Options,
    TeacherRead,
    TextSpan,
    Timings,
    WorstWindow,
)
from app.contract.probability import harmful_margin, harmful_probability
from app.contract.text import segments
from app.contract.windows import Encoding
from app.metrics import Metrics
from app.tokenizer import Tokenizer
from app.triggers import Disguise, disguise_of

# Below this many characters tokenizing is quicker than the hop to a thread and back.
_INLINE_CHARS = 2000


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Hard limits; what passes them is refused, never cut."""

    max_items: int
    max_exchange_chars: int
    max_exchange_tokens: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """An exchange ready for the student: as it came and, where it is disguised, without that."""

    exchange: Exchange
    encoding: Encoding
    disguise: Disguise | None = None
    decoded: Encoding | None = None

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        return (self.encoding,) if self.decoded is None else (self.encoding, self.decoded)


class Pipeline:
    """Moderates exchanges with one student, and with the teacher behind it."""

    def __init__(
        self,
        *,
        policy: Policy,
        tokenizer: Tokenizer,
        batcher: Batcher,
        limits: InputLimits,
        metrics: Metrics,
        cascade: Cascade | None = None,
        triggers: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self.cascade = cascade or Cascade(policy, None, metrics=metrics, clock=clock)
        self._triggers = triggers
        self._tokenizer = tokenizer
        self._batcher = batcher
        self._limits = limits
        self._metrics = metrics
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
        readings = await self._read(exchanges, reject_long=options.reject_long)
        self._metrics.stage_duration.labels("tokenize").observe(self._clock() - started)
        scored = await self._score(readings, deadline=deadline)
        asked_at = self._clock()
        cases = [
            self._case(reading, scores, point)
            for reading, scores, point in zip(readings, scored, points, strict=True)
        ]
        decided = await self.cascade.decide(cases, fallback=options.fallback, deadline=deadline)
        finished = self._clock()
        deferred = any(one.verdict.deferred for one in decided)
        timings = Timings(
            queue_s=max(one.queue_s for scores in scored for one in scores),
            inference_s=max(one.inference_s for scores in scored for one in scores),
            teacher_s=finished - asked_at if deferred else 0.0,
            total_s=finished - started,
        )
        judged = tuple(map(self._judged, readings, scored, decided))
        self._observe(judged, exchanges, timings)
        name = options.operating_point or self.policy.default_operating_point
        return Moderation(judged, name, timings)

    def _point(self, slice_: Slice, options: Options) -> OperatingPoint:
        return self.policy.point(
            slice_, operating_point=options.operating_point, threshold=options.threshold
        )

    async def _read(self, exchanges: Sequence[Exchange], *, reject_long: bool) -> list[_Reading]:
        if len(exchanges) > self._limits.max_items:
            raise ExchangeTooLong(what="exchanges", limit=self._limits.max_items)
        sizes = [len(e.prompt) + len(e.response or "") for e in exchanges]
        for index, size in enumerate(sizes):
            if size > self._limits.max_exchange_chars:
                raise _blame(self._too_many_characters(), index, exchanges)
        if sum(sizes) <= _INLINE_CHARS:
            readings = self._read_all(exchanges)
        else:
            readings = await asyncio.to_thread(self._read_all, exchanges)
        for index, encoding in enumerate(reading.encoding for reading in readings):
            if not encoding.prompt_tokens:
                # Some visible characters (lone accents, private ones) are nothing to the tokenizer.
                raise _blame(EmptyPrompt(), index, exchanges)
            if reject_long and len(encoding.windows) > 1:
                window = self._tokenizer.window_tokens
                error = ExchangeTooLong(what="tokens in one window", limit=window)
                raise _blame(error, index, exchanges)
        return readings

    def _read_all(self, exchanges: Sequence[Exchange]) -> list[_Reading]:
        encodings = self._tokenize(exchanges)
        if not self._triggers:
            return list(map(_Reading, exchanges, encodings))
        return list(map(self._undisguise, exchanges, encodings))

    def _undisguise(self, exchange: Exchange, encoding: Encoding) -> _Reading:
        disguise = disguise_of(exchange)
        if disguise is None:
            return _Reading(exchange, encoding)
        try:
            texts = segments(disguise.decoded)
        except EmptyPrompt:  # nothing is left of it: the text as it came is all there is
            return _Reading(exchange, encoding, Disguise(disguise.triggers, exchange))
        if texts == segments(exchange):  # the student reads through such a disguise anyway
            return _Reading(exchange, encoding, disguise)
        # No limit of its own: it is about as long as the text that it came from.
        decoded = self._tokenizer.encode(texts)
        return _Reading(exchange, encoding, disguise, decoded)

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

    async def _score(
        self, readings: Sequence[_Reading], *, deadline: float
    ) -> list[tuple[Scored, ...]]:
        """The logits of each reading's encodings, in their order."""
        owners = [i for i, reading in enumerate(readings) for _ in reading.encodings]
        try:
            flat = await self._batcher.submit(
                [encoding for reading in readings for encoding in reading.encodings],
                deadline=deadline,
            )
        except InferenceFailed as exc:
            if exc.index is not None:
                exc.index = owners[exc.index] if len(readings) > 1 else None
            raise
        rest = iter(flat)
        return [tuple(next(rest) for _ in reading.encodings) for reading in readings]

    def _case(self, reading: _Reading, scored: tuple[Scored, ...], point: OperatingPoint) -> Case:
        """Of the text as it came and as it was decoded, the more harmful counts."""
        slice_ = reading.exchange.slice
        exchange, encoding = reading.exchange, reading.encoding
        if reading.disguise is not None:
            # What it says is what the teacher should read, whatever the student makes of it.
            exchange, encoding = reading.disguise.decoded, reading.encodings[-1]
        return Case(
            exchange,
            max(most_harmful_probability(one, self.policy, slice_) for one in scored),
            point,
            disguised=reading.disguise is not None,
            excerpt=functools.partial(self._excerpt, exchange, encoding, scored[-1])
            if encoding.spans
            else None,
        )

    def _excerpt(self, exchange: Exchange, encoding: Encoding, scored: Scored) -> Exchange:
        """The text of the worst window."""
        spans = encoding.spans[int(harmful_margin(scored.logits).argmax())]
        return Exchange(*map(self._tokenizer.excerpt, segments(exchange), spans))

    def _judged(self, reading: _Reading, scored: tuple[Scored, ...], decided: Decided) -> Judged:
        encoding, disguise, verdict = reading.encoding, reading.disguise, decided.verdict
        read: TeacherRead | None = None
        if verdict.teacher_probability is not None:
            read = "text" if disguise is None else "decoded"
            read = "worst_window" if decided.excerpt else read
        return Judged(
            verdict,
            encoding.tokens,
            len(encoding.windows),
            worst_window(scored[0], encoding),
            () if disguise is None else disguise.triggers,
            read,
        )

    def _observe(
        self, judged: Sequence[Judged], exchanges: Sequence[Exchange], timings: Timings
    ) -> None:
        stages = self._metrics.stage_duration
        stages.labels("queue").observe(timings.queue_s)
        stages.labels("infer").observe(timings.inference_s)
        if any(one.verdict.deferred for one in judged):
            stages.labels("teacher").observe(timings.teacher_s)
        for one, exchange in zip(judged, exchanges, strict=True):
            outcome = "harmful" if one.verdict.harmful else "unharmful"
            self._metrics.verdicts.labels(outcome, one.verdict.decided_by).inc()
            probability = one.verdict.student_probability
            self._metrics.probability.labels(exchange.slice).observe(probability)
            for trigger in one.triggers:
                self._metrics.triggers.labels(trigger).inc()


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
