"""Starts servers from this code and interpreter, each on a free port, and stops them afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from loadtests.peers.model import ROOT

_STOP_S = 30.0


@dataclass(frozen=True)
class OwnServer:
    url: str
    pid: int


@contextmanager
def started(*command: str, **settings: object) -> Iterator[OwnServer]:
    """The server that `python <command>` starts; the real server if no command is given.

    settings: names as in the environment, in lower case and without POSTERN_; the environment's own
    settings are ignored. Raises RuntimeError if the server does not start.
    """
    given = {"port": 0, "log_level": "warning"} | settings
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
    process = subprocess.Popen(
        [sys.executable, *(command or ("-m", "postern", "serve"))],
        cwd=ROOT,
        env=kept
        | {"PYTHONPATH": str(ROOT)}
        | {f"POSTERN_{name.upper()}": str(value) for name, value in given.items()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        found = re.search(rb"http://\S+:\d+", process.stdout.readline())
        if found is None:
            raise RuntimeError("the server did not start; see the reason above")
        yield OwnServer(found[0].decode(), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
