"""Entries for windows that wait for the model, and the results of their futures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from postern.contract.windows import Encoding, Window
from postern.inference.batch_queue import Waiting
from postern.inference.cost_model import CostModel
from postern.tracing.names import Step
from postern.tracing.spans import past

Logits = npt.NDArray[np.float32]
RunWindows = Callable[[Sequence[Window]], Logits]
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class Scored:
    """logits: (n_windows, 2) float32; extra outputs stand to the right of them.

    queue_s, inference_s: of the slowest window.
    """

    logits: Logits
    queue_s: float
    inference_s: float


@dataclass(frozen=True, slots=True)
class Model:
    """A student as the batcher runs it. columns: of its rows. run_alone: see Batcher."""

    run: RunWindows
    run_alone: RunWindows
    cost: CostModel
    columns: int = 2


@dataclass(slots=True, eq=False, kw_only=True)
class Entry(Waiting):
    future: asyncio.Future[Logits]
    deadline: float
    arrived: float
    started: float = math.nan
    finished: float = math.nan


def run_guarded(run: Callable[[Sequence[Given]], Logits], given: Sequence[Given]) -> Logits:
    """Call `run` so that it returns an array of numbers, or raises an Exception that a future can
    carry.

    StopIteration would leave the future unanswered; SystemExit would end the event loop.
    """
    try:
        return np.asarray(run(given), dtype=np.float32)
    except BaseException as exc:
        raise RuntimeError(type(exc).__name__) from exc


def fail(entry: Entry, error: Exception) -> None:
    if not entry.future.done():
        entry.future.set_exception(error)


def blamed(encodings: Sequence[Encoding], entries: Sequence[Entry], error: Exception) -> int:
    """Index of the encoding whose window failed with `error`."""
    owners = [index for index, encoding in enumerate(encodings) for _ in encoding.windows]
    done = [entry.future.done() and not entry.future.cancelled() for entry in entries]
    return next(
        owner
        for owner, entry, ready in zip(owners, entries, done, strict=True)
        if ready and entry.future.exception() is error
    )


def trace(entries: Sequence[Entry], *, now: float) -> None:
    """Steps of the current span: from arrival until the last began, and from the first beginning
    until the last end."""
    begun = [entry.started for entry in entries if not math.isnan(entry.started)]
    arrived = min((entry.arrived for entry in entries), default=now)
    past(Step.QUEUE, arrived, max(begun, default=now))
    if begun:
        ended = [now if math.isnan(entry.finished) else entry.finished for entry in entries]
        past(Step.INFER, min(begun), max(ended))


def gather(
    encodings: Sequence[Encoding], entries: Sequence[Entry], rows: Sequence[Logits]
) -> list[Scored]:
    scored: list[Scored] = []
    start = 0
    for encoding in encodings:
        stop = start + len(encoding.windows)
        own = entries[start:stop]
        scored.append(
            Scored(
                np.stack(rows[start:stop]),
                queue_s=max(entry.started - entry.arrived for entry in own),
                inference_s=max(entry.finished - entry.started for entry in own),
            )
        )
        start = stop
    return scored
