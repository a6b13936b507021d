"""What a prefix is worth: a tiny Llama writes, a tiny student judges, and no text is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_training.__main__ import main
from model_training.augmentation.instructions import Instruction
from model_training.recipe.augmentation import Sampling
from model_training.run.journal import Journal
from model_training.studies.prefix_figures import figures, markdown, seconds_of_each
from tests.tiny_data import build_tiny_data
from tests.tiny_llama import build_tiny_llama
from tests.tiny_student import build_tiny_artifact, build_untrained_base

CALLS = 6
RECIPE = """
name = "tiny"
version = "0.1"

[distil]
base = "tiny"

[generate]
model = { kind = "server", base_url = "http://127.0.0.1:9/v1", model = "of nobody" }
exemplars = 2
longest_exemplar = 100
sampling = { temperature = 2.0, max_tokens = 6 }
"""


class Study:
    """A recipe, data, a model and a teacher below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        build_tiny_data(folder / "data", rows_per_source=40)
        build_tiny_llama(folder / "llama")
        build_untrained_base(folder / "encoder")
        self.teacher = build_tiny_artifact(folder / "artifacts")
        (folder / "recipe.toml").write_text(RECIPE)
        assert main(["split", *self.places()]) == 0

    def places(self) -> list[str]:
        names = {"--recipe": "recipe.toml", "--data": "data", "--run": "run"}
        return [part for flag, name in names.items() for part in (flag, str(self.folder / name))]

    def call(self, *more: str) -> int:
        options = ["--models", str(self.folder / "llama"), "--teacher", str(self.teacher)]
        options += ["--encoder", str(self.folder / "encoder"), "--calls", str(CALLS)]
        return main(["prefix-worth", *self.places(), *options, *more])

    @property
    def report(self) -> dict[str, Any]:
        content = (self.folder / "run" / "prefix_worth" / "report.json").read_text()
        return dict(json.loads(content))

    def journal(self) -> Path:
        return self.folder / "run" / "prefix_worth" / "calls.jsonl"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    found = Study(tmp_path_factory.mktemp("prefix"))
    assert found.call() == 0
    return found


def test_each_model_is_measured_with_and_without_prefix_and_exemplars(study: Study) -> None:
    ((name, cells),) = study.report["models"].items()
    assert name.startswith("llama@")
    assert [(cell["prefix"], cell["exemplars"]) for cell in cells] == [
        (False, 0),
        (False, 2),
        (True, 0),
        (True, 2),
    ]
    for cell in cells:
        bad = sum(cell["complaints"].values())
        assert cell["calls"] == CALLS == cell["well_formed"]["count"] + bad
        assert cell["harmful"]["count"] <= cell["well_formed"]["count"]
        spent = cell["spent"]
        assert spent["calls"] == CALLS
        assert 0 < spent["written_tokens"] <= 6 * CALLS
        assert spent["read_tokens"] > 20 * CALLS
        assert spent["processor_seconds"] > 0
    shown = [cell["spent"]["read_tokens"] for cell in cells]
    assert shown[0] < shown[1]
    assert shown[2] < shown[3]


def test_nothing_is_asked_twice_and_costs_are_kept(study: Study) -> None:
    before, report = study.journal().read_bytes(), study.report
    assert study.call() == 0
    assert study.journal().read_bytes() == before
    assert study.report == report


def test_a_killed_measurement_adds_to_its_costs(study: Study, tmp_path: Path) -> None:
    other = Study(tmp_path)
    content = study.journal().read_bytes().splitlines(keepends=True)
    other.journal().parent.mkdir(parents=True)
    # The last lines are the costs of the last cell and the replies of its last batch.
    other.journal().write_bytes(b"".join(content[:-3]))
    assert other.call("--batch-rows", "2") == 0
    (cells,) = other.report["models"].values()
    (same,) = study.report["models"].values()
    assert [cell["well_formed"] for cell in cells] == [cell["well_formed"] for cell in same]
    assert all(cell["spent"]["calls"] == CALLS for cell in cells)


def test_what_was_written_is_in_the_journal_alone(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.call() == 0
    printed = capsys.readouterr().out
    assert printed == (study.folder / "run" / "prefix_worth" / "report.md").read_text()
    shown = printed + json.dumps(study.report)
    with Journal(study.journal()) as journal:
        lines = study.journal().read_text().splitlines()
        replies = [journal.get(json.loads(line)["key"]) for line in lines]
    texts = [one["text"].strip() for one in replies if one.get("text")]
    assert len(texts) > CALLS
    assert not [text for text in texts if len(text) > 5 and text in shown]


def _row(text: str, complaint: Any = None, finish: str = "stop") -> Instruction:
    return Instruction(
        id="0",
        intent="harmful",
        category=None,
        exemplar_source=None,
        text=text,
        complaint=complaint,
        prefix=None,
        finish=finish,
        model="m",
        seed=1,
        sampling=Sampling().model_dump(),
    )


def test_figures_count_calls() -> None:
    rows = [
        _row("steal an apple"),
        _row("Steal an apple!"),
        _row("steal a pear", finish="length"),
        _row("bake bread"),
        _row("Sorry, no", "refusal"),
        _row("", "empty"),
    ]
    found = figures(rows, lambda texts: {text: "teal" in text for text in texts})
    counts = {
        name: one["count"] for name, one in found.items() if isinstance(one, dict) and "n" in one
    }
    assert counts == {
        "well_formed": 4,
        "harmful": 3,
        "refusals": 1,
        "cut_off": 1,
        "distinct": 3,
        "usable": 1,
    }
    assert found["complaints"] == {"empty": 1, "refusal": 1}
    assert found["harmful"]["interval_95"] == pytest.approx((0.1876, 0.8124), abs=1e-3)
    spent = {"calls": 3, "processor_seconds": 2.0, "written_tokens": 10}
    assert seconds_of_each(found | {"spent": spent}) == pytest.approx(2.0 / 3 * 6)
    assert seconds_of_each(found | {"spent": spent | {"calls": 0}}) is None


def test_a_cell_without_an_instruction_has_a_line() -> None:
    found = figures([_row("", "empty")], lambda texts: {})
    cell = found | {"prefix": False, "exemplars": 0, "diversity": None}
    spent = {"calls": 0, "processor_seconds": 0.0, "written_tokens": 0}
    lines = markdown({"models": {"m": [cell | {"spent": spent}]}}).splitlines()
    assert lines[-1].startswith("| m | no | 0 | 0% (0% to 79%) |")
    assert lines[-1].endswith("| - | - | - | - | - | - |")
