"""The Locust scenarios, headless, from an environment of Locust's own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.server_process import HANG_S, ROOT
from tests.venvs import made_venv

pytestmark = pytest.mark.slow

SCENARIOS = ["prompts", "pairs", "batches", "long", "chatbot"]


def test_every_scenario_runs_without_a_failure(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(api_keys="watching")
    command = [
        *(made_venv("locust") / "locust", "-f", ROOT / "loadtests/locustfile.py"),
        *("--host", server.url, "--headless", "--users", "5", "--spawn-rate", "5"),
        # Long enough that each kind of user is done once; whoever still waits may finish.
        *("--run-time", "6s", "--stop-timeout", "60", "--json", "--only-summary"),
    ]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "LOADTEST_API_KEY": "watching"},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stats = {one["name"]: one for one in json.loads(done.stdout)}
    assert stats.keys() == {*SCENARIOS}
    assert all(one["num_failures"] == 0 for one in stats.values())
    sent = sum(one["num_requests"] for one in stats.values())
    metrics = server.get("/metrics", headers={"X-API-Key": "watching"}).text
    assert f'postern_requests_total{{route="/classify",status="200"}} {sent}.0\n' in metrics
