"""`deploy/ray/score.py` on a real Ray: the server's verdicts, each row once, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.test_backlog import texts
from tests.server_process import HANG_S, ROOT, ServerProcess, environment
from tests.venvs import made_venv

SCORE = ROOT / "deploy" / "ray" / "score.py"
MARKER = "zzmarkerzz"
SHARD = 200
# Ray makes its workers give way to everything else, and waits long for a cluster that is gone.
RAY = {
    "RAY_worker_niceness": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "10",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
}

pytestmark = [pytest.mark.slow, pytest.mark.ray]


@pytest.fixture(scope="module")
def python() -> str:
    return str(made_venv("ray") / "python")


def _environment() -> dict[str, str]:
    return environment({}) | RAY | {"PYTHONPATH": f"{ROOT / 'app'}{os.pathsep}{ROOT}"}


class RayCluster:
    """Two nodes with a core each. See `ray_cluster.py`."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(ROOT / "tests" / "deploy" / "ray_cluster.py")],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self._lines.readline().strip()
        assert self.address

    @property
    def _lines(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def lose(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        while self._lines.readline() != "gone\n":
            assert self._process.poll() is None

    def stop(self) -> None:
        try:
            self._process.communicate(timeout=HANG_S)
        finally:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def cluster(python: str) -> Iterator[RayCluster]:
    made = RayCluster(python)
    yield made
    made.stop()


class Job:
    """A run of `score.py`."""

    def __init__(self, python: str, artifact: Path, *arguments: str | Path) -> None:
        given = [*map(str, arguments), "--artifact", str(artifact), "--shard-rows", str(SHARD)]
        self.process = subprocess.Popen(
            [python, str(SCORE), *given], env=_environment(), cwd=ROOT, stderr=subprocess.PIPE
        )

    def ended(self) -> tuple[int, str]:
        """Exit code, and what it said."""
        _, said = self.process.communicate(timeout=2 * HANG_S)
        return self.process.returncode, said.decode()

    def wait_for_parts(self, output: Path, least: int) -> None:
        deadline = time.monotonic() + 2 * HANG_S
        while len(list(output.glob("part-*"))) < least:
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.ended()
            time.sleep(0.02)


def rows_of(output: Path) -> list[dict[str, Any]]:
    """All rows of the parts that the manifest names, and there are no others."""
    manifest = json.loads((output / "manifest.json").read_text())
    parts = [output / one["file"] for one in manifest["parts"]]
    assert sorted(one.name for one in output.iterdir()) == sorted(
        ["manifest.json", *(one.name for one in parts)]
    )
    rows: list[dict[str, Any]] = pa.concat_tables(
        [pq.read_table(part) for part in parts]
    ).to_pylist()
    assert len(rows) == manifest["rows"]
    return rows


def test_verdicts_are_the_servers_and_bad_rows_are_errors(
    tmp_path: Path, python: str, cluster: RayCluster, tiny_artifact: Path, server: ServerProcess
) -> None:
    prompts: list[str | None] = [*texts(300), None, "", f"{MARKER} " * 5_000_000]
    responses = ["build a bomb" if place % 3 == 0 else None for place in range(len(prompts))]
    table = pa.table({"id": range(len(prompts)), "prompt": prompts, "response": responses})
    source, output = tmp_path / "in.parquet", tmp_path / "out"
    pq.write_table(table, source, row_group_size=128)
    given = (source, "--output", output, "--keep", "id", "--address", cluster.address)
    code, said = Job(python, tiny_artifact, *given, "--progress").ended()
    assert (code, MARKER in said) == (2, False)
    assert "100%" in said
    assert "303/303" in said
    assert said.endswith("score.py: 3 rows could not be judged\n")
    rows = rows_of(output)
    assert [(row["id"], row["row"]) for row in rows] == [(n, n + 1) for n in range(303)]
    assert [row["error"] for row in rows[-3:]] == [
        "the prompt is null",
        "the prompt is empty: it has no visible characters",
        "the input has more than 100000 characters",
    ]
    for place in range(0, 300, 20):
        asked = {"prompt": prompts[place], "response": responses[place]}
        sent = {name: value for name, value in asked.items() if value is not None}
        (alone,) = server.classify(sent).json()["results"]
        shared = rows[place].keys() & alone.keys()
        assert len(shared) >= 10
        assert {name: rows[place][name] for name in shared} == {
            name: alone[name] for name in shared
        }
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["model"]["name"] == "tiny"
    assert MARKER not in (output / "manifest.json").read_text()


def test_a_killed_job_and_a_lost_node_leave_every_row_once(
    tmp_path: Path, python: str, cluster: RayCluster, tiny_artifact: Path
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out"
    prompts = texts(5000)
    source.write_text("".join(json.dumps({"prompt": one}) + "\n" for one in prompts))
    given = (source, "--output", output, "--resume", "--address", cluster.address)
    first = Job(python, tiny_artifact, *given)
    first.wait_for_parts(output, 2)
    first.process.send_signal(signal.SIGKILL)
    first.ended()
    # A task that outlives the killed job may write its part once more, with the same rows.
    kept = {one.name: one.read_bytes() for one in output.glob("part-*")}
    second = Job(python, tiny_artifact, *given)
    second.wait_for_parts(output, len(kept) + 2)
    cluster.lose("node")
    assert second.ended() == (0, "")
    assert kept.items() <= {one.name: one.read_bytes() for one in output.glob("part-*")}.items()
    rows = rows_of(output)
    assert [row["row"] for row in rows] == list(range(1, 5001))
    assert {row["error"] for row in rows} == {None}
    assert Job(python, tiny_artifact, *given).ended() == (0, "")  # nothing is left to do


def test_a_cluster_that_goes_away_is_one_line_and_another_goes_on(
    tmp_path: Path, python: str, cluster: RayCluster, tiny_artifact: Path
) -> None:
    """The last test of this cluster."""
    source, output = tmp_path / "in.csv", tmp_path / "out"
    source.write_text("prompt\n" + "".join(f"{one}\n" for one in texts(3000)))
    given = (source, "--output", output, "--resume")
    job = Job(python, tiny_artifact, *given, "--address", cluster.address)
    job.wait_for_parts(output, 1)
    cluster.lose("head")
    code, said = job.ended()
    assert code == 2
    assert said == (
        f"score.py: Ray or its cluster went away (see {output / 'ray.log'}); the same command with"
        " --resume continues\n"
    )
    assert not (output / "manifest.json").exists()
    assert Job(python, tiny_artifact, *given, "--workers", "2").ended() == (0, "")
    assert [row["row"] for row in rows_of(output)] == list(range(2, 3002))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"prompt": ["a"], "response": [True]}, "column 'response' is bool and not text"),
        (None, "is damaged or no Parquet file"),
    ],
    ids=str,
)
def test_input_that_cannot_be_judged_is_one_line_and_writes_nothing(
    tmp_path: Path,
    python: str,
    tiny_artifact: Path,
    table: dict[str, list[Any]] | None,
    says: str,
) -> None:
    source, output = tmp_path / "in.parquet", tmp_path / "out"
    if table is None:
        source.write_bytes(MARKER.encode())
    else:
        pq.write_table(pa.table(table), source)
    code, said = Job(python, tiny_artifact, source, "--output", output).ended()
    assert (code, said) == (2, f"score.py: {source}: {says}\n")
    assert not output.exists()
