"""`fit-value`: from labelled rows to a version with a head, and whether that beats `band`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from postern.calibration.calibrate import outputs
from postern.calibration.labelled import Labelled
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.columns import Columns
from postern.contract.value import VALUE_COLUMNS
from postern.contract.windows import Window
from postern.inference.session import OnnxSession

from model_training.__main__ import main
from model_training.data.rows import Row, write_rows
from model_training.errors import GateFailed
from model_training.studies.value_graph import POOLED, with_head, with_pooled
from model_training.studies.value_head import FittedValue
from model_training.studies.value_version import JudgedRows, check_model
from tests.tiny_student import tiny_rows


def doubtful_rows(count: int, *, seed: int) -> list[Row]:
    """One label in eight is not what the student says; the teacher, as soft label, is right."""
    rng = np.random.default_rng(seed)
    rows = []
    for row in tiny_rows(count, seed=seed):
        label = 1 - row.label if rng.random() < 0.125 else row.label
        sure = 0.9 + 0.09 * rng.random()
        rows.append(
            row.model_copy(update={"label": label, "soft_label": sure if label else 1 - sure})
        )
    return rows


def run(stage: str, *arguments: object) -> int:
    return main([stage, *map(str, arguments)])


@pytest.fixture(scope="module")
def fitted(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit-value")
    write_rows(folder / "calibration.jsonl", doubtful_rows(480, seed=31))
    given = ("--student", tiny_artifact, "--rows", folder / "calibration.jsonl")
    where = ("--output", folder, "--version", "0.0.2+value", "--threads", 1)
    assert run("fit-value", *given, *where) == 0
    return folder / "tiny" / "0.0.2+value"


def test_the_new_version_says_the_same_and_has_a_head(fitted: Path, artifact: Artifact) -> None:
    found = read_artifact(fitted)
    old, new = artifact.manifest, found.manifest
    assert (new.name, new.version) == ("tiny", "0.0.2+value")
    assert set(new.policy.value) == {"prompt", "pair"}
    assert new.policy.calibration == old.policy.calibration
    assert new.policy.operating_points == old.policy.operating_points
    assert new.self_test == old.self_test
    # The teacher knows better, so its word weighs more.
    assert all(one.teacher > one.student for one in new.policy.fusion.values())
    assert new.metrics["value"]["rows"] == 480
    assert new.metrics["value"]["teacher"] == "given as probabilities"
    window = Window(np.arange(2, 40), np.zeros(38, dtype=np.int64))
    before, after = (
        OnnxSession(model, pad_id=0, intra_op_threads=1, extra=extra).run([window])
        for model, extra in ((artifact.model, {}), (found.model, Columns(has_value=True).extra))
    )
    assert after.shape == (1, 2 + VALUE_COLUMNS)
    assert np.array_equal(after[:, :2], before)
    assert {path.name for path in fitted.iterdir()} == {*old.files, "manifest.json"}


def test_a_version_is_never_written_over(
    fitted: Path, tiny_artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fitted.parents[1]
    given = ("--student", tiny_artifact, "--rows", folder / "calibration.jsonl", "--share", 0.2)
    where = ("--output", folder, "--version", "0.0.2+value", "--threads", 1)
    before = (fitted / "manifest.json").read_bytes()
    assert run("fit-value", *given, *where) == 2
    assert "a version never changes" in capsys.readouterr().err
    assert (fitted / "manifest.json").read_bytes() == before


def test_a_teacher_is_asked_once_and_its_opinions_kept(
    tiny_artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The student as its own teacher repairs nothing: it is asked, kept, and refused."""
    rows, scores = tmp_path / "rows.jsonl", tmp_path / "scores.jsonl"
    write_rows(rows, doubtful_rows(120, seed=32))
    given = ("--student", tiny_artifact, "--scores", scores, "--threads", 1, "--output", tmp_path)
    assert run("fit-value", *given, "--rows", rows, "--teacher", tiny_artifact) == 2
    assert "a head takes 20 at least" in capsys.readouterr().err
    lines = [json.loads(line) for line in scores.read_text().splitlines()]
    assert {line["set"] for line in lines} == {"calibration"}
    assert len(lines) == 120
    # Another teacher's opinions in the same file: the rows say which is whose.
    better = [{**line, "teacher": 0.95 if line["label"] else 0.05} for line in lines]
    scores.write_text("".join(json.dumps(line) + "\n" for line in better))
    write_rows(rows, doubtful_rows(120, seed=33))
    assert run("fit-value", *given, "--rows", rows) == 2
    assert "of other rows" in capsys.readouterr().err


