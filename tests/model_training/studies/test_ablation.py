"""Arms and seeds: which rows each learns from, a run that is killed, shared and bent."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_training.data.rows import Row, write_rows
from model_training.errors import DataInvalid, RecipeInvalid
from model_training.recipe.augmentation import ClassifierTeacher
from model_training.recipe.config import STUDY_SECTIONS, RunConfig, read_recipe, read_recipe_as
from model_training.run.folder import Run
from model_training.run.stage_files import header, write_stage
from model_training.stages.student import split
from model_training.studies.ablation import Material, ablate, arm_rows, read_material
from model_training.studies.commands import COMPARISONS
from model_training.studies.config import AblationConfig, Arm, StudyRecipe, StudyRun
from model_training.teachers.labellers import asked_of
from tests.tiny_data import build_tiny_data
from tests.tiny_student import build_untrained_base, tiny_rows
from tests.training_process import TrainingProcess

_RECIPE = """
name = "ablation"
version = "0.1"
[distil]
base = "{base}"
window_tokens = 64
overlap_tokens = 8
n_draws = 800
n_steps = 12
batch_tokens = 512
evaluations = 1
evaluation_rows = 20
precision = "fp32"
[export]
quantization = "none"
parity_rows = 40
calibration_rows = 1
[label]
rows = ["labelled"]
[label.teacher]
kind = "classifier"
folders = ["{teacher}"]
format = "student"
window_tokens = 64
overlap_tokens = 8
[behaviour]
cases = 4
[ablation]
seeds = [5]
measured_rows = 80
eda_rows = 20
wordnet = "{wordnet}"
curve = ["soft", "harmaug"]
arms = [
  {{ name = "soft" }},
  {{ name = "eda", eda = true }},
  {{ name = "harmaug", about = "+ HarmAug", generated = ["harmful", "benign"] }},
]
"""


def _generated(count: int) -> list[Row]:
    """Instructions of both intents, each alone and with an answer."""
    made = []
    for index, row in enumerate(tiny_rows(2 * count, seed=77)[:count]):
        intent = ("harmful", "benign")[index % 2]
        for response in (None, "sure here is how"):
            fields = {"source": f"generated_{intent}", "prompt": f"{row.prompt} {index}"}
            made.append(
                Row(
                    **fields,
                    response=response,
                    label=row.label,
                    soft_label=0.9 - 0.8 * (1 - row.label),
                )
            )
    return made


class Place:
    """A finished run with labels, and a recipe for an ablation of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.of = folder, folder / "of"

    @classmethod
    def build(cls, folder: Path, teacher: Path) -> Place:
        build_tiny_data(folder / "data", rows_per_source=80)
        base = build_untrained_base(folder / "base")
        data = {"validation_share": 0.25, "calibration_share": 0.25}
        config = RunConfig.model_validate(
            {"name": "of", "version": "1", "data": data, "distil": {"base": str(base)}}
        )
        place = cls(folder)
        run = Run(config, folder / "data", place.of, folder, None)
        split(run)
        train = run.rows("train")
        soft = [row.model_copy(update={"soft_label": 0.1 + 0.8 * row.label}) for row in train[:-5]]
        asked = asked_of(
            ClassifierTeacher(
                kind="classifier",
                folders=(str(teacher),),
                format="student",
                window_tokens=64,
                overlap_tokens=8,
            )
        )
        head = header("label", {"asked": asked}, {"train": run.rows_file("train")})
        unlabelled = Row(source="pool", prompt="a pool", response=None, label=0, soft_label=0.2)
        write_stage(
            place.of / "augment" / "label.jsonl", head, [*soft, *_generated(20), unlabelled]
        )
        wordnet = folder / "wordnet"
        wordnet.mkdir()
        for part in ("noun", "verb", "adj", "adv"):
            (wordnet / f"data.{part}").write_text("00 00 n 02 cake 0 tart 0 000 | baked\n")
        (folder / "recipe.toml").write_text(
            _RECIPE.format(base=base, teacher=teacher, wordnet=wordnet)
        )
        return place

    def run(self, **changes: Any) -> StudyRun:
        config = read_recipe_as(StudyRecipe, self.folder / "recipe.toml")
        return StudyRun(
            config.model_copy(update=changes), self.folder / "data", self.folder / "run",
            self.folder, threads=1,
        )  # fmt: skip

    def figures(self, arm: str) -> Path:
        return self.folder / "run" / f"{arm}-5" / "figures.json"

    def report(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "run" / "ablation.json").read_text()))


