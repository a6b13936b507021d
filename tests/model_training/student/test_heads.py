"""Several heads on one graph: none moves the logits or another head, whatever the company."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from postern.contract.artifact import read_artifact
from postern.contract.windows import Window
from postern.inference.session import OnnxSession
from postern.shipped import DEFAULT_ARTIFACT

from model_training.errors import DataInvalid, GateFailed
from model_training.recipe.config import DistilConfig
from model_training.student.encoders import load_base, pad_id_of, takes_types
from model_training.student.graph import Student, fp32_graph
from model_training.student.heads import (
    check_product,
    check_same_logits,
    hidden_state,
    states_name,
    with_head,
    with_states,
)
from model_training.student.quantize import quantize_tables, quantize_weights
from tests.tiny_encoders import BASES

RNG = np.random.default_rng(0)
WINDOWS = [
    Window(RNG.integers(4, 80, size=n), np.zeros(n, dtype=np.int64)) for n in (3, 60, 17, 8, 41)
]


def run(model: bytes, windows: list[Window], extra: str | None = None) -> np.ndarray:
    further: dict[str, int | None] = {} if extra is None else {extra: None}
    session = OnnxSession(model, pad_id=0, intra_op_threads=1, extra=further)
    return session.run(windows)


@pytest.fixture(params=["tiny", "shipped"])
def model(request: pytest.FixtureRequest, tiny_candidate: Path) -> bytes:
    if request.param == "tiny":
        return (tiny_candidate / "model.onnx").read_bytes()
    return read_artifact(DEFAULT_ARTIFACT).model


def test_a_head_reads_the_mean_of_a_layer_beside_the_pooled_state(model: bytes) -> None:
    before = run(model, WINDOWS)
    pooled = run(with_states(model, "kinds"), WINDOWS, states_name("kinds"))[:, 2:]
    both = run(with_states(model, "kinds", layer=1), WINDOWS, states_name("kinds"))[:, 2:]
    width = pooled.shape[1]
    assert both.shape == (len(WINDOWS), 2 * width)
    assert np.array_equal(both[:, :width], pooled)
    assert np.ptp(both[:, width:], axis=0).min() > 1e-3  # it depends on the text
    weights, bias = RNG.normal(size=(2 * width, 3)), RNG.normal(size=3)
    headed = with_head(model, "kinds", weights, bias, layer=1)
    assert np.array_equal(run(headed, WINDOWS), before)
    found = run(headed, WINDOWS, "kinds")
    assert np.array_equal(found[:, :2], before)
    assert found[:, 2:] == pytest.approx(both @ weights + bias, abs=1e-2)


def test_neighbours_and_padding_move_nothing(model: bytes) -> None:
    width = (
        run(with_states(model, "kinds", layer=1), WINDOWS[:1], states_name("kinds")).shape[1] - 2
    )
    headed = with_head(model, "kinds", RNG.normal(size=(width, 3)), np.zeros(3), layer=1)
    together = run(headed, WINDOWS, "kinds")
    alone = np.concatenate([run(headed, [window], "kinds") for window in WINDOWS])
    assert together == pytest.approx(alone, abs=1e-3)


def test_a_head_replaces_its_older_self_and_leaves_others_alone(model: bytes) -> None:
    width = run(with_states(model, "kinds"), WINDOWS[:1], states_name("kinds")).shape[1] - 2
    weights = RNG.normal(size=(width, 2))
    other = with_head(model, "other", weights, np.ones(2))
    first = with_head(other, "kinds", weights, np.zeros(2))
    second = with_head(first, "kinds", 2 * weights, np.zeros(2))
    assert second == with_head(other, "kinds", 2 * weights, np.zeros(2))
    assert run(second, WINDOWS, "other") == pytest.approx(run(other, WINDOWS, "other"), abs=1e-6)


@pytest.mark.parametrize("layer", [0, 99])
def test_a_layer_that_is_not_there_is_refused(model: bytes, layer: int) -> None:
    with pytest.raises(DataInvalid, match="hidden layers"):
        hidden_state(onnx.load_from_string(model), layer)


def check(model: bytes) -> None:
    """Logits stay, the state feeds both, and a second head takes the place of the first."""
    before = run(model, WINDOWS)
    state = run(with_states(model, "kinds"), WINDOWS, states_name("kinds"))
    assert np.array_equal(state[:, :2], before)
    weights, bias = RNG.normal(size=(state.shape[1] - 2, 4)), RNG.normal(size=4)
    headed = with_head(model, "kinds", weights, bias)
    assert np.array_equal(run(headed, WINDOWS), before)
    found = run(headed, WINDOWS, "kinds")
    assert np.array_equal(found[:, :2], before)
    assert found[:, 2:] == pytest.approx(state[:, 2:] @ weights + bias, abs=1e-3)
    assert np.ptp(found[:, 2:], axis=0).min() > 1e-3  # it depends on the text
    other = with_head(headed, "kinds", 2 * weights, bias)
    assert other == with_head(model, "kinds", 2 * weights, bias)
    assert with_states(headed, "kinds") == with_states(model, "kinds")


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


def test_so_do_the_statically_quantized_student_and_the_one_that_ships(model: bytes) -> None:
    check(model)


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
        with_states(model.SerializeToString(), "kinds")


def test_another_head_than_the_fitted_one_is_refused(model: bytes) -> None:
    states = run(with_states(model, "kinds"), WINDOWS, states_name("kinds"))[:, 2:]
    weights, bias = RNG.normal(size=(states.shape[1], 4)), np.zeros(4)
    check_product(
        run(with_head(model, "kinds", weights, bias), WINDOWS, "kinds")[:, 2:],
        states,
        weights,
        bias,
    )
    other = run(with_head(model, "kinds", weights, bias + 0.1), WINDOWS, "kinds")[:, 2:]
    with pytest.raises(GateFailed, match="not the one"):
        check_product(other, states, weights, bias)


def test_a_head_that_moves_a_logit_is_refused(model: bytes) -> None:
    states = run(with_states(model, "kinds"), WINDOWS, states_name("kinds"))
    headed = with_head(model, "kinds", RNG.normal(size=(states.shape[1] - 2, 4)), np.zeros(4))
    check_same_logits(states, run(headed, WINDOWS, "kinds"))
    graph = onnx.load_from_string(headed)
    moved = next(one for one in graph.graph.initializer if one.name.endswith("classifier.bias"))
    moved.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(moved) + 1e-6, moved.name))
    with pytest.raises(GateFailed, match="moved the logits"):
        # A self-test forgives a millionth; this does not.
        check_same_logits(states, run(graph.SerializeToString(), WINDOWS, "kinds"))
