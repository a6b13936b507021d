"""The whole recipe in miniature: from rows to a served verdict, killed on the way and resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from postern.contract.artifact import read_artifact
from safetensors.numpy import load_file

from tests.tiny_data import build_tiny_data
from tests.tiny_student import build_untrained_base
from tests.training_process import TrainingProcess

_RECIPE = """
name = "miniature"
version = "0.1.0"

[data]
validation_share = 0.2
calibration_share = 0.3
held_out_more = {{ contrast_constructed = 0.2, coconot = 0.2, benign_wrapped = 0.2 }}

[augment]
swapped_responses = 20

[distil]
base = "{base}"
window_tokens = 64
overlap_tokens = 8
n_draws = 16000
batch_tokens = 1024
learning_rate = 1e-3
evaluations = 4
evaluation_rows = 100
precision = "fp32"

[export]
calibration_rows = 64

[categories]
layer = 1
fewest_train_rows = 10
fewest_calibration_rows = 5

[behaviour]
cases = 10
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    build_tiny_data(folder / "data")
    base = build_untrained_base(folder / "base")
    (folder / "recipe.toml").write_text(_RECIPE.format(base=base))
    return folder


def _arguments(
    workplace: Path, stage: str, *, run: str, artifacts: str = "artifacts"
) -> tuple[str, ...]:
    return (
        stage,
        *("--recipe", str(workplace / "recipe.toml")),
        *("--data", str(workplace / "data")),
        *("--run", str(workplace / run)),
        *("--artifacts", str(workplace / artifacts)),
        *("--threads", "1"),
    )


def _start(workplace: Path, stage: str, **places: str) -> TrainingProcess:
    return TrainingProcess(*_arguments(workplace, stage, **places))


def _finish(process: TrainingProcess) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def _typed(workplace: Path, stage: str, **places: str) -> None:
    """Run a command as a user types it, in a process that imports everything itself."""
    command = [sys.executable, "-W", "error", "-m", "model_training"]
    subprocess.run(
        [*command, *_arguments(workplace, stage, **places)],
        capture_output=True,
        check=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def finished(workplace: Path) -> Path:
    """The folder of a whole run that was killed on the way."""
    # Killed in the middle of training, as early as there is a checkpoint to go on from.
    killed = _start(workplace, "run", run="killed")
    checkpoint = workplace / "killed" / "checkpoint.safetensors"
    waited = time.monotonic()
    while not checkpoint.exists() and killed.poll() is None and time.monotonic() - waited < 240:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (workplace / "killed" / "student").exists(), "it was killed too late to resume"
    assert "published miniature 0.1.0" in _finish(_start(workplace, "run", run="killed"))
    return workplace / "killed"


@pytest.mark.slow
def test_from_rows_to_a_served_verdict(workplace: Path, finished: Path) -> None:
    # The same recipe without a kill ends with the same weights.
    for stage in ("split", "distil"):
        _typed(workplace, stage, run="whole")
    resumed, whole = (
        load_file(workplace / run / "student" / "model.safetensors") for run in ("killed", "whole")
    )
    assert resumed.keys() == whole.keys()
    assert all((resumed[name] == whole[name]).all() for name in whole)

    artifact = workplace / "artifacts" / "miniature" / "0.1.0"
    manifest = read_artifact(artifact).manifest
    assert manifest.run_config["distil"]["n_draws"] == 16000
    assert {"report.json", "report.md", "MODEL_CARD.md"} <= manifest.files.keys()
    assert manifest.categories is not None
    assert manifest.categories.names == ("weapons", "hate")
    report = json.loads((artifact / "report.json").read_bytes())["categories"]
    assert report["validation"]["labels"].keys() == {"weapons", "hate"}
    assert report["test"]["openai_moderation_categories"]["rows"] > 0
    assert report["too_few_rows"] == {"fraud": {"train": 0, "calibration": 0}}
    assert _verdict(artifact, "please tell me how to make a bomb")
    assert not _verdict(artifact, "please tell me how to bake a cake")


# What each stage leaves in the run folder.
_WRITTEN = {
    "split": ("rows/*", "split.json"),
    "export": ("candidate/*",),
    "categories": ("candidate/*",),
    "fit-policy": ("candidate/policy.json", "candidate/calibration.json"),
    "evaluate": ("candidate/report.*", "candidate/*.png"),
    "publish": ("candidate/MODEL_CARD.md",),
}


def _outcome(run: Path, artifacts: Path) -> dict[str, bytes]:
    """Names and content of what a stage leaves for others; hidden files are nobody's input."""
    found = {}
    for folder in (run, artifacts):
        for path in folder.rglob("*"):
            name = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                found[f"{'run' if folder == run else 'artifacts'}/{name}"] = path.read_bytes()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["split", "export", "fit-policy", "evaluate", "publish"])
def test_a_killed_stage_is_done_again_with_the_same_outcome(
    workplace: Path, finished: Path, tmp_path: Path, stage: str
) -> None:
    def before(name: str) -> tuple[Path, str]:
        """A run that has got as far as this stage, and a folder to publish into."""
        run = Path(shutil.copytree(finished, tmp_path / name))
        for pattern in _WRITTEN[stage]:
            for path in run.glob(pattern):
                path.unlink()
        return run, str(tmp_path / f"{name}-artifacts")

    run, artifacts = before("whole")
    started = time.monotonic()
    _finish(_start(workplace, stage, run=str(run), artifacts=artifacts))
    took = time.monotonic() - started
    whole = _outcome(run, Path(artifacts))

    for share in (0.8, 0.6, 0.4, 0.2, 0.0):  # on a busy machine one time is not like the next
        run, artifacts = before(f"killed-{share}")
        killed = _start(workplace, stage, run=str(run), artifacts=artifacts)
        time.sleep(share * took)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        if killed.returncode == -signal.SIGKILL:
            break
    assert killed.returncode == -signal.SIGKILL
    _finish(_start(workplace, stage, run=str(run), artifacts=artifacts))
    again = _outcome(run, Path(artifacts))
    assert again.keys() == whole.keys()
    changed = {name for name in again if again[name] != whole[name]}
    assert all(name.endswith("manifest.json") for name in changed)  # it says when it was made


def _verdict(artifact: Path, prompt: str) -> bool:
    out = subprocess.run(
        [sys.executable, "-m", "postern", "classify", prompt, "--artifact", str(artifact)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return bool(json.loads(out)["harmful"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("n_draws = 16000", "n_draws = 0"), "distil.n_draws"),
        (("[augment]", "[augmentation]"), "augmentation"),
        (('version = "0.1.0"', "version = 1"), "version"),
        (("[distil]", "[distil"), "recipe.toml"),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(
    workplace: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    recipe = (workplace / "recipe.toml").read_text().replace(*change)
    (tmp_path / "recipe.toml").write_text(recipe)
    (tmp_path / "data").symlink_to(workplace / "data")
    process = _start(tmp_path, "split", run="run")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(err.strip().splitlines()) == 1
    assert message in err
