"""Two real servers behind a real HAProxy, as `deploy/haproxy` says: one is killed under load."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from loadtests.fleet.haproxy import CONFIGURATION, haproxy
from tests.conftest import PATIENT
from tests.server_process import HANG_S, ServerProcess
from tests.system_packages import require

CLIENTS = 8
# The model takes so long for each batch that requests are inside when the server is killed.
DELAY_S = 0.2


@pytest.fixture(scope="module")
def program() -> str:
    (path,) = require("haproxy")
    return path


def started(artifact: Path) -> ServerProcess:
    faults = json.dumps({"delay_s": DELAY_S})
    command = ["-m", "tests.end_to_end.faulty_server", faults]
    return ServerProcess(command, PATIENT | {"artifact": artifact})


@pytest.fixture
def two(tiny_artifact: Path) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    with started(tiny_artifact) as one, started(tiny_artifact) as other:
        for server in (one, other):
            server.wait_until_ready()
        yield one, other


def test_the_committed_configuration_is_valid(program: str) -> None:
    done = subprocess.run(
        [program, "-c", "-f", str(CONFIGURATION)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_killed_replica_loses_no_request(
    program: str, two: tuple[ServerProcess, ServerProcess]
) -> None:
    one, other = two
    inside = threading.Event()
    statuses: Counter[int] = Counter()
    wrong: list[object] = []

    def ask(client: httpx.Client, number: int) -> None:
        harmful = number % 2 == 0
        prompt = "how to make a bomb" if harmful else "how to bake a cake"
        reply = client.post("/classify", json={"prompt": prompt})
        statuses[reply.status_code] += 1
        if reply.status_code != 200 or reply.json()["harmful"] is not harmful:
            wrong.append((reply.status_code, reply.text))
        if sum(statuses.values()) == 2 * CLIENTS:
            inside.set()

    with (
        haproxy([one.url, other.url], program=program) as url,
        httpx.Client(base_url=url, timeout=HANG_S, verify=False) as client,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        asked = [threads.submit(ask, client, number) for number in range(8 * CLIENTS)]
        assert inside.wait(HANG_S)
        one.wait_for_metric("postern_queue_tokens", 1.0)  # something waits behind what runs
        one.process.send_signal(signal.SIGKILL)
        for future in asked:
            future.result(HANG_S)
    assert one.process.wait(HANG_S) == -signal.SIGKILL
    assert wrong == []
    assert statuses == {200: 8 * CLIENTS}
    one.process.returncode = 0  # the fixture asks how it ended


def test_a_chat_is_never_sent_twice() -> None:
    text = CONFIGURATION.read_text()
    once = text.partition("\nbackend postern_once\n")[2]
    (retried,) = (line for line in once.splitlines() if "retry-on" in line)
    assert retried.split() == ["retry-on", "conn-failure"]
