"""Runs the real server around a model that sleeps, so that all CPU time is the server's own.

python -m loadtests.sleeping_server 0.2        # seconds for each batch
python -m loadtests.sleeping_server measured 4 # as long as measured batches took, times 4
python -m loadtests.sleeping_server real 1     # the model itself, for comparison

A file as a further argument gets a line for each batch: thread, seconds that the model is to take
or took, start, end. `loadtests.fleet.handover` reads it.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from postern import logs
from postern.composition.student import load_student
from postern.contract.windows import Window
from postern.inference.session import Logits, Session
from postern.main import serve_student
from postern.settings.settings import read_settings

from loadtests.fleet.service import ServiceTimes, load


class SleepingSession:
    """Returns "harmless" for every text, after as long as `seconds` says for the batch."""

    def __init__(
        self,
        seconds: Callable[[Sequence[Window]], float],
        *,
        columns: int,
        notes: TextIO | None = None,
    ) -> None:
        self._seconds, self._notes = seconds, notes
        self._row = np.array([[2.0, -2.0, *[-9.0] * (columns - 2)]], dtype=np.float32)

    def run(self, windows: Sequence[Window]) -> Logits:
        asked, started = self._seconds(windows), time.monotonic()
        time.sleep(asked)
        if self._notes is not None:
            _note(self._notes, started, time.monotonic(), asked)
        return np.repeat(self._row, len(windows), axis=0)


class NotedSession:
    """The model, with a note of when it ran."""

    def __init__(self, model: Session, notes: TextIO) -> None:
        self._model, self._notes = model, notes

    def run(self, windows: Sequence[Window]) -> Logits:
        started = time.monotonic()
        logits = self._model.run(windows)
        ended = time.monotonic()
        _note(self._notes, started, ended, ended - started)
        return logits


def _note(notes: TextIO, started: float, ended: float, asked: float) -> None:
    notes.write(f"{threading.get_ident()} {asked} {started} {ended}\n")


def main(arguments: Sequence[str]) -> None:
    settings = read_settings()
    logs.configure(settings.server.log_level)
    student = load_student(settings)
    # A line is written at once, and by one call: threads share the file.
    notes = Path(arguments[2]).open("a", buffering=1) if len(arguments) > 2 else None  # noqa: SIM115
    session: Session
    if arguments[0] == "real":
        session = student.session if notes is None else NotedSession(student.session, notes)
    else:
        if arguments[0] == "measured":
            times, rng = ServiceTimes(load(), scale=float(arguments[1])), random.Random()
            draw = lambda windows: times.draw(windows, rng)  # noqa: E731
            # Admission must know these times and not those of the model.
            student = dataclasses.replace(student, cost=times.cost())
        else:
            seconds = float(arguments[0])
            draw = lambda windows: seconds  # noqa: E731
        session = SleepingSession(draw, columns=student.columns.count, notes=notes)
    serve_student(settings, dataclasses.replace(student, session=session, alone=None))


if __name__ == "__main__":
    main(sys.argv[1:])
