"""The real server as a process on a free port: started, talked to, signalled, waited for."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.forks import Fork, completed

ROOT = Path(__file__).resolve().parent.parent
# Only against hangs; nothing here is expected to take long.
HANG_S = 180.0
# The suite compares with this one, whatever `auto` would choose for the processor at hand.
ENGINE = "onnxruntime"


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """The environment of this process without its own POSTERN_ settings, plus the given ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTERN_")}
    chosen = {"engine": ENGINE} | dict(settings)
    return kept | {f"POSTERN_{name.upper()}": str(value) for name, value in chosen.items()}


def postern(
    *arguments: str, stdin: str | bytes = b"", **settings: object
) -> subprocess.CompletedProcess[bytes]:
    """Runs one `postern` command to its end, in a fork."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    return completed(["postern", *arguments], environment(settings), stdin=given, timeout=HANG_S)


class ServerProcess:
    """A running server. `stop` asserts that it ends well."""

    def __init__(
        self,
        command: Sequence[str],
        settings: Mapping[str, object],
        *,
        cwd: Path = ROOT,
        python: str = sys.executable,
        user: int | None = None,
    ) -> None:
        """user: whose process it is, where this one may choose."""
        # A pipe that nobody reads would fill up.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        env = environment({"port": 0} | dict(settings))
        self.process: subprocess.Popen[bytes] | Fork
        if (command[0], python, cwd, user) == ("-m", sys.executable, ROOT, None):
            self.process = Fork(command[1:], env, stderr=self._stderr.fileno())
        else:
            self.process = subprocess.Popen(
                [python, *command],
                cwd=cwd,
                user=user,
                group=user,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
            )
        try:
            self.greeting = self._first_line()
            found = re.search(r"http://\S+:\d+", self.greeting)
            assert found, self.greeting
            self.url = found[0]
        except BaseException:
            self.kill()
            raise

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        assert url.port is not None
        return url.host, url.port

    def wait_until_ready(self) -> None:
        self.wait_for("/readyz", 200)

    def wait_for(self, path: str, status: int) -> None:
        deadline = time.monotonic() + HANG_S
        while time.monotonic() < deadline:
            try:
                if self.get(path).status_code == status:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"{path} never answered {status}; {self.stderr()}")

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=HANG_S)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request on a connection of its own."""
        # Loading the certificates of the world for a plain connection takes longer than the rest.
        return httpx.request(method, self.url + path, timeout=HANG_S, verify=False, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def classify(self, body: Any, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post("/classify", json=body, headers=sent)

    def metric(self, line: str) -> float:
        """The value of one sample, named as it stands in /metrics; 0 where there is none yet."""
        text = self.get("/metrics").text
        for sample in text.splitlines():
            name, _, value = sample.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0

    def wait_for_metric(self, line: str, at_least: float) -> None:
        deadline = time.monotonic() + HANG_S
        while self.metric(line) < at_least:
            assert time.monotonic() < deadline, f"{line} stays below {at_least}"
            time.sleep(0.02)

    def stderr(self) -> str:
        size = self._written()
        # A thread of the server writes its lines, and lets some gather; it may wait for its turn.
        for _ in range(20 if self.process.poll() is None else 0):
            time.sleep(0.2)
            before, size = size, self._written()
            if before == size:
                break
        # Not through the shared file offset, which belongs to the writing process.
        return os.pread(self._stderr.fileno(), size, 0).decode()

    def _written(self) -> int:
        return os.fstat(self._stderr.fileno()).st_size

    def log_lines(self) -> list[dict[str, Any]]:
        """Every line of standard error must be JSON."""
        return [json.loads(line) for line in self.stderr().splitlines()]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        try:
            return self.process.wait(HANG_S)
        finally:
            self.kill()

    def stop(self) -> None:
        """SIGTERM, unless it has ended already; asserts exit code 0."""
        if self.process.poll() is None:
            self.terminate()
        code = self.wait()
        assert code == 0, f"exit code {code}: {self.stderr()}"

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(HANG_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.stop()
        finally:
            self.kill()
            self._stderr.close()

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], HANG_S)
        line = self.process.stdout.readline().decode() if ready else ""
        assert line, f"the server did not start: {self.stderr()}"
        return line
