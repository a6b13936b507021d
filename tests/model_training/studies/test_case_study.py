"""A student that learns an attack: measured before and after, killed in between, and bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from model_training.__main__ import main
from model_training.data.rows import read_rows
from model_training.recipe.config import RunConfig, read_recipe_as
from model_training.run.folder import Run
from model_training.stages.student import split
from model_training.studies.config import StudyRecipe
from tests.server_process import ROOT
from tests.tiny_data import build_tiny_data

_RECIPE = """
name = "case-study"
version = "0.1"
[distil]
base = "replaced"
window_tokens = 64
overlap_tokens = 8
n_draws = 900
batch_tokens = 1024
learning_rate = 1e-3
evaluations = 1
evaluation_rows = 20
precision = "fp32"
[export]
quantization = "none"
parity_rows = 40
calibration_rows = 1
[case_study]
attack = "rot13"
train_prompts = 80
test_prompts = 40
measured_rows = 80
instruction = "read"
"""


class Study:
    def __init__(self, folder: Path, of: Path) -> None:
        self.folder, self.of, self.run = folder, of, folder / "run"

    def call(self, *more: str) -> int:
        places = {"--recipe": "recipe.toml", "--data": "data", "--run": "run"}
        options = [part for k, v in places.items() for part in (k, str(self.folder / v))]
        return main(["case-study", *options, "--of", str(self.of), "--threads", "1", *more])

    def report(self) -> dict[str, Any]:
        return dict(json.loads((self.run / "case_study.json").read_text()))


@pytest.fixture(scope="module")
def finished(tiny_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    build_tiny_data(folder / "data", rows_per_source=80)
    data = {"validation_share": 0.25, "calibration_share": 0.25}
    config = RunConfig.model_validate(
        {"name": "of", "version": "1", "data": data, "distil": {"base": "tiny"}}
    )
    split(Run(config, folder / "data", folder / "of", folder, None))
    shutil.copytree(tiny_student, folder / "of" / "student")
    (folder / "recipe.toml").write_text(_RECIPE)
    study = Study(folder, folder / "of")
    assert study.call() == 0
    return study


@pytest.fixture
def copied(finished: Study, tmp_path: Path) -> Study:
    """Its run in a copy, to break; the student that it began from stays where it was."""
    return Study(Path(shutil.copytree(finished.folder, tmp_path / "copy")), finished.of)


def test_everything_is_measured_before_and_after(finished: Study) -> None:
    report = finished.report()
    for when in ("before", "after"):
        assert set(report[when]["sets"]) == {
            *("attacked prompts", "the same prompts in plain text"),
            *("test, harmbench_eval", "test, openai_moderation"),
        }
        assert set(report[when]["validation"]) == {"prompt", "pair"}
    before, after = (report[when]["sets"] for when in ("before", "after"))
    assert before["attacked prompts"]["rows"] == before["the same prompts in plain text"]["rows"]
    # The tiny student knows three words, none of them in ROT13.
    assert before["the same prompts in plain text"]["auprc"] > 0.9
    assert before["attacked prompts"]["auprc"] < before["the same prompts in plain text"]["auprc"]
    assert after["attacked prompts"] != before["attacked prompts"]
    text = (finished.run / "case_study.md").read_text()
    for needed in ("rot13", "AUPRC before", "AUPRC after", "look-alikes", "test, harmbench_eval"):
        assert needed in text


def test_attacked_prompts_are_half_of_the_prompts_drawn(finished: Study) -> None:
    recorded = json.loads((finished.run / "recipe.json").read_text())
    weights = recorded["distil"]["source_weights"]
    assert set(weights) == {"attack_harmful", "attack_unharmful"}
    train = read_rows(finished.folder / "of" / "rows" / "train.jsonl")
    for label, name in ((0, "attack_unharmful"), (1, "attack_harmful")):
        sizes: dict[str, int] = {}
        for row in train:
            if row.label == label and row.response is None:
                sizes[row.source] = sizes.get(row.source, 0) + 1
        old = sum(size**0.5 for size in sizes.values())
        assert weights[name] * 40**0.5 == pytest.approx(old)


def test_no_attacked_prompt_of_the_test_was_trained_on(finished: Study) -> None:
    splits = [
        {row.prompt for row in read_rows(finished.folder / "of" / "rows" / f"{name}.jsonl")}
        for name in ("train", "validation")
    ]
    assert splits[0].isdisjoint(splits[1])


def test_a_study_that_is_repeated_measures_and_trains_nothing(
    copied: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copied.report()
    (copied.run / "case_study.json").unlink()  # as a kill just before the end leaves it

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("model_training.studies.trial.measure", never)
    assert copied.call() == 0
    assert copied.report() == before


@pytest.mark.slow
def test_after_a_kill_in_training_the_first_measure_stays(copied: Study) -> None:
    expected = copied.report()
    first = (copied.run / "before.json").stat().st_mtime_ns
    for name in ("student", "after.json", "case_study.json", "checkpoint.safetensors"):
        path = copied.run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert copied.call() == 0
    assert (copied.run / "before.json").stat().st_mtime_ns == first
    assert copied.report()["after"] == expected["after"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no_section", "has no section [case_study]"),
        ("no_student", "contains no student; name one with --student"),
        ("no_run", "train.jsonl: cannot be read"),
        ("unknown_attack", "case_study.attack"),
        ("other_recipe", "contains a run of another recipe"),
        ("nothing_short", "no short prompts of both classes"),
    ],
)
def test_what_cannot_be_studied_is_one_clear_line(
    copied: Study, damage: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = copied.folder / "recipe.toml"
    text = recipe.read_text()
    match damage:
        case "no_section":
            recipe.write_text(text.split("[case_study]")[0])
        case "no_student":
            copied.of = copied.folder / "of"
            shutil.rmtree(copied.of / "student")
        case "no_run":
            copied.of = copied.folder / "of"
            (copied.of / "rows" / "train.jsonl").unlink()
        case "unknown_attack":
            recipe.write_text(text.replace("rot13", "rot14"))
        case "other_recipe":
            recipe.write_text(text.replace("n_draws = 900", "n_draws = 901"))
        case "nothing_short":
            recipe.write_text(text + "longest_prompt = 1\n")
    assert copied.call() == 2
    errors = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()
    assert message in errors[-1]
    assert errors[-1].startswith("model_training: ")


def test_the_shipped_recipe_measures_what_it_trains_for() -> None:
    config = read_recipe_as(StudyRecipe, ROOT / "recipes" / "case-study.toml")
    assert config.case_study is not None
    assert config.distil.evaluations == 1
    assert config.export.quantization == "none"
