"""Standard streams that nobody reads, that are closed, or full: the server goes on, and says so."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from postern.logs import JsonFormatter, QueuedHandler

from tests.conftest import PATIENT
from tests.server_process import HANG_S, ROOT, environment

GOOD = {"prompt": "read a book"}


@contextmanager
def serving(artifact: Path, **streams: Any) -> Iterator[tuple[Any, str]]:
    """A server whose standard streams are these, and its URL."""
    # Its greeting may be nowhere, so the port is chosen here.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "postern", "serve"],
        cwd=ROOT,
        env=environment(PATIENT | {"artifact": artifact, "port": port, "log_level": "debug"}),
        stdin=subprocess.DEVNULL,
        **streams,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + HANG_S
        while True:
            assert process.poll() is None, "it did not start"
            assert time.monotonic() < deadline
            try:
                if httpx.get(f"{url}/readyz", verify=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield process, url
        process.send_signal(signal.SIGTERM)
        assert process.wait(60.0) == 0
    finally:
        process.kill()
        process.wait(HANG_S)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def flood(url: str, lines: int) -> None:
    """Each request is a line of about 200 bytes, with an id of 128."""
    with httpx.Client(base_url=url, timeout=HANG_S, verify=False) as client:
        for number in range(lines):
            reply = client.get("/nowhere", headers={"X-Request-Id": f"{number:0128d}"})
            assert reply.status_code == 404


def test_a_log_that_nobody_reads_stops_nothing(tiny_artifact: Path) -> None:
    """178 requests once filled the pipe: then probes hung, and SIGTERM did nothing."""
    with serving(tiny_artifact, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as (
        _,
        url,
    ):
        flood(url, 1500)
        assert httpx.get(f"{url}/healthz", verify=False).status_code == 200
        assert httpx.post(f"{url}/classify", json=GOOD, verify=False).status_code == 200


def test_lines_that_find_no_room_are_dropped_and_counted() -> None:
    reading, writing = os.pipe()
    dropped: list[int] = []
    handler = QueuedHandler(writing, waiting_bytes=200_000)
    handler.setFormatter(JsonFormatter())
    handler.on_drop = dropped.append
    logger = logging.Logger("test")
    logger.addHandler(handler)
    started = time.monotonic()
    for _ in range(10_000):
        logger.warning("x" * 100)
    assert time.monotonic() - started < 30.0
    assert 0 < sum(dropped) < 10_000
    told = kept = 0
    with os.fdopen(reading, "rb") as pipe:
        logger.warning("first of the next")  # may find no room either
        while told + kept < 10_001:
            line = json.loads(pipe.readline())
            if line["event"] == "log-lines-dropped":
                told += line["lines"]
            else:
                kept += 1
            if not handler._bytes and told + kept < 10_001:
                logger.warning("nudge")  # once there is room again, the log says what is missing
                kept -= 1
    assert told == sum(dropped)
    handler.end()
    os.close(writing)


def dropped_lines(url: str) -> float:
    metrics = httpx.get(f"{url}/metrics", verify=False).text
    found = re.search(r"^postern_log_lines_dropped_total (\S+)", metrics, re.M)
    assert found
    return float(found[1])


@pytest.mark.parametrize("state", ["closed", "full", "gone"])
def test_streams_that_take_nothing_are_no_error(tiny_artifact: Path, state: str) -> None:
    streams: dict[str, Any]
    if state == "closed":
        streams = {"preexec_fn": partial(os.closerange, 1, 3)}
    elif state == "full":
        full = os.open("/dev/full", os.O_WRONLY)
        streams = {"stdout": full, "stderr": full}
    else:
        reading, writing = os.pipe()
        os.close(reading)
        streams = {"stdout": writing, "stderr": writing}
    with serving(tiny_artifact, **streams) as (process, url):
        flood(url, 20)
        assert httpx.post(f"{url}/classify", json=GOOD, verify=False).status_code == 200
        if state == "closed":  # nothing else may have taken their numbers
            for number in (1, 2):
                assert os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null"
        if state != "closed":
            deadline = time.monotonic() + HANG_S  # lines are written, and so dropped, in pieces
            while dropped_lines(url) < 20:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    if state != "closed":
        os.close(streams["stdout"])


@pytest.mark.parametrize("command", [["info"], ["classify", "read a book"]])
def test_a_command_whose_output_cannot_be_written_says_so_in_a_line(
    tiny_artifact: Path, command: list[str]
) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "postern", *command],
            cwd=ROOT,
            env=environment({"artifact": tiny_artifact}),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=HANG_S,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == b"postern: cannot read or write (No space left on device)\n"
