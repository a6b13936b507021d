"""Ranges and rounding, on histograms and graphs small enough to reason about."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_training.student.activations import Histogram, clip_least_squares, clip_percentile
from model_training.student.graph import without_aliases
from model_training.student.quantize import (
    fixed_nodes,
    quantizable,
    quantize_static,
    quantize_tables,
    quantize_weights,
    with_activations,
)


def bell_with_outlier() -> Histogram:
    """A normal distribution, and one value at 100 among a hundred thousand."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=100_000), [100.0]])
    counts = np.histogram(values, bins=4096)[0].astype(np.float64)
    return Histogram(float(values.min()), 100.0, counts)


def test_percentile_leaves_out_what_is_rare() -> None:
    low, high = clip_percentile(bell_with_outlier(), 99.9)

    assert low == pytest.approx(-3.3, abs=0.2)
    assert high == pytest.approx(3.3, abs=0.2)
    assert clip_percentile(bell_with_outlier(), 100.0)[1] == pytest.approx(100.0)


def test_least_squares_clips_an_outlier_only_as_far_as_it_pays() -> None:
    low, high = clip_least_squares(bell_with_outlier())

    assert low < -3.0
    assert 10.0 < high < 100.0


def linear_graph(weights: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="layer/MatMul")],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weights.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(graph: onnx.ModelProto, values: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()  # as served: without VNNI, int8 products would overflow
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(
        graph.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {session.get_inputs()[0].name: values})[0])


def test_static_and_weight_only_stay_within_their_rounding() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 16)).astype(np.float32)
    values = rng.uniform(-1, 1, size=(32, 64)).astype(np.float32)
    exact = values @ weights
    static = run(quantize_static(linear_graph(weights), {"x": (-1, 1)}, float_layers=()), values)
    only = run(quantize_weights(linear_graph(weights)), values)

    assert 0.0 < np.abs(only - exact).max() < 0.3
    assert 0.0 < np.abs(static - exact).max() < 0.5
    kept = quantize_static(linear_graph(weights), {"x": (-1, 1)}, float_layers=("layer/",))
    np.testing.assert_allclose(run(kept, values), only, atol=1e-5)


def test_table_rows_keep_a_scale_of_their_own() -> None:
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(2000, 8)) * np.geomspace(1e-3, 10, 2000)[:, None]).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["y"])],
        "embedding",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    small = quantize_tables(model)
    found = run(small, np.arange(2000))
    largest = np.abs(table).max(axis=1, keepdims=True)

    assert np.all(np.abs(found - table) <= largest / 127 * 0.51)
    assert small.ByteSize() < model.ByteSize() / 2


def shared_weight_graph(weights: np.ndarray, fixed: np.ndarray) -> onnx.ModelProto:
    """x @ w + sum(c @ w): one weight under text and under a constant, as DeBERTa shares keys."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"], name="content/MatMul"),
            helper.make_node("Abs", ["c"], ["positive"]),
            helper.make_node("Identity", ["w"], ["w_again"]),
            helper.make_node("MatMul", ["positive", "w_again"], ["b"], name="position/MatMul"),
            helper.make_node("Add", ["a", "b"], ["y"]),
        ],
        "shared",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weights.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(fixed, "c")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_weight_shared_with_a_constant_is_rounded_once_and_for_both() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 16)).astype(np.float32)
    fixed = rng.normal(size=(1, 64)).astype(np.float32)
    values = rng.uniform(-1, 1, size=(32, 64)).astype(np.float32)
    exact = values @ weights + np.abs(fixed) @ weights
    graph = without_aliases(shared_weight_graph(weights, fixed))

    assert not [node for node in graph.graph.node if node.op_type == "Identity"]
    assert fixed_nodes(graph) == {"w", "c", "positive", "b"}
    assert [node.name for node in quantizable(graph, ())] == ["content/MatMul", "position/MatMul"]
    assert [node.name for node in with_activations(graph, ())] == ["content/MatMul"]
    for small in (
        quantize_static(graph, {"x": (-1, 1)}, float_layers=()),
        quantize_static(graph, {"x": (-1, 1)}, float_layers=("content",)),
        quantize_weights(graph),
    ):
        onnx.checker.check_model(small)
        assert 0.0 < np.abs(run(small, values) - exact).max() < 0.8
        kinds = [tensor.data_type for tensor in small.graph.initializer if len(tensor.dims) == 2]
        assert sorted(kinds) == sorted([TensorProto.FLOAT, TensorProto.INT8]), "c, and w once"
