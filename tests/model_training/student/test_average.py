"""The mean of students' weights: of equal shapes only, and loaded like any student."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model_training.__main__ import main
from model_training.errors import DataInvalid
from model_training.student.average import mean_weights


def student(folder: Path, value: float, **config: object) -> Path:
    folder.mkdir()
    weights = {"layer.weight": torch.full((2, 3), value), "positions": torch.arange(4)}
    save_file(weights, folder / "model.safetensors")
    own = {"model_type": "bert", "_name_or_path": str(folder)} | config
    (folder / "config.json").write_text(json.dumps(own), "utf-8")
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    return folder


def test_the_mean_is_written_as_a_student(tmp_path: Path) -> None:
    folders = [student(tmp_path / str(value), value) for value in (0.0, 1.0, 5.0)]
    of = [text for folder in folders for text in ("--of", str(folder))]
    assert main(["average", *of, "--output", str(tmp_path / "mean")]) == 0
    mean = load_file(tmp_path / "mean/model.safetensors")
    assert torch.equal(mean["layer.weight"], torch.full((2, 3), 2.0))
    assert torch.equal(mean["positions"], torch.arange(4))
    assert (tmp_path / "mean/tokenizer.json").read_text("utf-8") == "{}"


@pytest.mark.parametrize("change", [{"hidden_size": 8}, {"model_type": "roberta"}])
def test_students_of_another_kind_have_no_mean(
    tmp_path: Path, change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = student(tmp_path / "1", 1.0), student(tmp_path / "2", 2.0, **change)
    assert (
        main(["average", "--of", str(one), "--of", str(other), "--output", str(tmp_path / "m")])
        == 2
    )
    assert "differ in config.json" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_a_truncated_file_and_a_single_student_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = student(tmp_path / "1", 1.0), student(tmp_path / "2", 2.0)
    assert main(["average", "--of", str(one), "--output", str(tmp_path / "m")]) == 2
    (other / "model.safetensors").write_bytes(b"\x00" * 20)
    assert (
        main(["average", "--of", str(one), "--of", str(other), "--output", str(tmp_path / "m")])
        == 2
    )
    assert capsys.readouterr().err.count("\n") == 2


def test_weights_of_other_shapes_or_names_have_no_mean() -> None:
    one = {"a": torch.zeros(2)}
    for other in ({"a": torch.zeros(3)}, {"b": torch.zeros(2)}, {}):
        with pytest.raises(DataInvalid):
            mean_weights([one, other])
    with pytest.raises(DataInvalid):
        mean_weights([{"a": torch.tensor([1])}, {"a": torch.tensor([2])}])
