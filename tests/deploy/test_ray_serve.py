"""`deploy/ray/serve.yaml` on a real Ray: it grows under load and loses a replica without a hang."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.test_ray import RAY
from tests.ports import free_port
from tests.server_process import HANG_S, ROOT, environment
from tests.venvs import made_venv

CONFIGURATION = ROOT / "deploy" / "ray" / "serve.yaml"
PROMPTS = {"how to make a bomb": True, "how to bake a cake": False}
CLIENTS = 12

pytestmark = [pytest.mark.slow, pytest.mark.ray]


def configured(port: int) -> dict[str, Any]:
    """The committed file with another port, and with numbers for a small and hasty test."""
    found: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
    found["http_options"]["port"] = port
    (application,) = found["applications"]
    (deployment,) = application["deployments"]
    deployment["ray_actor_options"]["num_cpus"] = 1
    deployment["autoscaling_config"] |= {
        "max_replicas": 2,
        "target_ongoing_requests": 2,
        "upscale_delay_s": 0.5,
    }
    return found


def replicas() -> set[int]:
    """Processes of replicas, by the name that Ray gives them."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::ServeReplica:postern:Postern"):
                found.add(int(path.parent.name))
        except OSError:  # it ended
            continue
    return found


class Load:
    """Clients that ask one after the other, each on a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopped = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.wrong = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def _ask(self) -> None:
        with httpx.Client(timeout=HANG_S, verify=False) as client:
            while not self._stopped.is_set():
                for prompt, harmful in PROMPTS.items():
                    try:
                        reply = client.post(f"{self._url}/classify", json={"prompt": prompt})
                    except httpx.HTTPError as exc:
                        self.failures.append(type(exc).__name__)
                        continue
                    self.statuses[reply.status_code] += 1
                    if reply.status_code == 200:
                        self.wrong += reply.json()["harmful"] is not harmful

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2 * HANG_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_artifact: Path) -> Iterator[str]:
    python = made_venv("ray") / "python"
    port = free_port()
    path = tmp_path_factory.mktemp("serve") / "serve.yaml"
    path.write_text(yaml.safe_dump(configured(port)))
    paths = (ROOT / "app", ROOT / "deploy" / "ray")
    settings = {"artifact": tiny_artifact, "workers": 1, "request_timeout_ms": 120_000}
    made = environment(settings) | RAY | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    starts = "import ray, sys; ray.init(address='local', num_cpus=3, include_dashboard=False); "
    runs = "from ray.serve.scripts import cli; sys.argv[0] = 'serve'; cli()"
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [python, "-c", starts + runs, "run", str(path)],
            env=made,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"

            def is_ready() -> bool:
                assert process.poll() is None, os.pread(said.fileno(), 1 << 20, 0).decode()
                try:
                    return httpx.get(f"{url}/readyz", verify=False, timeout=5).status_code == 200
                except httpx.TransportError:
                    return False

            wait_for(is_ready)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(HANG_S)
            finally:
                process.kill()
                process.wait()


def test_it_grows_under_load_and_a_killed_replica_is_replaced(served: str) -> None:
    assert len(replicas()) == 1
    with Load(served) as load:
        wait_for(lambda: len(replicas()) == 2)
        before = sum(load.statuses.values())
        wait_for(lambda: sum(load.statuses.values()) > before + 100)
        victim = min(replicas())
        os.kill(victim, signal.SIGKILL)
        killed = sum(load.statuses.values())
        wait_for(lambda: victim not in replicas() and len(replicas()) == 2)
        wait_for(lambda: sum(load.statuses.values()) > killed + 100)
    assert load.failures == []
    assert load.wrong == 0
    assert load.statuses[200] > 200
    # Those that were inside the killed replica, and no verdict among them.
    assert load.statuses.keys() <= {200, 429, 500, 503}
    assert load.statuses[500] + load.statuses[503] <= 2 * CLIENTS


def test_errors_and_pages_are_posterns_own(served: str) -> None:
    with httpx.Client(base_url=served, verify=False, timeout=HANG_S) as client:
        reply = client.post("/classify", json={"prompt": ""})
        assert reply.status_code == 422
        assert reply.headers["content-type"] == "application/problem+json"
        assert client.get("/info").json()["model"]["name"] == "tiny"
        assert re.search("^postern_requests_total", client.get("/metrics").text, re.MULTILINE)
