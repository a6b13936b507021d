"""MPNet leaves torch with fused attention, and says the same alone, in a batch and in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from postern.contract.windows import Window
from postern.inference.session import OnnxSession

from model_training.errors import RecipeInvalid
from model_training.recipe.config import DistilConfig
from model_training.student.encoders import load_base, pad_id_of, position_limit, takes_types
from model_training.student.graph import Student, fp32_graph, fusion_counts
from model_training.student.mpnet import fused_attention
from model_training.student.parity import torch_run
from model_training.student.quantization_aware import layer_path, layers_of
from model_training.student.quantize import with_activations
from tests.tiny_encoders import mpnet


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    base = mpnet(tmp_path_factory.mktemp("mpnet"))
    torch.manual_seed(1)
    model = load_base(DistilConfig(base=str(base))).eval()
    with torch.no_grad():
        # As large as scores are, so that a bias in the wrong place is seen.
        model.mpnet.encoder.relative_attention_bias.weight.normal_(0.0, 2.0)
        model.classifier.out_proj.weight.normal_(0.0, 1.0)
    return Student(model, pad_id=pad_id_of(model), takes_types=takes_types(model))


@pytest.fixture(scope="module")
def graph(student: Student) -> onnx.ModelProto:
    return fp32_graph(student)


def windows(*lengths: int) -> list[Window]:
    rng = np.random.default_rng(0)
    ids = [np.concatenate([[0], rng.integers(5, 30, n - 2), [2]]).astype(np.int64) for n in lengths]
    return [Window(one, np.zeros(len(one), dtype=np.int64)) for one in ids]


def session(graph: onnx.ModelProto) -> OnnxSession:
    return OnnxSession(graph.SerializeToString(), pad_id=1, intra_op_threads=1)


def test_each_layer_is_one_fused_attention_with_the_bias_of_positions(
    graph: onnx.ModelProto,
) -> None:
    assert fusion_counts(graph) == {"attention": 2, "skip_layer_norm": 5, "gelu": 2}
    attentions = [node for node in graph.graph.node if node.op_type == "MultiHeadAttention"]
    assert len({node.input[5] for node in attentions}) == 1, "made once for all layers"
    assert not [node for node in graph.graph.node if node.op_type == "Log"]
    assert len(with_activations(graph, ())) == 2 * 6


def test_products_in_the_graph_are_named_as_the_layers_that_learn_rounding(
    student: Student, graph: onnx.ModelProto
) -> None:
    paths = [layer_path(node.name) for node in with_activations(graph, ())]
    assert sorted(paths) == sorted(layers_of(student.model, ()))


def test_the_graph_says_what_torch_says_at_every_length(
    student: Student, graph: onnx.ModelProto
) -> None:
    # Powers of two are where buckets of distances begin.
    given = windows(3, 8, 9, 16, 17, 32, 33, 64)
    served = session(graph)
    for window in given:
        expected = torch_run(student)([window])
        np.testing.assert_allclose(served.run([window]), expected, atol=2e-5)


def test_padding_and_neighbours_move_nothing(student: Student, graph: onnx.ModelProto) -> None:
    given = windows(3, 64, 17, 40)
    served = session(graph)
    together = served.run(given)
    alone = np.concatenate([served.run([window]) for window in given])
    np.testing.assert_allclose(together, alone, atol=2e-5)
    np.testing.assert_allclose(together, torch_run(student)(given), atol=2e-5)


def test_tracing_leaves_the_model_as_it_was(student: Student) -> None:
    run = torch_run(student)
    before = run(windows(20, 5))
    with fused_attention(student.model):
        inside = run(windows(20, 5))
    np.testing.assert_allclose(inside, before, atol=1e-5)
    np.testing.assert_array_equal(run(windows(20, 5)), before)
    modules: list[Any] = list(student.model.modules())
    assert not [one for one in modules if "forward" in vars(one)]


def test_positions_are_counted_from_padding(student: Student) -> None:
    assert position_limit(student.model) == 68 - 2


def test_frozen_layers_learn_nothing_and_cost_no_gradients(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    base = str(mpnet(tmp_path_factory.mktemp("mpnet")))
    model = load_base(DistilConfig(base=base, frozen_layers=1))
    model(input_ids=torch.tensor([[0, 7, 8, 2]])).logits.sum().backward()
    learning = {name for name, one in model.named_parameters() if one.grad is not None}
    assert any("layer.1." in name for name in learning)
    assert all("layer.1." in name or "classifier" in name for name in learning)
    with pytest.raises(RecipeInvalid, match="has 2 layers"):
        load_base(DistilConfig(base=base, frozen_layers=2))
