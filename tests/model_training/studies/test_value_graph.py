"""The head beside the classifier: the rest of the graph gives the same numbers, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from postern.contract.artifact import read_artifact
from postern.contract.errors import ArtifactInvalid
from postern.contract.value import VALUE_COLUMNS, VALUE_OUTPUT
from postern.contract.windows import Window
from postern.inference.session import OnnxSession
from postern.shipped import DEFAULT_ARTIFACT

from model_training.errors import DataInvalid
from model_training.recipe.config import DistilConfig
from model_training.student.encoders import load_base, pad_id_of, takes_types
from model_training.student.graph import Student, fp32_graph
from model_training.student.quantize import quantize_tables, quantize_weights
from model_training.studies.value_graph import POOLED, with_head, with_pooled
from tests.tiny_encoders import BASES


def windows_of(seed: int = 0) -> list[Window]:
    rng = np.random.default_rng(seed)
    return [
        Window(rng.integers(4, 80, size=n), np.zeros(n, dtype=np.int64))
        for n in (3, 60, 17, 8, 41, 17)
    ]


def run(model: bytes, extra: str | None = None) -> np.ndarray:
    session = OnnxSession(model, pad_id=0, intra_op_threads=1, extra={extra: None} if extra else {})
    return session.run(windows_of())


def check(model: bytes) -> None:
    """Logits stay, the state feeds both, and a second head takes the place of the first."""
    before = run(model)
    state = run(with_pooled(model), POOLED)
    assert np.array_equal(state[:, :2], before)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(state.shape[1] - 2, VALUE_COLUMNS))
    bias = rng.normal(size=VALUE_COLUMNS)
    headed = with_head(model, weights, bias)
    assert np.array_equal(run(headed), before)
    found = run(headed, VALUE_OUTPUT)
    assert np.array_equal(found[:, :2], before)
    assert found[:, 2:] == pytest.approx(state[:, 2:] @ weights + bias, abs=1e-3)
    assert np.ptp(found[:, 2:], axis=0).min() > 1e-3  # it depends on the text
    other = with_head(headed, 2 * weights, bias)
    assert other == with_head(model, 2 * weights, bias)
    assert with_pooled(headed) == with_pooled(model)


@pytest.fixture(scope="module")
def graph_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], onnx.ModelProto]:
    def make(family: str) -> onnx.ModelProto:
        base = BASES[family](tmp_path_factory.mktemp(family) / "base")
        model = load_base(DistilConfig(base=str(base))).eval()
        return fp32_graph(Student(model, pad_id=pad_id_of(model), takes_types=takes_types(model)))

    return make


@pytest.mark.parametrize("family", BASES)
def test_every_family_keeps_its_logits(
    family: str, graph_of: Callable[[str], onnx.ModelProto]
) -> None:
    check(graph_of(family).SerializeToString())


def test_so_does_a_graph_of_int8_weights(graph_of: Callable[[str], onnx.ModelProto]) -> None:
    check(quantize_weights(quantize_tables(graph_of("bert"))).SerializeToString())


def test_so_does_the_statically_quantized_student(tiny_candidate: Path) -> None:
    check((tiny_candidate / "model.onnx").read_bytes())


def test_so_does_the_student_that_ships() -> None:
    check(read_artifact(DEFAULT_ARTIFACT).model)


def test_a_graph_without_a_linear_classifier_is_refused() -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["logits"])],
        "g",
        [value("x", onnx.TensorProto.FLOAT, ["batch", 2])],
        [value("logits", onnx.TensorProto.FLOAT, ["batch", 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    with pytest.raises(DataInvalid, match="linear classifier"):
        with_pooled(model.SerializeToString())


def test_an_output_that_is_not_there_is_refused() -> None:
    with pytest.raises(ArtifactInvalid, match="value"):
        run(read_artifact(DEFAULT_ARTIFACT).model, VALUE_OUTPUT)
