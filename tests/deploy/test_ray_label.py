"""`label --engine ray` on a real Ray: the bits of the local engine, whatever is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.test_ray import RAY, RayCluster
from tests.server_process import HANG_S, ROOT, environment
from tests.tiny_data import build_tiny_data
from tests.tiny_student import build_tiny_student
from tests.venvs import made_venv

RECIPE = """
name = "tiny"
version = "0.1"

[distil]
base = "tiny"

[label]
rows = ["labelled"]

[label.teacher]
kind = "classifier"
folders = ["{teacher}"]
format = "student"
window_tokens = 64
overlap_tokens = 8
batch_tokens = 256
"""

pytestmark = [pytest.mark.slow, pytest.mark.ray]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment for training into which Ray was installed."""
    ray = made_venv("ray").parent
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    inside = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    paths = [
        sysconfig.get_path("purelib", "venv", {"base": str(ray)}),
        sysconfig.get_path("purelib"),
    ]
    Path(inside, "both.pth").write_text("".join(f"{path}\n" for path in paths))
    return str(folder / "bin" / "python")


def _environment() -> dict[str, str]:
    return environment({}) | RAY | {"PYTHONPATH": f"{ROOT / 'app'}{os.pathsep}{ROOT}"}


@pytest.fixture(scope="module")
def cluster(python: str) -> Iterator[RayCluster]:
    made = RayCluster(python)
    yield made
    made.stop()


class Labelling:
    """A run whose stage `label` is next. Its teacher has a name that is no path of its own."""

    def __init__(self, python: str, folder: Path) -> None:
        self._python, self.folder = python, folder
        self.journal = folder / "run" / "augment" / "calls" / "label.jsonl"
        self.rows = folder / "run" / "augment" / "label.jsonl"

    def start(self, stage: str, *options: str) -> subprocess.Popen[str]:
        places = {"recipe": "recipe.toml", "data": "data", "run": "run"}
        given = [f"--{name}={self.folder / place}" for name, place in places.items()]
        command = [self._python, "-m", "model_training", stage, *given, "--threads=1", *options]
        return subprocess.Popen(
            command, env=_environment(), cwd=ROOT, stderr=subprocess.PIPE, text=True
        )

    def check(self, stage: str, *options: str) -> None:
        process = self.start(stage, *options)
        _, said = process.communicate(timeout=4 * HANG_S)
        assert process.returncode == 0, said

    def wait_for_answers(self, process: subprocess.Popen[str], least: int) -> int:
        deadline = time.monotonic() + 4 * HANG_S
        while (found := self._answers()) < least:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        return found

    def _answers(self) -> int:
        return self.journal.read_bytes().count(b"\n") if self.journal.exists() else 0

    def replies(self) -> dict[str, object]:
        """By key. No call was kept twice."""
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        found = {one["key"]: one["reply"] for one in lines}
        assert len(found) == len(lines)
        return found


@pytest.fixture(scope="module")
def local(python: str, tmp_path_factory: pytest.TempPathFactory) -> Labelling:
    """A run that the local engine has labelled."""
    folder = tmp_path_factory.mktemp("local")
    build_tiny_data(folder / "data", rows_per_source=1500)
    teacher = build_tiny_student(folder / "teacher")
    (folder / "recipe.toml").write_text(RECIPE.format(teacher=teacher))
    made = Labelling(python, folder)
    made.check("split")
    shutil.copytree(folder, folder.with_name("untouched"))
    made.check("label")
    return made


@pytest.fixture
def run(local: Labelling, python: str, tmp_path: Path) -> Labelling:
    """The same run before it was labelled."""
    folder = shutil.copytree(local.folder.with_name("untouched"), tmp_path / "run")
    return Labelling(python, folder)


def test_a_killed_stage_a_lost_node_and_another_engine_give_the_same_bits(
    run: Labelling, local: Labelling, cluster: RayCluster
) -> None:
    options = ("--engine=ray", f"--ray-address={cluster.address}")
    first = run.start("label", *options)
    some = run.wait_for_answers(first, 256)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not run.rows.exists()
    second = run.start("label", *options)
    more = run.wait_for_answers(second, some + 256)
    cluster.lose("node")
    _, said = second.communicate(timeout=4 * HANG_S)
    assert second.returncode == 0, said
    expected = local.replies()
    assert len({str(reply) for reply in expected.values()}) > 500
    assert more < len(expected), "the node was lost at the end"
    assert run.replies() == expected
    assert run.rows.read_bytes() == local.rows.read_bytes()
    assert not (run.folder / "run" / "augment" / "ray.log").exists()


def test_a_cluster_that_goes_away_is_one_line_and_the_local_engine_goes_on(
    run: Labelling, local: Labelling, cluster: RayCluster
) -> None:
    """The last test of this cluster."""
    process = run.start("label", "--engine=ray", f"--ray-address={cluster.address}")
    some = run.wait_for_answers(process, 256)
    cluster.lose("head")
    _, said = process.communicate(timeout=4 * HANG_S)
    line = said.replace("\r", "\n").strip().splitlines()[-1]
    log = run.folder / "run" / "augment" / "ray.log"
    assert (process.returncode, line) == (
        2,
        f"model_training: Ray or its cluster went away (see {log}); the same command continues",
    )
    assert some < len(local.replies())
    assert not run.rows.exists()
    run.check("label")
    assert run.replies() == local.replies()
    assert run.rows.read_bytes() == local.rows.read_bytes()


def test_a_session_that_no_machine_has_room_for_is_one_line(run: Labelling) -> None:
    process = run.start("label", "--engine=ray", "--threads=512")
    _, said = process.communicate(timeout=4 * HANG_S)
    assert process.returncode == 2
    assert said.endswith("model_training: no machine of the cluster has 512 cores for a session\n")
