"""The list of operators and the model for ONNX Runtime's builds for phones, by its own tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnxruntime.tools.reduced_build_config_parser import parse_config
from postern.contract.artifact import read_artifact
from postern.contract.text import segments
from postern.inference.tokenizer import Tokenizer
from postern.inference.warm_up import SELF_TEST
from postern.shipped import DEFAULT_ARTIFACT

from model_training.cli import run_command

pytestmark = pytest.mark.slow

_CONFIG = "required_operators.config"


@pytest.fixture(scope="module")
def mobile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to: Path = tmp_path_factory.mktemp("mobile")
    assert run_command(["operators", str(DEFAULT_ARTIFACT), "--output", str(to)]) == 0
    return to


def test_onnx_runtimes_build_reads_the_list(mobile: Path) -> None:
    required, types = parse_config(str(mobile / _CONFIG))
    assert types is None
    assert set(required) == {"ai.onnx", "com.microsoft"}
    listed = {name for opsets in required.values() for names in opsets.values() for name in names}
    # What the runtime fuses is another operator afterwards; these it leaves as they are.
    graph = onnx.load_from_string(read_artifact(DEFAULT_ARTIFACT).model)
    kept = {node.op_type for node in graph.graph.node} & {"Gather", "QuantizeLinear", "BiasGelu"}
    assert len(kept) == 3
    assert kept <= listed
    # int8 products, and not only float products of dequantized weights
    assert listed & {"MatMulIntegerToFloat", "QLinearMatMul", "DynamicQuantizeMatMul"}


def test_the_list_names_its_student_and_no_folder(mobile: Path) -> None:
    manifest = read_artifact(DEFAULT_ARTIFACT).manifest
    head = (mobile / _CONFIG).read_text().splitlines()[:2]
    assert head == [
        f"# {manifest.name} {manifest.version}",
        f"# model.onnx {manifest.files['model.onnx'].sha256}",
    ]
    assert "/" not in (mobile / _CONFIG).read_text()


def test_the_model_answers_its_self_test(mobile: Path) -> None:
    artifact = read_artifact(DEFAULT_ARTIFACT)
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    session = ort.InferenceSession(str(mobile / "model.ort"))
    for exchange, expected in zip(SELF_TEST, manifest.self_test, strict=True):
        (window,) = tokenizer.encode(segments(exchange)).windows
        ids = window.ids[None].astype(np.int64)
        given = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": window.type_ids[None].astype(np.int64),
        }
        (logits,) = session.run(["logits"], given)
        np.testing.assert_allclose(logits[0], expected, atol=0.05)


def test_types_of_each_operator(tmp_path: Path) -> None:
    to = tmp_path / "mobile"
    assert run_command(["operators", str(DEFAULT_ARTIFACT), "--output", str(to), "--types"]) == 0
    text = (to / _CONFIG).read_text()
    assert '{"inputs"' in text
    required, types = parse_config(str(to / _CONFIG), enable_type_reduction=True)
    assert types is not None
    assert "ai.onnx" in required


def test_a_damaged_artifact_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["operators", str(tmp_path), "--output", str(tmp_path / "mobile")]
    assert run_command(given) == 2
    assert "manifest" in capsys.readouterr().err
    assert not (tmp_path / "mobile").exists()
