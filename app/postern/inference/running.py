"""A batch on its way through the model: in a thread, or handed out and waiting for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from postern.inference.entries import Entry, Logits, RunWindows


@dataclass(slots=True)
class Running:
    """Its thread writes the times, in seconds on the clock of deadlines; the event loop reads them.

    started: None until a thread has it. batch: the entries that wait until then. left_out: those
    that were no longer worth running when a thread had it.
    """

    started: float | None
    predicted_s: float
    batch: Sequence[Entry] = ()
    ended: float | None = None
    left_out: list[Entry] = field(default_factory=list)

    def waiting(self) -> Iterator[Entry]:
        """Its entries that wait for a thread, without those that were given up."""
        if self.started is None:
            yield from (entry for entry in self.batch if not entry.future.done())

    def left_s(self, now: float) -> float:
        """Predicted time that it still needs."""
        if self.started is None:
            return self.predicted_s
        return max(0.0, self.predicted_s - (now - self.started))

    def run(
        self,
        batch: Sequence[Entry],
        *,
        run: RunWindows,
        columns: int,
        clock: Callable[[], float],
        is_hopeless: Callable[[Entry, float], bool],
    ) -> Logits:
        """In the thread: (n, columns) logits of the batch, in its order.

        Callers may have left, and deadlines passed, while it waited for the thread. Such entries do
        not reach the model, and their rows are zeros. Raises whatever `run` raises, and ValueError
        if rows are missing.
        """
        if self.started is None:
            self.started = now = clock()
            for entry in batch:
                entry.started = now
            self.left_out = [one for one in batch if one.future.done() or is_hopeless(one, now)]
        try:
            left_out = set(map(id, self.left_out))
            kept = [place for place, one in enumerate(batch) if id(one) not in left_out]
            rows = np.zeros((len(batch), columns), dtype=np.float32)
            if kept:
                found = np.asarray(run([batch[place].window for place in kept]), dtype=np.float32)
                if found.shape != (len(kept), columns):
                    raise ValueError("the model gave a wrong number of rows")
                rows[kept] = found
            return rows
        finally:
            self.ended = clock()
