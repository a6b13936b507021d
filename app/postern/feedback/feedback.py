"""Takes corrections of recent verdicts, and records them one after the other off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, get_args

from postern.contract.callers import current_caller
from postern.contract.errors import (
    FeedbackContradicts,
    FeedbackUnwritable,
    VerdictAmbiguous,
    VerdictUnknown,
)
from postern.contract.exchange import Exchange, Slice
from postern.contract.feedback import LabelName, VerdictGiven, feedback_line, label_name
from postern.contract.moderation import Identity, Judged, Moderation
from postern.feedback.file import FeedbackFile
from postern.feedback.recent import Limit, Name, Recent, RecentLimits, Result
from postern.metrics import Metrics

# Each holds a request open. A disk that hangs must not gather more.
_MOST_WAITING: Final = 64
_OUTCOMES: Final = ("recorded", "repeated", "unknown", "ambiguous", "contradicts", "unwritable")


@dataclass(frozen=True, slots=True)
class Correction:
    """What a caller says. slice_, index: which result of the request, if it has several."""

    request_id: str
    expected: LabelName
    slice_: Slice | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was corrected. verdict: the one that had been given."""

    index: int
    slice_: Slice
    verdict: LabelName


class Feedback:
    """Lives on one event loop. A caller can only correct verdicts that were given to its key."""

    def __init__(
        self,
        file: FeedbackFile,
        *,
        limits: RecentLimits,
        identity: Identity,
        timeout_s: float,
        metrics: Metrics,
        clock: Callable[[], float],
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """timeout_s: longest time to wait for the disk."""
        self._file = file
        self._identity = identity
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._today = today
        self._recent = Recent(limits, clock=clock, on_forget=self._forgotten)
        self._expiry: asyncio.TimerHandle | None = None
        # One thread: lines are written one after the other.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="feedback")
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Recorded]] = set()
        metrics.feedback_held_bytes.set_function(lambda: self._recent.held_bytes)
        for outcome in _OUTCOMES:  # from 0 on
            metrics.feedback.labels(outcome)
        for limit in get_args(Limit):
            metrics.feedback_forgotten.labels(limit)

    def open(self) -> None:
        """Lock and try the file. Raises SettingsInvalid."""
        self._file.open()

    async def close(self) -> None:
        """Wait for lines under way, as long as for the disk, and forget all texts."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._timeout_s)
        if self._expiry is not None:
            self._expiry.cancel()
        self._recent.clear()
        self._writer.shutdown(wait=False)
        self._file.close()

    def keep(self, request_id: str, exchanges: Sequence[Exchange], given: Moderation) -> None:
        """Keep what was just judged for the current caller."""
        name = Name(current_caller(), request_id)
        found = zip(exchanges, given.judged, strict=True)
        self._recent.keep(name, [Result(one, its.verdict, its.read_by) for one, its in found])
        self._watch_expiry()

    def keeper(self, request_id: str) -> Callable[[int, Exchange, Judged], None]:
        """For a request of the current caller whose verdicts come one by one: call it with the
        index of a result, to keep that in place of an earlier one. It holds no text itself."""
        name = Name(current_caller(), request_id)
        request = object()

        def keep(index: int, exchange: Exchange, judged: Judged) -> None:
            result = Result(exchange, judged.verdict, judged.read_by)
            self._recent.revise(name, index, result, request=request)
            self._watch_expiry()

        return keep

    def _watch_expiry(self) -> None:
        if self._expiry is None:
            self._expire()

    async def record(self, correction: Correction) -> Recorded:
        """Append a correction to the file.

        The same correction again changes nothing, so a caller that got no reply may repeat it.
        Raises VerdictUnknown, VerdictAmbiguous, FeedbackContradicts, FeedbackUnwritable.
        """
        if len(self._tasks) >= _MOST_WAITING:
            self._metrics.feedback.labels("unwritable").inc()
            raise FeedbackUnwritable("too many corrections wait for the disk; try again")
        # A line that is being written is written to its end, even if the caller leaves.
        task = asyncio.create_task(self._record(correction, current_caller()))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(task)
        except TimeoutError:
            raise FeedbackUnwritable("the disk takes too long; try again") from None

    def _ended(self, task: asyncio.Task[Recorded]) -> None:
        self._tasks.discard(task)
        outcomes = {
            VerdictUnknown: "unknown",
            VerdictAmbiguous: "ambiguous",
            FeedbackContradicts: "contradicts",
            FeedbackUnwritable: "unwritable",
        }
        if not task.cancelled() and (error := task.exception()) is not None:
            self._metrics.feedback.labels(outcomes.get(type(error), "unwritable")).inc()

    async def _record(self, correction: Correction, caller: int) -> Recorded:
        async with self._turn:
            kept = self._recent.find(Name(caller, correction.request_id))
            if kept is None:
                raise VerdictUnknown
            index = kept.index_of(correction.slice_, correction.index)
            result = kept.results[index]
            verdict = label_name(result.verdict.harmful)
            before = result.recorded
            if before not in (None, correction.expected):
                raise FeedbackContradicts
            if before is None:
                line = self._line(result, index, correction)
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._writer, self._file.append, line)
                # If another result has taken its place meanwhile, that one is not corrected.
                result.recorded = correction.expected
                self._metrics.feedback_labels.labels(verdict, correction.expected).inc()
            self._metrics.feedback.labels("recorded" if before is None else "repeated").inc()
            return Recorded(index, result.exchange.slice, verdict)

    def _line(self, result: Result, index: int, correction: Correction) -> bytes:
        verdict = result.verdict
        artifact, version = self._identity.name, self._identity.version
        if result.read_by is not None:
            artifact, _, version = result.read_by.partition("/")
        given = VerdictGiven(
            id=correction.request_id,
            index=index,
            time=self._today().isoformat(timespec="seconds"),
            verdict=label_name(verdict.harmful),
            probability=round(verdict.probability, 6),
            threshold=round(verdict.threshold, 6),
            decided_by=verdict.decided_by,
            artifact=artifact,
            version=version,
        )
        return feedback_line(result.exchange, correction.expected, given)

    def _expire(self) -> None:
        """Forget what is too old, also if no request comes."""
        left_s = self._recent.expire()
        self._expiry = (
            None if left_s is None else asyncio.get_running_loop().call_later(left_s, self._expire)
        )

    def _forgotten(self, limit: Limit, verdicts: int) -> None:
        self._metrics.feedback_forgotten.labels(limit).inc(verdicts)
