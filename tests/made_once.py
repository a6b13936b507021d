"""What many tests start from is made once for a whole run, however many processes share it."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

# Not of Postern's own names, which tests take out of the environment.
_VARIABLE = "TESTS_MADE_ONCE"


def place() -> Path:
    """The folder of this run. Processes that are started later share it; the first removes it."""
    known = os.environ.get(_VARIABLE)
    if known is not None and Path(known).is_dir():
        return Path(known)
    folder = tempfile.mkdtemp(prefix="made-once-")
    os.environ[_VARIABLE] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def made_once(name: str, build: Callable[[Path], object]) -> Path:
    """A folder that `build` has filled, by whoever came first. Copy it; never change it."""
    folder = place() / name
    with (place() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_name(f"{name}.partial")
            shutil.rmtree(partial, ignore_errors=True)  # of a process that failed
            partial.mkdir()
            build(partial)
            partial.rename(folder)
    return folder
