"""Runs the real server around a model that sleeps, so that all CPU time is the server's own.

python -m loadtests.sleeping_server 0.2        # seconds for each batch
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Sequence

import numpy as np
from postern import logs
from postern.composition.student import load_student
from postern.contract.windows import Window
from postern.inference.session import Logits
from postern.main import serve_student
from postern.settings.settings import read_settings


class SleepingSession:
    """Returns "harmless" after `seconds` for every text."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def run(self, windows: Sequence[Window]) -> Logits:
        time.sleep(self._seconds)
        return np.tile(np.array([[2.0, -2.0]], dtype=np.float32), (len(windows), 1))


def main(seconds: float) -> None:
    settings = read_settings()
    logs.configure(settings.server.log_level)
    student = load_student(settings)
    serve_student(
        settings, dataclasses.replace(student, session=SleepingSession(seconds), alone=None)
    )


if __name__ == "__main__":
    main(float(sys.argv[1]))