def test_labelled_lines_will_do(tiny_artifact: Path, tmp_path: Path) -> None:
    lines = []
    for row in doubtful_rows(480, seed=34):
        kind = "prompt" if row.response is None else "response"
        line: dict[str, Any] = {"prompt": row.prompt, f"{kind}_label": row.label}
        line |= {} if row.response is None else {"response": row.response}
        lines.append(json.dumps(line | {"teacher_probability": row.soft_label}))
    (tmp_path / "labelled.jsonl").write_text("\n".join(lines))
    given = ("--student", tiny_artifact, "--labelled", tmp_path / "labelled.jsonl")
    assert run("fit-value", *given, "--output", tmp_path, "--threads", 1) == 0
    (version,) = (tmp_path / "tiny").iterdir()
    assert version.name.startswith("0.0.1+value.")


def test_a_graph_that_says_something_else_is_not_published(artifact: Artifact) -> None:
    rows = [Labelled(row.exchange, row.label) for row in tiny_rows(12, seed=4)]
    opened = dataclasses.replace(artifact, model=with_pooled(artifact.model))
    state = POOLED
    seen = outputs(opened, rows, [None] * 12, threads=1, extra=state)
    judged = JudgedRows(rows, seen, np.full(12, 0.5))
    weights = np.random.default_rng(0).normal(size=(seen.shape[1] - 2, VALUE_COLUMNS))
    bias = np.zeros(VALUE_COLUMNS)
    fitted = FittedValue(weights, bias, {}, {})
    check_model(artifact, with_head(artifact.model, weights, bias), judged, fitted, threads=1)
    other_head = with_head(artifact.model, weights, bias + 0.1)
    with pytest.raises(GateFailed, match="not the one"):
        check_model(artifact, other_head, judged, fitted, threads=1)
    graph = onnx.load_from_string(with_head(artifact.model, weights, bias))
    moved = next(one for one in graph.graph.initializer if one.name.endswith("classifier.bias"))
    moved.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(moved) + 1e-6, moved.name))
    nudged = graph.SerializeToString()
    with pytest.raises(GateFailed, match="moved the logits"):
        # The self-test forgives a millionth; this does not.
        check_model(artifact, nudged, judged, fitted, threads=1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--share", 1.5), "--share"),
        (("--version", "../1.0"), "version must be"),
        ((), "no row has a teacher's opinion"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    more: tuple[object, ...],
    said: str,
    tiny_artifact: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_rows(tmp_path / "rows.jsonl", tiny_rows(60, seed=3))
    given = ("--student", tiny_artifact, "--rows", tmp_path / "rows.jsonl", "--threads", 1)
    assert run("fit-value", *given, "--output", tmp_path / "out", *more) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_report_weighs_value_against_band(
    fitted: Path, tiny_artifact: Path, tmp_path: Path
) -> None:
    """Scores of a student without a head serve again: the teacher need not be asked twice."""
    validation = tmp_path / "validation.jsonl"
    write_rows(validation, doubtful_rows(400, seed=35))
    shared = ("--validation", validation, "--threads", 1, "--resamples", 20)
    first = ("--student", tiny_artifact, "--teacher", tiny_artifact, "--output", tmp_path / "a")
    assert run("cascade-report", *first, *shared) == 0
    assert "`value`" not in (tmp_path / "a/cascade.md").read_text()
    scores = tmp_path / "a/scores.jsonl"
    lines = [json.loads(line) for line in scores.read_text().splitlines()]
    told = [{**one, "teacher": 0.96 if one["label"] else 0.03} for one in lines]
    scores.write_text("".join(json.dumps(one) + "\n" for one in told))
    again = ("--student", fitted, "--scores", scores, "--output", tmp_path / "b")
    assert run("cascade-report", *again, *shared) == 0
    found = json.loads((tmp_path / "b/cascade.json").read_text())
    prompts = found["sets"]["validation, prompt"]
    assert len(prompts["curves"]["value"]) == len(prompts["curves"]["rates"])
    assert set(prompts["curves"]["area"]) == {"band", "override", "random", "oracle", "value"}
    assert prompts["curves"]["value"][0] == prompts["curves"]["band"][0]
    assert prompts["curves"]["value"][-1] == prompts["curves"]["band"][-1]
    for rate in ("0.05", "0.1"):
        means = found["value"][rate]["means"]
        (low, high), difference = means["held-out"]["interval_95"], means["held-out"]["difference"]
        by_set = [one["difference"] for one in found["value"][rate]["sets"].values()]
        assert low <= high
        assert difference == pytest.approx(np.mean(by_set))
        assert means["held-out"]["better"] in {"value", "band", "neither"}
    text = (tmp_path / "b/cascade.md").read_text()
    assert "## `value` or `band`" in text
    assert "- held-out, 10% deferred: " in text
    # Scores of other rows are not mistaken for theirs.
    write_rows(validation, doubtful_rows(400, seed=36))
    assert run("cascade-report", *again, *shared) == 2
