"""A teacher in this process: a bigger student, or the average of several, in a lane of its own.

The lane's threads yield a core that others want, and run little while the student works
(`teacher/courtesy.py`).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from postern.contract.decision import Policy
from postern.contract.errors import (
    DeadlineExceeded,
    ExchangeTooLong,
    InvalidExchange,
    Overloaded,
    PosternError,
)
from postern.contract.exchange import Exchange, Slice
from postern.contract.language import ENGLISH
from postern.contract.probability import harmful_log_odds, harmful_margin, sigmoid
from postern.contract.text import segments
from postern.contract.windows import Encoding, Window
from postern.inference.batcher import Batcher, BatchLimits
from postern.inference.entries import Logits, RunWindows, Scored
from postern.inference.session import Session
from postern.inference.tokenizer import Tokenizer
from postern.metrics import Metrics
from postern.teacher.courtesy import Courtesy
from postern.teacher.opinion import Opinion

_NICER_BY: Final = 10
_THREADS: Final = Path("/proc/self/task")

Given = TypeVar("Given")
Made = TypeVar("Made")


def yield_to_others(thread: int = 0) -> None:
    """Give a thread a tenth of the scheduling weight of others. 0 is the calling thread.

    Not less: a thread that gets no core while it holds the interpreter's lock stops the event loop,
    so the lowest priorities (niceness 19, `SCHED_IDLE`) would protect nobody on a busy machine.
    Courtesy limits what the lane takes. Only Linux has priorities for single threads; elsewhere the
    call would slow the whole process.
    """
    if sys.platform == "linux":
        ours = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, thread, min(19, ours + _NICER_BY))


def made_in_the_lane(make: Callable[[Given], Made], given: Iterable[Given]) -> tuple[Made, ...]:
    """`make` of each. Threads that this starts, such as those of an engine, yield afterwards.

    Not before: loading at low priority would take long on a busy machine.
    """
    before = _threads()
    made = tuple(map(make, given))
    for thread in _threads() - before:
        with suppress(OSError):  # the thread has ended
            yield_to_others(thread)
    return made


def _threads() -> set[int]:
    """Threads of this process, if the system has priorities for single threads."""
    return {int(one.name) for one in _THREADS.iterdir()} if sys.platform == "linux" else set()


@dataclass(frozen=True, slots=True)
class Member:
    """A student that acts as teacher. sha256: of its artifact."""

    name: str
    sha256: str
    policy: Policy
    tokenizer: Tokenizer
    session: Session
    languages: frozenset[str] = frozenset(ENGLISH)
    """Those that it was measured for."""


class LocalTeacher:
    """Averages the calibrated log-odds of its members. limits: of each member's queue."""

    def __init__(
        self,
        members: Sequence[Member],
        *,
        limits: BatchLimits,
        max_tokens: int,
        clock: Callable[[], float],
        courtesy: Courtesy | None = None,
    ) -> None:
        """courtesy: towards a student in this process."""
        self._members = members
        self._max_tokens = max_tokens
        self._clock = clock
        one_at_a_time = threading.Lock()
        courtesy = courtesy or Courtesy(1.0, clock=clock)
        # Separate metrics, which nobody scrapes: they must not mix with the student's.
        self._batchers = [
            Batcher(
                _in_the_lane(member.session.run, one_at_a_time, courtesy),
                limits=limits,
                workers=1,
                metrics=Metrics(),
                clock=clock,
            )
            for member in members
        ]
        self._reader: ThreadPoolExecutor | None = None

    @property
    def left_behind(self) -> bool:
        """Whether a thread was still inside a model when the teacher closed; it may never
        return."""
        return any(batcher.left_behind for batcher in self._batchers)

    @property
    def languages(self) -> frozenset[str]:
        """Those that every member was measured for."""
        return frozenset.intersection(*(member.languages for member in self._members))

    @property
    def described(self) -> dict[str, Any]:
        return {"kind": "artifact", "artifacts": [member.name for member in self._members]}

    def start(self) -> None:
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="teacher-reader")
        for batcher in self._batchers:
            batcher.start()

    async def close(self) -> None:
        for batcher in self._batchers:
            await batcher.close()
        if self._reader is not None:
            self._reader.shutdown(wait=False, cancel_futures=True)

    async def judge(self, exchange: Exchange, *, timeout_s: float) -> Opinion:
        """The members' mean, each by its most harmful window."""
        deadline = self._clock() + timeout_s
        log_odds: list[float] = []
        try:
            for member, batcher in zip(self._members, self._batchers, strict=True):
                encoding = await asyncio.get_running_loop().run_in_executor(
                    self._reader, self._encode, member, exchange
                )
                (scored,) = await batcher.submit([encoding], deadline=deadline)
                log_odds.append(_log_odds(scored, member.policy, exchange.slice))
        except (Overloaded, DeadlineExceeded):
            return Opinion("timeout")
        except (ExchangeTooLong, InvalidExchange):
            return Opinion("refused")
        except PosternError:  # the model raised, or gave non-finite numbers
            return Opinion("failed")
        return Opinion("answered", sigmoid(sum(log_odds) / len(log_odds)))

    def _encode(self, member: Member, exchange: Exchange) -> Encoding:
        encoding = member.tokenizer.encode(segments(exchange), max_tokens=self._max_tokens)
        if not encoding.prompt_tokens:
            raise ExchangeTooLong(what="characters that this teacher cannot read", limit=0)
        return encoding


def _in_the_lane(run: RunWindows, one_at_a_time: threading.Lock, courtesy: Courtesy) -> RunWindows:
    """`run` in a thread that yields to others, for one member at a time."""
    yields = threading.local()

    def run_in_lane(windows: Sequence[Window]) -> Logits:
        if not getattr(yields, "done", False):
            yield_to_others()
            yields.done = True
        with one_at_a_time:
            return courtesy.run(lambda: run(windows))

    return run_in_lane


def _log_odds(scored: Scored, policy: Policy, slice_: Slice) -> float:
    margin = harmful_margin(scored.logits).max(keepdims=True)
    return float(harmful_log_odds(margin, policy.calibration[slice_])[0])