@pytest.fixture(scope="module")
def finished(tiny_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Killed once its first student is measured, and resumed."""
    place = Place.build(tmp_path_factory.mktemp("ablation"), tiny_student)
    places = {"--recipe": "recipe.toml", "--data": "data", "--run": "run", "--of": "of"}
    options = [part for k, v in places.items() for part in (k, str(place.folder / v))]
    killed = TrainingProcess("ablate", *options, "--threads", "1")
    started = time.monotonic()
    while (
        killed.poll() is None
        and not place.figures("soft").exists()
        and time.monotonic() - started < 400
    ):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    _, errors = killed.communicate()
    assert place.figures("soft").exists(), errors
    assert not place.figures("harmaug").exists(), "it was killed too late to resume"
    before = place.figures("soft").stat().st_mtime_ns
    ablate(place.run(), place.of)
    assert place.figures("soft").stat().st_mtime_ns == before
    return place


@pytest.fixture
def copied(finished: Place, tmp_path: Path) -> Place:
    return Place(Path(shutil.copytree(finished.folder, tmp_path / "copy")))


def test_every_arm_is_measured_at_equal_steps(finished: Place) -> None:
    report = finished.report()
    assert [arm["name"] for arm in report["arms"]] == ["soft", "eda", "harmaug"]
    assert report["steps"] == [12]
    assert report["graph"] == ["none"]
    rows = [arm["rows"] for arm in report["arms"]]
    assert rows[2] == rows[0] + 40
    assert rows[0] < rows[1] <= rows[0] + 20
    for name in ("F1, harmbench_eval", "AUPRC, openai_moderation", "over-refusal"):
        assert all(0 <= arm["mean"][name] <= 1 for arm in report["arms"])
    text = (finished.folder / "run" / "ablation.md").read_text()
    assert "+ HarmAug" in text
    for arm in report["arms"]:
        shares = arm["behaviour"]["mean"]
        assert {"plain harm", "help seeking"} <= shares.keys()
        assert all(0 <= share <= 1 for share in shares.values())
    assert "| plain harm |" in text
    for plot in ("ablation.png", "ablation_curve.png"):
        assert f"({plot})" in text  # beside the table, not on the network
        assert (finished.folder / "run" / plot).read_bytes().startswith(b"\x89PNG")


def test_what_is_not_needed_any_more_is_gone(finished: Place) -> None:
    left = {path.name for path in finished.figures("eda").parent.rglob("*.safetensors")}
    assert left == set()
    assert not (finished.figures("eda").parent / "candidate").exists()


def test_rows_of_eda_have_the_teachers_labels(finished: Place) -> None:
    path = finished.folder / "run" / "augment" / "eda.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert 0 < len(rows) <= 20
    assert {row["source"] for row in rows} == {"derived_eda"}
    assert all(row["label"] == (row["soft_label"] > 0.5) for row in rows)


def test_a_finished_ablation_trains_nothing(copied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = copied.report()

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("model_training.student.distil.distil", never)
    (copied.folder / "run" / "ablation.json").unlink()
    ablate(copied.run(), copied.of)
    assert copied.report() == before


def test_other_rows_or_settings_do_not_mix_with_what_is_there(copied: Place) -> None:
    run = copied.run()
    other = run.config.distil.model_copy(update={"learning_rate": 1e-5})
    with pytest.raises(RecipeInvalid, match="other settings or rows"):
        ablate(copied.run(distil=other), copied.of)


@pytest.mark.parametrize(
    ("damage", "message", "kind"),
    [
        ("no_section", r"no section \[ablation\]", RecipeInvalid),
        ("no_arm", "no arm 'other'", RecipeInvalid),
        ("no_labels", "label.jsonl: is missing", DataInvalid),
        ("train_changed", "was made from another train.jsonl", RecipeInvalid),
        ("nothing_labelled", "no row of the train split", RecipeInvalid),
        ("other_teacher", "was labelled by other, not by", RecipeInvalid),
        ("too_many", "the run holds 20 generated instructions, not 21", RecipeInvalid),
        ("no_wordnet", "install wordnet-base", RecipeInvalid),
        ("no_teacher", "needs a teacher", RecipeInvalid),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(
    copied: Place, damage: str, message: str, kind: type[Exception]
) -> None:
    run, arm = copied.run(), None
    assert run.config.ablation is not None
    label_file = copied.of / "augment" / "label.jsonl"
    head, rows = json.loads(label_file.read_text().split("\n")[0])["header"], _generated(20)
    match damage:
        case "no_section":
            run = copied.run(ablation=None)
        case "no_arm":
            arm = "other"
        case "no_labels":
            label_file.unlink()
        case "train_changed":
            write_rows(copied.of / "rows" / "train.jsonl", tiny_rows(9, seed=1))
        case "nothing_labelled":
            inputs = {"train": copied.of / "rows" / "train.jsonl"}
            write_stage(label_file, header("label", head["settings"], inputs), rows)
        case "other_teacher":
            text = label_file.read_text()
            label_file.write_text(text.replace(head["settings"]["asked"], "other", 1))
        case "too_many":
            arms = (Arm(name="a", generated=("harmful", "benign"), instructions=21),)
            run = copied.run(ablation=AblationConfig(arms=arms))
        case "no_wordnet":
            (copied.folder / "run" / "augment" / "eda.jsonl").unlink()
            wordnet = {"wordnet": copied.folder / "nowhere"}
            assert run.config.ablation is not None
            run = copied.run(ablation=run.config.ablation.model_copy(update=wordnet))
        case "no_teacher":
            run = copied.run(label=None)
    with pytest.raises(kind, match=message):
        ablate(run, copied.of, arm=arm)


# --- pure parts ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def material(finished: Place) -> Material:
    return read_material(finished.of)


def test_all_arms_share_the_rows_that_the_teacher_saw(material: Material, finished: Place) -> None:
    n_train = len((finished.of / "rows" / "train.jsonl").read_text().splitlines())
    assert len(material.labelled) == n_train - 5
    hard = arm_rows(Arm(name="none", soft=False), material)
    soft = arm_rows(Arm(name="soft"), material)
    assert [row.prompt for row in hard] == [row.prompt for row in soft]
    assert {row.soft_label for row in hard} == {None}
    assert None not in {row.soft_label for row in soft}
    assert len(arm_rows(Arm(name="more", unlabelled=True), material)) == len(soft) + 1


def test_a_smaller_arm_holds_part_of_a_larger_one_with_its_answers(material: Material) -> None:
    soft = len(arm_rows(Arm(name="soft"), material))

    def made(**settings: Any) -> list[Row]:
        return arm_rows(Arm(name="x", generated=("harmful", "benign"), **settings), material)[soft:]

    few, more, every = made(instructions=5), made(instructions=12), made()
    assert [len(few), len(more), len(every)] == [10, 24, 40]
    prompts = [{row.prompt for row in rows} for rows in (few, more, every)]
    assert prompts[0] < prompts[1] < prompts[2]
    assert set(Counter(row.prompt for row in few).values()) == {2}
    alone = made(answers=False)
    assert [row.prompt for row in alone] == [row.prompt for row in every if row.response is None]
    harmful = arm_rows(Arm(name="x", generated=("harmful",)), material)[soft:]
    assert {row.source for row in harmful} == {"generated_harmful"}


def test_an_arm_may_leave_out_twins(tmp_path: Path) -> None:
    def row(prompt: str, source: str, twin: str | None = None) -> Row:
        return Row(source=source, prompt=prompt, response=None, label=0, soft_label=0.5, twin=twin)

    labelled = row("labelled", "a")
    made = [
        row("kill time", "generated_benign", "1"),
        row("kill him", "generated_harmful", "2"),
        row("alone", "generated_harmful"),
        row("kill a man", "generated_harmful", "1"),
        row("kill a process", "generated_benign", "2"),
    ]
    train, labels = tmp_path / "rows" / "train.jsonl", tmp_path / "augment" / "label.jsonl"
    write_rows(train, [labelled])
    write_stage(labels, header("label", {}, {"train": train}), [labelled, *made])
    material = read_material(tmp_path)

    def prompts(**settings: Any) -> set[str]:
        found = arm_rows(Arm(name="x", generated=("harmful", "benign"), **settings), material)
        return {row.prompt for row in found}

    assert prompts() == {"labelled", *(one.prompt for one in made)}
    assert prompts(twins=False) == {"labelled", "kill time", "kill him", "alone"}
    without = arm_rows(Arm(name="x", generated=("harmful", "benign"), twins=False), material)
    assert {one.twin for one in without} == {None}
    some = arm_rows(Arm(name="x", generated=("harmful",)), material)
    assert {one.prompt for one in some} == {"labelled", "kill him", "alone", "kill a man"}


def test_an_arm_may_leave_out_the_rows_that_teach_behaviour(material: Material) -> None:
    taught = Row(source="behaviour_people", prompt="a", response=None, label=0, soft_label=0.1)
    more = replace(material, labelled=[*material.labelled, taught])
    assert taught in arm_rows(Arm(name="x"), more)
    assert arm_rows(Arm(name="x", behaviour=False), more) == arm_rows(Arm(name="x"), material)


def test_long_rows_are_in_no_arm(material: Material, finished: Place) -> None:
    short = read_material(finished.of, longest_text=60)
    assert 0 < len(short.labelled) < len(material.labelled)
    kept = [*short.labelled, *short.generated["harmful"], *short.generated["benign"]]
    assert max(len(row.prompt) + len(row.response or "") for row in kept) <= 60


def test_fewer_labelled_rows_are_the_same_ones_for_all(material: Material, finished: Place) -> None:
    few, more = (read_material(finished.of, labelled_rows=count) for count in (4, 9))
    assert (len(few.labelled), len(more.labelled)) == (4, 9)
    kept = {row.prompt for row in more.labelled}
    assert {row.prompt for row in few.labelled} <= kept
    assert few.generated == more.generated == material.generated
    # In the order of the split, as all of them are.
    assert more.labelled == [row for row in material.labelled if row in more.labelled]
    assert read_material(finished.of, labelled_rows=10**6).labelled == material.labelled


def test_no_stage_takes_the_recipe_of_a_study(finished: Place) -> None:
    with pytest.raises(RecipeInvalid, match=r"\[ablation\] belongs to the study `ablate`") as found:
        read_recipe(finished.folder / "recipe.toml")
    assert len(str(found.value).splitlines()) == 1
    extra = StudyRecipe.model_fields.keys() - RunConfig.model_fields.keys()
    assert extra == STUDY_SECTIONS.keys()
    assert set(STUDY_SECTIONS.values()) == set(COMPARISONS)
