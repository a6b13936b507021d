"""A real server with a real student whose session is slow or fails on cue. Run as a script.

The one argument is JSON: `delay_s` of every batch; `raise_word`, `nan_word`: windows that hold
this word fail; `hang`: the model never returns; `draining`: the server has been told to stop.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from collections.abc import Sequence
from typing import Any
from unittest import mock

from postern import logs
from postern.composition.student import load_student
from postern.inference.health import Health
from postern.inference.tokenizer import Tokenizer
from postern.main import serve_student
from postern.settings.settings import read_settings

from tests.fakes import FakeSession


def main(faults: dict[str, Any]) -> None:
    # One batch at a time, so that it is known who waits for whom.
    settings = read_settings(workers=1)
    logs.configure(settings.server.log_level)
    if faults.get("draining"):
        mock.patch("postern.composition.services.Health", _Draining).start()
    student = load_student(settings)
    session = FakeSession(
        student.session.run,
        delay_s=faults.get("delay_s", 0.0),
        raise_for=_ids(student.tokenizer, faults.get("raise_word")),
        nan_for=_ids(student.tokenizer, faults.get("nan_word")),
        gate=threading.Event() if faults.get("hang") else None,
    )
    serve_student(settings, dataclasses.replace(student, session=session))


class _Draining(Health):
    """As it is in the instant between the end of the drain delay and the last connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.draining = True


def _ids(tokenizer: Tokenizer, word: str | None) -> Sequence[int]:
    if word is None:
        return ()
    (window,) = tokenizer.encode((word,)).windows
    (token,) = window.ids[1:-1]
    return (int(token),)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
