"""One process or two, killed or not: the same student."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from model_training.errors import RecipeInvalid
from model_training.run.launch import Place, read_place
from tests.ports import free_port
from tests.tiny_data import build_tiny_data
from tests.tiny_student import build_untrained_base
from tests.training_process import TrainingProcess, completed

_RECIPE = """
name = "miniature"
version = "0.1.0"

[data]
validation_share = 0.2
calibration_share = 0.3

[distil]
base = "{base}"
window_tokens = 64
overlap_tokens = 8
shortest_window_tokens = 32
epochs = 12
batch_tokens = 512
gradient_accumulation = 3
learning_rate = 3e-4
average_share = 0.9
warmup_steps = 5
dropout = 0.1
evaluations = 4
evaluation_rows = 60
precision = "fp32"
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    build_tiny_data(folder / "data")
    base = build_untrained_base(folder / "base")
    (folder / "recipe.toml").write_text(_RECIPE.format(base=base))
    for run in ("one", "two", "killed"):
        assert _alone(folder, run, stage="split") == 0
    return folder


# Without a card, --multi_gpu is how accelerate starts several processes of one machine.
_LAUNCHERS = {
    "torchrun": ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"),
    "accelerate": (
        *("accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"),
        *("--num_processes", "2", "--num_cpu_threads_per_process", "1", "--mixed_precision", "no"),
        *("--dynamo_backend", "no", "--main_process_port", "0", "--module"),
    ),
}


def _start(
    workplace: Path, run: str, *, stage: str = "distil", two_by: str
) -> subprocess.Popen[str]:
    """two_by: who starts two processes."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", *_LAUNCHERS[two_by], "model_training"),
            *_arguments(workplace, run, stage),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        start_new_session=True,
    )


def _arguments(workplace: Path, run: str, stage: str) -> tuple[str, ...]:
    return (
        stage,
        *("--recipe", str(workplace / "recipe.toml")),
        *("--data", str(workplace / "data")),
        *("--run-folder", str(workplace / run)),
    )


def _alone(workplace: Path, run: str, *, stage: str = "distil") -> int:
    """The exit code of one process."""
    done = completed(*_arguments(workplace, run, stage), timeout=900)
    if done.returncode:
        print(done.stderr[-3000:])
    return done.returncode


def _ended(process: subprocess.Popen[str]) -> int:
    _, errors = process.communicate(timeout=900)
    if process.returncode:
        print(errors[-3000:])
    return process.returncode


def _student(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "student" / "model.safetensors")


@pytest.mark.slow
def test_two_processes_make_the_student_of_one(workplace: Path) -> None:
    assert _alone(workplace, "one") == 0
    assert _ended(_start(workplace, "two", two_by="accelerate")) == 0

    one, two = _student(workplace / "one"), _student(workplace / "two")
    assert one.keys() == two.keys()
    for name, expected in one.items():
        np.testing.assert_allclose(two[name], expected, atol=2e-5, err_msg=name)
    start = load_file(workplace / "base" / "model.safetensors")
    moved = max(float(np.abs(one[name] - start[name]).max()) for name in start if name in one)
    assert moved > 2e-3, "training moved the weights by a hundred times that"

    # The first alone writes: each line of the log once, nothing half-written beside it.
    log = (workplace / "two" / "training_log.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    steps = Counter((line["step"], "loss" in line, "averaged_steps" in line) for line in lines)
    assert len(steps) > 5
    assert set(steps.values()) == {1}
    assert not list((workplace / "two").glob(".*.partial"))

    # Killed with two processes, resumed with one.
    killed = _start(workplace, "killed", two_by="torchrun")
    checkpoint = workplace / "killed" / "checkpoint.safetensors"
    waited = time.monotonic()
    while not checkpoint.exists() and killed.poll() is None and time.monotonic() - waited < 500:
        time.sleep(0.01)
    _kill_all(killed)
    assert not (workplace / "killed" / "student").exists(), "it was killed too late to resume"
    assert _alone(workplace, "killed") == 0
    for name, expected in _student(workplace / "killed").items():
        np.testing.assert_allclose(expected, one[name], atol=2e-5, err_msg=name)


def _kill_all(launcher: subprocess.Popen[str]) -> None:
    """The launcher first, lest it tidies up; its workers have sessions of their own."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    launcher.send_signal(signal.SIGKILL)
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    launcher.communicate()


def _two_forks(workplace: Path, run: str, stage: str) -> list[TrainingProcess]:
    """Two processes with the variables that a launcher sets. Launchers have a test above."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        TrainingProcess(
            *_arguments(workplace, run, stage),
            variables=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]


@pytest.mark.slow
def test_two_processes_train_all_mixes(workplace: Path, tmp_path: Path) -> None:
    mixes = 'mixes = [{ name = "few", n_draws = 120 }, { name = "more", n_draws = 200 }]'
    recipe = (workplace / "recipe.toml").read_text().replace("epochs = 12", mixes)
    (tmp_path / "recipe.toml").write_text(recipe)
    (tmp_path / "data").symlink_to(workplace / "data")
    for run in ("one", "two"):
        assert _alone(tmp_path, run, stage="split") == 0
    assert _alone(tmp_path, "one") == 0
    for process in _two_forks(tmp_path, "two", "distil"):
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors[-2000:]
    two = _student(tmp_path / "two")
    for name, expected in _student(tmp_path / "one").items():
        np.testing.assert_allclose(two[name], expected, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    ("stage", "change", "message"),
    [
        ("distil", ("gradient_accumulation = 3", ""), "`gradient_accumulation` is 1"),
        ("run", ("", ""), "several processes can share only the stages distil and round"),
    ],
)
def test_what_several_processes_cannot_share_is_refused(
    workplace: Path, tmp_path: Path, stage: str, change: tuple[str, str], message: str
) -> None:
    recipe = (workplace / "recipe.toml").read_text().replace(*change)
    (tmp_path / "recipe.toml").write_text(recipe)
    (tmp_path / "data").symlink_to(workplace / "data")
    if stage == "distil":
        assert _alone(tmp_path, "run", stage="split") == 0
    processes = _two_forks(tmp_path, "run", stage)
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 2
        assert f"model_training: {message}" in errors or message in errors
    assert not (tmp_path / "run" / "student").exists()


def test_the_place_is_read_from_the_launchers_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert read_place() == Place(0, 0, 1)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert read_place() == Place(3, 1, 4)
    for wrong in ("4", "-1", "first"):
        monkeypatch.setenv("RANK", wrong)
        with pytest.raises(RecipeInvalid, match="RANK"):
            read_place()
