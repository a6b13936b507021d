"""Commands of Postern in processes of their own, without a second of imports for each.

`python -m tests.forks` imports what the commands need, then waits. Each command is a fork of it,
and does what `python -m MODULE` does, with its own environment, signals, streams and exit code.
Tests that ask how a fresh interpreter behaves start one themselves.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Final

from postern.contract.text import expanded_length, normalize
from postern.languages.model import load_identifier

_ROOT: Final = Path(__file__).resolve().parent.parent
# What commands need; their own modules run as `__main__`.
_PRELOADED: Final = ("postern.cli", "tests.fakes", "unittest.mock")
_NUMBER_BYTES: Final = 8


class Fork:
    """A running command, used like `subprocess.Popen`."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        stderr: int,
        stdin: int | None = None,
        stdout: int | None = None,
    ) -> None:
        """command: a module and its arguments. stdin: nothing if None. stdout: a pipe if None."""
        self.args = list(command)
        self.returncode: int | None = None
        self.stdout: BinaryIO | None = None
        self._ended, ended = os.pipe()
        with ExitStack() as stack:
            stack.callback(os.close, ended)
            if stdin is None:
                stdin = os.open(os.devnull, os.O_RDONLY)
                stack.callback(os.close, stdin)
            if stdout is None:
                reading, stdout = os.pipe()
                stack.callback(os.close, stdout)
                self.stdout = open(reading, "rb")  # noqa: SIM115 - closed by whoever reads it
            self.pid = _forks().start(self.args, env, [stdin, stdout, stderr, ended])

    def poll(self) -> int | None:
        """The exit code, or minus the signal that ended the process; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The same, when it has ended. Raises subprocess.TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # ended, and not yet told
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            status = os.read(self._ended, _NUMBER_BYTES)
            os.close(self._ended)
            if not status:
                raise RuntimeError("the process whose forks run commands has ended")
            self.returncode = os.waitstatus_to_exitcode(int.from_bytes(status))
        return self.returncode


def completed(
    command: Sequence[str], env: Mapping[str, str], *, stdin: bytes, timeout: float
) -> subprocess.CompletedProcess[bytes]:
    """Runs one command to its end, as `subprocess.run` does; kills it at the timeout."""
    with ExitStack() as stack:
        given, out, errors = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(stdin)
        given.seek(0)
        numbers = {"stdin": given.fileno(), "stdout": out.fileno(), "stderr": errors.fileno()}
        fork = Fork(command, env, **numbers)
        try:
            code = fork.wait(timeout)
        finally:
            fork.kill()
        printed = [
            os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0) for file in (out, errors)
        ]
        return subprocess.CompletedProcess(fork.args, code, *printed)


class _Forks:
    """The process whose forks run the commands."""

    def __init__(self) -> None:
        self._asked, answering = socket.socketpair()
        self._lock = threading.Lock()
        with answering:
            number = answering.fileno()
            command = [sys.executable, "-m", "tests.forks", str(number)]
            self._process = subprocess.Popen(command, cwd=_ROOT, pass_fds=[number])
        atexit.register(self._end)

    def start(self, command: list[str], env: Mapping[str, str], files: list[int]) -> int:
        """The process id of a new fork. files: three standard streams, and one for the status."""
        message = json.dumps([command, dict(env)]).encode()
        with self._lock:
            socket.send_fds(self._asked, [len(message).to_bytes(_NUMBER_BYTES)], files)
            self._asked.sendall(message)
            return int.from_bytes(_received(self._asked, _NUMBER_BYTES))

    def _end(self) -> None:
        self._asked.close()
        self._process.wait()


@functools.cache
def _forks() -> _Forks:
    """That of this process, started by the first command."""
    return _Forks()


def _received(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _commands(asked: socket.socket) -> list[str] | None:
    """In a fork: the command to run. In the process itself: None, when nobody can ask any more."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    statuses: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _report(statuses)
        if asked not in ready:
            continue
        head, files, _, _ = socket.recv_fds(asked, _NUMBER_BYTES, 4)
        if not head:
            return None
        command, env = json.loads(_received(asked, int.from_bytes(head)))
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where `nohup` runs the suite
            for number, file in enumerate(files[:3]):
                os.dup2(file, number)
            for file in (*files, *statuses.values()):
                os.close(file)
            for connection in (asked, woken, waker):
                connection.close()
            os.environ.clear()
            os.environ.update(env)
            return list(command)
        statuses[pid] = files[3]
        for file in files[:3]:
            os.close(file)
        asked.sendall(pid.to_bytes(_NUMBER_BYTES))


def _report(statuses: dict[int, int]) -> None:
    """Tell of each fork that has ended how it has."""
    for pid in list(statuses):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with suppress(BrokenPipeError):  # nobody wants to know any more
                os.write(statuses[pid], status.to_bytes(_NUMBER_BYTES))
            os.close(statuses.pop(pid))


def _main() -> None:
    for name in _PRELOADED:
        importlib.import_module(name)
    # Tables that each process would make for itself, the same for all.
    expanded_length(normalize("é"), at_most=9)
    load_identifier()
    gc.freeze()  # no fork need look through what all of them share
    command = _commands(socket.socket(fileno=int(sys.argv[1])))
    if command is not None:
        sys.argv[1:] = command[1:]
        # Returns or raises as the interpreter's own `-m` does, which then ends the process.
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
