"""Starts peers in their environments, waits for them, and ends them with all their children."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from loadtests.peers.model import ROOT
from loadtests.peers.registry import OURS, Peer
from loadtests.watch import lives, tree

# On a busy machine, loading torch or starting a cluster takes long.
_START_S = 600.0
_STOP_S = 30.0
_HELLO = "What is the capital of France?"
_THREADS = {"TOKENIZERS_PARALLELISM": "false", "DO_NOT_TRACK": "1"}


class RunningPeer:
    """A peer that has answered once. pid: the root of its process tree."""

    def __init__(self, peer: Peer, environments: Path) -> None:
        self.peer = peer
        self._scratch = tempfile.TemporaryDirectory(prefix=f"peer-{peer.name}-")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        bin_ = environment_of(peer, environments) / "bin"
        port = _free_port()
        self._process = subprocess.Popen(
            peer.command(bin_, port, Path(self._scratch.name)),
            cwd=ROOT,
            env=variables_of(peer, bin_),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.url = f"http://127.0.0.1:{port}"

    def probability(self, prompt: str) -> float:
        """Probability of one prompt. Raises OSError if the peer does not answer well."""
        request = urllib.request.Request(
            self.url + self.peer.path,
            json.dumps(self.peer.ask(prompt)).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60.0) as reply:
            return self.peer.understand(json.load(reply))

    def probabilities(self, prompts: Sequence[str]) -> list[float]:
        return [self.probability(prompt) for prompt in prompts]

    def __enter__(self) -> RunningPeer:
        try:
            self._wait()
        except BaseException:  # an interrupt must leave nothing behind either
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        """Waits until the peer answers. Raises RuntimeError with the end of its log."""
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.probability(_HELLO)
                return
            except (OSError, ValueError) as exc:
                hopeless = self._process.poll() is not None or _refused(exc)
                if hopeless or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{self.peer.name} did not start ({exc}):\n{self._tail()}"
                    ) from exc
            time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        # All descendants, because some peers put their workers into other sessions.
        family = tree(self.pid)
        _signal(family, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline and self._process.poll() is None:
            time.sleep(0.1)
        _signal(family, signal.SIGKILL)
        self._process.wait(_STOP_S)
        while time.monotonic() < deadline + _STOP_S and any(map(lives, family)):
            time.sleep(0.05)
        self._log.close()
        self._scratch.cleanup()

    def _tail(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), 4000, max(0, size - 4000)).decode(errors="replace")


def environment_of(peer: Peer, environments: Path) -> Path:
    """The peer's own folder: below `environments`, or where its name stands for `{name}`."""
    if "{name}" in str(environments):
        return Path(str(environments.absolute()).replace("{name}", peer.name))
    return environments.absolute() / peer.name


def installed(peer: Peer, environments: Path) -> bool:
    return peer.name == OURS or (environment_of(peer, environments) / "bin/python").exists()


def _refused(error: Exception) -> bool:
    """Whether the peer runs but rejects our request. 404 means that its route is not there yet."""
    return isinstance(error, urllib.error.HTTPError) and error.code in (400, 405, 415, 422)


def kill_descendants() -> None:
    """Ends all children of this process and theirs, also a server whose start was interrupted:
    nobody holds that one yet.
    """
    deadline = time.monotonic() + _STOP_S
    # Again and again, because one may have started another meanwhile.
    while family := [pid for pid in tree(os.getpid())[1:] if lives(pid)]:
        if time.monotonic() > deadline:
            break
        _signal(family, signal.SIGKILL)
        time.sleep(0.05)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def variables_of(peer: Peer, bin_: Path) -> dict[str, str]:
    """The environment variables of a peer. bin_: of its environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
    # The peer's children must find the console scripts of its environment.
    path = f"{bin_}{os.pathsep}{kept.get('PATH', '')}"
    # Its environment holds no installation of ours, whose tokenizing it shares.
    ours = f"{ROOT}{os.pathsep}{ROOT / 'app'}"
    return kept | _THREADS | {"PATH": path, "PYTHONPATH": ours, **peer.environment}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
