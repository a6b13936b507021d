"""A shadow: another student that judges a share of the traffic beside the one that serves.

It changes no verdict, and no request waits for it. Exchanges are handed over without a lock and
without waiting; what finds no room is dropped and counted. One thread of low priority judges them,
and gives way to the student (`teacher/courtesy.py`).
"""

from __future__ import annotations

import functools
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, TypeVar

import numpy as np

from postern.contract.decision import Policy
from postern.contract.errors import EmptyPrompt, InferenceFailed
from postern.contract.exchange import SLICES, Exchange
from postern.contract.text import segments
from postern.contract.windows import Window
from postern.disguises.triggers import Disguise, second_reading
from postern.inference.entries import Logits, Scored, run_guarded
from postern.judging.pipeline import most_harmful_probability
from postern.metrics import Metrics
from postern.teacher.courtesy import Courtesy
from postern.teacher.local import Member, yield_to_others

# Padded tokens between two moments at which the shadow may give way.
_BATCH_TOKENS: Final = 512
_CLOSE_S: Final = 1.0
_WORDS: Final = ("harmful", "unharmful")

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class ShadowRules:
    """share: of the exchanges, in [0, 1]. exchanges, chars: that may wait. max_tokens: of one."""

    share: float
    max_tokens: int
    exchanges: int = 256
    chars: int = 1 << 20


@dataclass(frozen=True, slots=True)
class _Seen:
    """An exchange, and the calibrated probability that the student gave it."""

    exchange: Exchange
    disguise: Disguise | None
    probability: float
    chars: int


class Shadow:
    """`offer` is called on the event loop; one thread judges what was offered.

    member: the artifact on trial. served: the policy of the student that decides. processor_s: CPU
    time that the calling thread has used.
    """

    def __init__(
        self,
        member: Member,
        served: Policy,
        *,
        rules: ShadowRules,
        metrics: Metrics,
        courtesy: Courtesy,
        draw: Callable[[], float] = random.random,
        processor_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self._member = member
        self._rules = rules
        self._metrics = metrics
        self._courtesy = courtesy
        self._draw = draw
        self._processor_s = processor_s
        self._thresholds = {
            (name, slice_): (points[slice_].threshold, tried[slice_].threshold)
            for name, points in served.operating_points.items()
            if (tried := member.policy.operating_points.get(name)) is not None
            for slice_ in SLICES
        }
        self._queue: SimpleQueue[_Seen | None] = SimpleQueue()
        # Each pair has one writer per number, so that neither thread needs a lock that the other
        # might hold when it loses its core.
        self._offered = self._offered_chars = 0
        self._taken = self._taken_chars = 0
        self._closing = False
        self.left_behind = False
        """Closed while the thread was inside the model. The interpreter must not end under it: that
        would end the process with SIGABRT."""
        self._thread: threading.Thread | None = None
        self._begin_counts()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Drop what waits. A thread that stays inside the model is left behind."""
        self._closing = True
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_CLOSE_S)
            self.left_behind = self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Exchanges that were offered and not yet judged."""
        return self._offered - self._taken

    def offer(self, exchange: Exchange, disguise: Disguise | None, probability: float) -> None:
        """Take the exchange, or not. Never waits and never raises."""
        if self._draw() >= self._rules.share:
            return
        chars = len(exchange.prompt) + len(exchange.response or "")
        waiting_chars = self._offered_chars - self._taken_chars
        full = self.waiting >= self._rules.exchanges or waiting_chars + chars > self._rules.chars
        if full or self._closing:
            self._metrics.shadow_exchanges.labels("dropped").inc()
            return
        self._offered += 1
        self._offered_chars += chars
        self._queue.put(_Seen(exchange, disguise, probability, chars))

    def _begin_counts(self) -> None:
        """From 0 on, so that the first difference is a rise."""
        for outcome in ("judged", "failed", "dropped"):
            self._metrics.shadow_exchanges.labels(outcome)
        for (name, slice_), said in itertools.product(
            self._thresholds, itertools.product(_WORDS, _WORDS)
        ):
            self._metrics.shadow_verdicts.labels(name, slice_, *said)

    def _work(self) -> None:
        yield_to_others()
        while (seen := self._queue.get()) is not None and not self._closing:
            try:
                self._compare(seen, self._probability(seen))
                outcome = "judged"
            except Exception:  # of the text or the graph; it concerns nobody but the trial
                outcome = "failed"
            self._metrics.shadow_exchanges.labels(outcome).inc()
            self._taken += 1
            self._taken_chars += seen.chars

    def _compare(self, seen: _Seen, probability: float) -> None:
        """Count both verdicts at every operating point that both artifacts have."""
        slice_ = seen.exchange.slice
        for (name, of), (served, tried) in self._thresholds.items():
            if of == slice_:
                said = (_word(seen.probability >= served), _word(probability >= tried))
                self._metrics.shadow_verdicts.labels(name, slice_, *said).inc()

    def _probability(self, seen: _Seen) -> float:
        """As the pipeline would compute it, with this artifact."""
        policy, slice_ = self._member.policy, seen.exchange.slice
        readings = self._courteous(lambda: _readings(seen))
        return max(
            most_harmful_probability(Scored(logits, 0.0, 0.0), policy, slice_)
            for logits in map(self._logits, readings)
        )

    def _logits(self, texts: Sequence[str]) -> Logits:
        """(windows, 2) float32. Raises EmptyPrompt, ExchangeTooLong, InferenceFailed."""
        tokenizer, run = self._member.tokenizer, self._member.session.run
        encoding = self._courteous(
            lambda: tokenizer.encode(texts, max_tokens=self._rules.max_tokens)
        )
        if not encoding.prompt_tokens:
            raise EmptyPrompt
        size = max(1, _BATCH_TOKENS // tokenizer.window_tokens)
        logits = np.concatenate(
            [
                self._courteous(functools.partial(run_guarded, run, batch))
                for batch in _batches(encoding.windows, size)
            ]
        )
        self._metrics.shadow_tokens.inc(encoding.tokens)
        if not np.isfinite(logits).all():
            raise InferenceFailed("the model gave numbers that are not finite")
        return logits

    def _courteous(self, work: Callable[[], Made]) -> Made:
        """Work when the student lets us, and count what it cost."""
        return self._courtesy.run(lambda: self._measured(work))

    def _measured(self, work: Callable[[], Made]) -> Made:
        before = self._processor_s()
        try:
            return work()
        finally:
            self._metrics.shadow_seconds.inc(max(0.0, self._processor_s() - before))


def _readings(seen: _Seen) -> list[tuple[str, ...]]:
    """The segments to score: of the text as it came and as it was decoded, where both count."""
    texts = segments(seen.exchange)
    decoded = second_reading(texts, seen.disguise)
    readings: list[tuple[str, ...]] = [texts] if decoded is None else [texts, decoded]
    certain = seen.disguise is not None and seen.disguise.certain
    return readings[-1:] if certain else readings


def _batches(windows: Sequence[Window], size: int) -> Iterator[Sequence[Window]]:
    for start in range(0, len(windows), size):
        yield windows[start : start + size]


def _word(harmful: bool) -> str:
    return _WORDS[0] if harmful else _WORDS[1]
