"""Stand-ins for what is slow, random or broken in the world: the model and the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from postern.contract.windows import Encoding, Window

RunWindows = Callable[[Sequence[Window]], Any]


def fingerprint(windows: Sequence[Window]) -> np.ndarray:
    """Logits that tell which window they answer: (first id, length), exact in float32."""
    return np.array([(w.ids[0], w.length) for w in windows], dtype=np.float32)


class FakeSession:
    """A model behind the one method of a session. Ids decide how it misbehaves.

    delay_s: of every run. gate: every run waits for it. seen: the batches, in order.
    """

    def __init__(
        self,
        answer: RunWindows = fingerprint,
        *,
        delay_s: float = 0.0,
        raise_for: Iterable[int] = (),
        nan_for: Iterable[int] = (),
        misshape_for: Iterable[int] = (),
        garbage_for: Iterable[int] = (),
        error: BaseException | None = None,
        gate: threading.Event | None = None,
    ) -> None:
        self._answer = answer
        self._delay_s = delay_s
        self._raise_for = frozenset(raise_for)
        self._nan_for = frozenset(nan_for)
        self._misshape_for = frozenset(misshape_for)
        self._garbage_for = frozenset(garbage_for)
        self._error = error or RuntimeError("the fake model was asked to fail")
        self._gate = gate
        self._lock = threading.Lock()
        self.seen: list[tuple[Window, ...]] = []
        self.entered = threading.Event()

    @property
    def seen_ids(self) -> list[int]:
        """The first id of every window that reached the model."""
        return [int(window.ids[0]) for batch in self.seen for window in batch]

    def run(self, windows: Sequence[Window]) -> Any:
        with self._lock:
            self.seen.append(tuple(windows))
        self.entered.set()
        if self._gate is not None:
            self._gate.wait(300.0)
        if self._delay_s:
            time.sleep(self._delay_s)
        ids = {int(i) for window in windows for i in window.ids}
        if ids & self._raise_for:
            raise self._error
        if ids & self._garbage_for:
            return [[None, "garbage"]] * len(windows)
        logits = np.array(self._answer(windows))
        for row, window in enumerate(windows):
            if self._nan_for & {int(i) for i in window.ids}:
                logits[row] = np.nan
        return logits[:-1] if ids & self._misshape_for else logits


class ManualClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.time_s = 1000.0

    def __call__(self) -> float:
        return self.time_s

    def advance(self, seconds: float) -> None:
        self.time_s += seconds


def window_of(first_id: int, length: int) -> Window:
    """A window of `length` ids that `fingerprint` recognizes by its first."""
    ids = np.full(length, 0, dtype=np.int64)
    ids[0] = first_id
    return Window(ids, np.zeros(length, dtype=np.int64))


def encoding_of(*windows: Window) -> Encoding:
    tokens = sum(window.length for window in windows)
    return Encoding(windows, tokens, prompt_tokens=tokens)
