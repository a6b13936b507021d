"""train-teacher and fit-ensemble: killed, resumed, run side by side; and bad input."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import signal
import time
from pathlib import Path

import pytest

from model_training.__main__ import main
from model_training.recipe.config import read_recipe
from model_training.run.folder import Run
from model_training.stages.teacher import member_run
from tests.server_process import ROOT
from tests.tiny_data import build_tiny_data
from tests.tiny_student import build_tiny_artifact, build_untrained_base
from tests.training_process import TrainingProcess

_DATA = """
name = "{name}"
version = "0.1"
[data]
validation_share = 0.25
calibration_share = 0.25
[distil]
base = "{base}"
window_tokens = {window}
overlap_tokens = 8
n_draws = {draws}
batch_tokens = 1024
learning_rate = 3e-3
evaluations = 5
evaluation_rows = 40
precision = "fp32"
"""
_ENSEMBLE = """
[ensemble]
transfer_sources = ["forbidden"]
members = [
  {{ kind = "encoder", name = "short", recipe = "short.toml", seed = 1 }},
  {{ kind = "encoder", name = "long", recipe = "long.toml", seed = 2 }},
  {{ kind = "ngrams", name = "spelling", features_log2 = 12, rows = 200 }},
  {{ kind = "artifact", name = "served", artifact = "{artifact}" }},
]
"""


class TeacherRun:
    """A recipe with an ensemble, those of its members, and a run folder below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.teacher = folder / "run" / "teacher"

    @property
    def options(self) -> list[str]:
        places = {"--recipe": "teacher.toml", "--data": "data", "--run": "run"}
        return [part for k, v in places.items() for part in (k, str(self.folder / v))]

    def start(self, stage: str, *more: str) -> TrainingProcess:
        return TrainingProcess(stage, *self.options, *more)

    def call(self, stage: str, *more: str) -> tuple[int, str]:
        """In this process: the exit code, and what was logged or printed as an error."""
        errors, log = io.StringIO(), io.StringIO()
        handler = logging.StreamHandler(log)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel("INFO")
        try:
            with contextlib.redirect_stderr(errors):
                code = main([stage, *self.options, *more])
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        return code, log.getvalue() + errors.getvalue()

    def check(self, stage: str, *more: str) -> str:
        code, said = self.call(stage, *more)
        assert code == 0, said
        return said

    def fails(self, stage: str, *more: str) -> str:
        code, said = self.call(stage, *more)
        assert code == 2, said
        return said.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> TeacherRun:
    folder = tmp_path_factory.mktemp("teacher")
    build_tiny_data(folder / "data", rows_per_source=100)
    base = build_untrained_base(folder / "base")
    artifact = build_tiny_artifact(folder / "published", quantization="static")
    for name, window in (("short", 48), ("long", 64)):
        text = _DATA.format(name=name, base=base, window=window, draws=2000)
        (folder / f"{name}.toml").write_text(text)
    text = _DATA.format(name="teacher", base=base, window=64, draws=100)
    (folder / "teacher.toml").write_text(text + _ENSEMBLE.format(artifact=artifact))
    run = TeacherRun(folder)
    run.check("split")
    # One is killed as soon as there is something to go on from; the others train beside it.
    killed = run.start("train-teacher", "--member", "short")
    beside = [
        run.start("train-teacher", "--member", name) for name in ("long", "spelling", "served")
    ]
    started = time.monotonic()
    while (
        killed.poll() is None
        and not (run.teacher / "short" / "checkpoint.safetensors").exists()
        and time.monotonic() - started < 300
    ):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    for process in beside:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    assert not (run.teacher / "short" / "student").exists(), "it was killed too late to resume"
    assert "'short' is missing or unfinished" in run.fails("fit-ensemble")
    assert run.check("train-teacher").count("nothing to do") == 2
    run.check("fit-ensemble")
    return run


@pytest.fixture
def copied(finished: TeacherRun, tmp_path: Path) -> TeacherRun:
    return TeacherRun(Path(shutil.copytree(finished.folder, tmp_path / "copy")))


def test_every_contender_is_measured_on_every_set(finished: TeacherRun) -> None:
    report = json.loads((finished.teacher / "ensemble_report.json").read_text())
    assert list(report["contenders"]) == [
        *("short", "long", "spelling", "served"),
        *("mean of margins", "fitted weights"),
    ]
    for found in report["contenders"].values():
        assert set(found["test"]) == {"harmbench_eval", "openai_moderation"}
        assert set(found["transfer"]) == {"forbidden"}
        assert set(found["validation"]) == {"prompt", "pair"}
        assert 0 <= found["test"]["harmbench_eval"]["auprc"] <= 1
        assert "f1" in found["test"]["openai_moderation"]["at"]["balanced"]
    assert set(report["leads"]["test, harmbench_eval"]) == {"short", "long", "spelling", "served"}
    text = (finished.teacher / "ensemble.md").read_text()
    for needed in ("transfer, mean", "test, openai_moderation", "fitted weights", "look-alikes"):
        assert needed in text


