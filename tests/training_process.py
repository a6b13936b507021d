"""`python -m model_training` in processes of their own, without five seconds of imports for each.

One process imports everything that the commands need. Each command is a fork of that process, so a
test can kill it like any other.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

# Models this small are no faster with several threads.
_VARIABLES: Final = {"OMP_NUM_THREADS": "1"}


class TrainingProcess:
    """A running command, used like `subprocess.Popen`.

    largest_file: bytes; a larger file fails as on a full disk. variables: more of the environment.
    """

    def __init__(
        self,
        *arguments: str,
        largest_file: int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.arguments = list(arguments)
        self._folder = Path(tempfile.mkdtemp(prefix="training-process-"))
        self._files = [self._folder / name for name in ("out", "errors")]
        for file in self._files:
            file.touch()
        given = (self.arguments, self._files, largest_file, dict(variables or {}))
        self._process = _forks().Process(target=_run, args=given)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended the process; None while it runs."""
        code: int | None = self._process.exitcode
        return code

    def poll(self) -> int | None:
        """The same, as `subprocess.Popen` calls it."""
        return self.returncode

    def errors(self) -> str:
        """What it has printed to standard error so far."""
        return self._files[1].read_text()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.returncode is None:
            os.kill(self._process.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; return what was printed. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            self._process.kill()
            raise subprocess.TimeoutExpired(self.arguments, timeout or 0.0)
        out, errors = (file.read_text() for file in self._files)
        shutil.rmtree(self._folder)
        return out, errors


def completed(
    *arguments: str, timeout: float, largest_file: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, as `subprocess.run` does."""
    process = TrainingProcess(*arguments, largest_file=largest_file)
    out, errors = process.communicate(timeout)
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.arguments, process.returncode, out, errors)


def _run(
    arguments: list[str], files: list[Path], largest_file: int | None, variables: dict[str, str]
) -> None:
    """In the fork: do what `python -W error -m model_training` does."""
    os.environ.update(variables)
    for number, file in enumerate(files, start=1):
        opened = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    warnings.simplefilter("error")
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    from model_training.__main__ import main

    sys.exit(main(arguments))


def _forks() -> Any:
    """The context whose processes are forks. Starts the process that they are forks of."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training_imports"])
    with patch.dict(os.environ, _VARIABLES):
        forkserver.ensure_running()
    return context
