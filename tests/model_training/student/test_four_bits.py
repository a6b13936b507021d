"""Embedding tables of four bits: what is lost once, nothing twice, and the same in the graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from postern.contract.windows import Window
from postern.inference.session import OnnxSession

from model_training.errors import RecipeInvalid
from model_training.student.encoders import round_embeddings
from model_training.student.four_bits import (
    BLOCK,
    four_bits,
    pack_tables,
    packed,
    restored,
    rounded,
    unpacked,
)


def table(rows: int, columns: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = rng.lognormal(0.0, 2.0, (rows, 1))
    return (rng.standard_normal((rows, columns)) * scale).astype(np.float32)


@given(seed=st.integers(0, 999))
@settings(max_examples=20)
def test_rounding_twice_changes_nothing(seed: int) -> None:
    once = rounded(table(40, 2 * BLOCK, seed))
    np.testing.assert_allclose(rounded(once), once, rtol=1e-6)


def test_the_error_is_small_beside_the_block() -> None:
    values = table(50, BLOCK, 1)
    error = np.abs(rounded(values) - values).max(axis=1)
    assert np.all(error <= np.abs(values).max(axis=1) * 0.25)
    relative = np.linalg.norm(rounded(values) - values) / np.linalg.norm(values)
    assert relative < 0.13
    zero = rounded(np.zeros((1, BLOCK), dtype=np.float32))
    assert not zero.any()


def test_packing_is_undone() -> None:
    codes, scales = four_bits(table(7, BLOCK, 2))
    assert packed(codes).shape == (7, BLOCK // 2)
    np.testing.assert_array_equal(unpacked(packed(codes)), codes)
    np.testing.assert_array_equal(restored(codes, scales), rounded(table(7, BLOCK, 2)))


def graph_of(values: np.ndarray) -> onnx.ModelProto:
    """ids -> the first two columns of their mean embedding."""
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["embedded"], name="/words/Gather"),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["embedded"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Slice", ["mean", "zero", "two", "one"], ["logits"]),
    ]
    constants = {"zero": [0], "two": [2], "one": [1]}
    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        ids,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(values, "words"),
            *(numpy_helper.from_array(np.array(v), name) for name, v in constants.items()),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run(graph: onnx.ModelProto, ids: list[int]) -> np.ndarray:
    session = OnnxSession(graph.SerializeToString(), pad_id=0, intra_op_threads=1)
    window = Window(np.array(ids), np.zeros(len(ids), dtype=np.int64))
    return session.run([window])


def test_the_graph_reads_a_rounded_table_to_the_bit() -> None:
    values = rounded(table(1500, BLOCK, 3))
    whole, small = graph_of(values), pack_tables(graph_of(values))
    assert len(small.SerializeToString()) < len(whole.SerializeToString()) / 7
    np.testing.assert_allclose(run(small, [1, 5, 1499]), run(whole, [1, 5, 1499]), rtol=1e-6)


def test_small_tables_stay_and_uneven_ones_become_int8() -> None:
    graph = graph_of(table(200, BLOCK, 4))
    assert pack_tables(graph).SerializeToString() == graph.SerializeToString()
    uneven = pack_tables(graph_of(table(1500, 96, 4)))
    assert "GatherBlockQuantized" not in {node.op_type for node in uneven.graph.node}
    assert "words_int8" in {one.name for one in uneven.graph.initializer}


def test_the_wide_layer_of_a_head_is_rounded_and_hardly_moves() -> None:
    rng = np.random.default_rng(5)
    graph = graph_of(table(200, 300, 5))
    weight = (rng.standard_normal((300, 300)) / 300).astype(np.float32)
    graph.graph.initializer.append(numpy_helper.from_array(weight, "dense"))
    graph.graph.node[3].input[0] = "wide"
    graph.graph.node.insert(3, helper.make_node("Gemm", ["mean", "dense"], ["wide"], transB=1))
    small = pack_tables(graph)
    assert "dense_int8" in {one.name for one in small.graph.initializer}
    whole = run(graph, [1, 5, 7])
    np.testing.assert_allclose(run(small, [1, 5, 7]), whole, atol=0.02 * np.abs(whole).max())


class _Words(torch.nn.Module):
    def __init__(self, columns: int) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(10, columns)

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.words


def test_a_base_is_rounded_in_place_or_refused() -> None:
    model = _Words(BLOCK)
    before = model.words.weight.detach().numpy().copy()
    round_embeddings(model)
    np.testing.assert_array_equal(model.words.weight.detach().numpy(), rounded(before))
    with pytest.raises(RecipeInvalid, match="no multiple"):
        round_embeddings(_Words(96))