def test_the_file_names_members_windows_and_weights(finished: TeacherRun) -> None:
    members = json.loads((finished.teacher / "ensemble.json").read_text())["members"]
    folders = [one["folder"] for one in members]
    assert folders == ["short/student", "long/student", "spelling", "served"]
    windows = [one["windows"] and one["windows"]["window_tokens"] for one in members]
    assert windows == [48, 64, None, None]
    assert all(weight >= 0 for one in members for weight in one["weight"].values())


def test_a_fit_that_is_repeated_asks_no_member_and_finds_the_same(copied: TeacherRun) -> None:
    before = (copied.teacher / "ensemble.json").read_bytes()
    (copied.teacher / "ensemble.json").unlink()
    assert " reads " not in copied.check("fit-ensemble")
    assert (copied.teacher / "ensemble.json").read_bytes() == before
    # Of what a kill took, that alone is asked again.
    (copied.teacher / "margins" / "long--validation.json").unlink()
    assert copied.check("fit-ensemble").count(" reads ") == 1
    assert (copied.teacher / "ensemble.json").read_bytes() == before


def test_a_member_can_be_the_student_of_another_run(copied: TeacherRun) -> None:
    before = json.loads((copied.teacher / "ensemble.json").read_text())
    elsewhere = copied.folder / "elsewhere"
    shutil.move(copied.teacher / "long", elsewhere)
    shutil.rmtree(copied.teacher / "margins")
    recipe = copied.folder / "teacher.toml"
    text = recipe.read_text()
    trained = '{ kind = "encoder", name = "long", recipe = "long.toml", seed = 2 }'
    recipe.write_text(
        text.replace(trained, f'{{ kind = "run", name = "long", run = "{elsewhere}" }}')
    )
    copied.check("train-teacher")
    copied.check("fit-ensemble")
    after = json.loads((copied.teacher / "ensemble.json").read_text())
    assert after["members"][1].pop("folder") == "../../elsewhere/student"
    assert before["members"][1].pop("folder") == "long/student"
    assert after == before

    # One that was split in another way has learnt rows that the others are measured on.
    split = json.loads((elsewhere / "recipe.json").read_text())
    split["data"]["validation_share"] = 0.2
    (elsewhere / "recipe.json").write_text(json.dumps(split))
    assert "its [data] differs" in copied.fails("fit-ensemble")
    (elsewhere / "student" / "tokenizer.json").unlink()
    assert "contains no finished student" in copied.fails("train-teacher")


def test_the_teacher_labels_the_rows_of_its_run(copied: TeacherRun) -> None:
    recipe = copied.folder / "teacher.toml"
    label = '\n[label]\nrows = ["labelled"]\nteacher = { kind = "ensemble" }\n'
    recipe.write_text(recipe.read_text() + label)
    copied.check("label")
    head, *rows = (copied.folder / "run" / "augment" / "label.jsonl").read_text().splitlines()
    assert json.loads(head)["header"]["settings"]["asked"].startswith("ensemble@")
    assert len(rows) > 100
    assert all(0 < json.loads(row)["soft_label"] < 1 for row in rows)


def test_the_members_of_the_shipped_recipe_share_its_split(tmp_path: Path) -> None:
    config = read_recipe(ROOT / "recipes" / "teacher.toml")
    assert config.ensemble is not None
    run = Run(config, tmp_path, tmp_path, tmp_path, None, recipes=ROOT / "recipes")
    encoders = [one for one in config.ensemble.members if one.kind == "encoder"]
    assert len(encoders) >= 4
    seeds = {(one.recipe, member_run(run, one).config.distil.seed) for one in encoders}
    assert len(seeds) == len(encoders)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("unknown_member", "has no member 'other'; it has short, long, spelling, served"),
        ("no_section", "has no section [ensemble]"),
        ("other_data", "long.toml: its [data] differs"),
        ("no_recipe", "long.toml: cannot be read"),
        ("other_seed", "contains a run of another recipe"),
        ("missing_member", "'long' is missing or unfinished"),
        ("learnt_transfer", "'chat' is not a development set, nor a train source that"),
        ("twice", "two members have the same name"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(
    copied: TeacherRun, damage: str, message: str
) -> None:
    recipe, member = copied.folder / "teacher.toml", copied.folder / "long.toml"
    stage: tuple[str, ...] = ("train-teacher",)
    text = recipe.read_text()
    match damage:
        case "unknown_member":
            stage = ("train-teacher", "--member", "other")
        case "no_section":
            recipe.write_text(text.split("[ensemble]")[0])
        case "other_data":
            member.write_text(member.read_text().replace("0.25", "0.2", 1))
        case "no_recipe":
            member.unlink()
        case "other_seed":
            recipe.write_text(text.replace("seed = 2", "seed = 3"))
        case "missing_member":
            stage = ("fit-ensemble",)
            shutil.rmtree(copied.teacher / "long" / "student")
        case "learnt_transfer":
            stage = ("fit-ensemble",)
            recipe.write_text(text.replace("forbidden", "chat"))
        case "twice":
            recipe.write_text(text.replace('name = "long"', 'name = "short"'))
    assert message in copied.fails(*stage)
