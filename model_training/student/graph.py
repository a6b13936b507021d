"""Student folder -> fused fp32 ONNX graph. Checks fusion counts, because fusion fails silently."""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import onnx
import torch
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import AttentionMaskFormat, FusionOptions
from torch import Tensor

from model_training.errors import GateFailed, RecipeInvalid
from model_training.student.encoders import load_classifier, pad_id_of, takes_types
from model_training.student.mpnet import CUSTOM_OPSETS, MODEL_TYPE, fused_attention

_OPSET: Final = 17
_LOG = logging.getLogger(__name__)

# Encoders whose layers ONNX Runtime can fuse; the optimizer uses the layout "bert" for all.
FUSED_MODEL_TYPES: Final = ("bert", "roberta", "xlm-roberta", MODEL_TYPE)


@dataclass(frozen=True)
class Student:
    """A torch student, float32, in evaluation mode, and the facts that serving needs."""

    model: Any
    pad_id: int
    takes_types: bool

    @property
    def input_names(self) -> tuple[str, ...]:
        types = ("token_type_ids",) if self.takes_types else ()
        return ("input_ids", "attention_mask", *types)


def load_student(folder: Path) -> Student:
    """Raises RecipeInvalid if the folder contains its own code or does not have two labels."""
    model = load_classifier(str(folder)).eval()
    if model.config.num_labels != 2:
        raise RecipeInvalid(f"{folder}: a student has 2 labels, not {model.config.num_labels}")
    return Student(model=model, pad_id=pad_id_of(model), takes_types=takes_types(model))


def fp32_graph(student: Student) -> onnx.ModelProto:
    """The float32 graph with all fusions the encoder allows.

    Inputs (batch, sequence) int64, output `logits` (batch, 2) float32. Raises GateFailed if the
    fusions of an encoder that ONNX Runtime can fuse do not match its layers.
    """
    config = student.model.config
    if config.model_type == MODEL_TYPE:
        with fused_attention(student.model):
            traced = _trace(student)
    else:
        traced = _trace(student)
    if config.model_type in FUSED_MODEL_TYPES:
        graph = _fuse(traced, config)
    else:
        _LOG.warning("export: no fusion for encoders of type %s; unfused", config.model_type)
        graph = traced
    return without_traces(without_aliases(graph))


def fusion_counts(graph: onnx.ModelProto) -> dict[str, int]:
    """Fused operators in a graph: attention, skip_layer_norm, gelu."""
    kinds = [node.op_type for node in graph.graph.node]
    return {
        "attention": kinds.count("MultiHeadAttention"),
        "skip_layer_norm": kinds.count("SkipLayerNormalization"),
        "gelu": sum(kinds.count(kind) for kind in ("BiasGelu", "Gelu", "FastGelu")),
    }


def without_aliases(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with one name for each constant; the exporter shares equal ones by Identity.

    Quantization looks for weights among the constants and must find the weights that layers share.
    """
    constants = {tensor.name for tensor in graph.graph.initializer}
    outputs = {node.name for node in graph.graph.output}
    real: dict[str, str] = {}
    for node in list(graph.graph.node):
        for place, name in enumerate(node.input):
            node.input[place] = real.get(name, name)
        alias = node.op_type == "Identity" and node.input[0] in constants
        if alias and node.output[0] not in outputs:
            real[node.output[0]] = node.input[0]
            graph.graph.node.remove(node)
    return graph


def without_traces(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without traces of its origin."""
    for node in graph.graph.node:
        node.ClearField("doc_string")
    graph.ClearField("doc_string")
    graph.graph.ClearField("doc_string")
    del graph.metadata_props[:]
    return graph


class _Positional(torch.nn.Module):
    """Takes inputs by position, as the tracer passes them; encoders disagree on their order."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student.model
        self._names = student.input_names

    def forward(self, *inputs: Tensor) -> Tensor:
        logits: Tensor = self.student(**dict(zip(self._names, inputs, strict=True))).logits
        return logits


def _trace(student: Student) -> onnx.ModelProto:
    ids = torch.full((2, 16), 0 if student.pad_id else 1, dtype=torch.int64)  # any id but padding
    given = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "token_type_ids": torch.zeros_like(ids),
    }
    names = student.input_names
    axes: dict[str, dict[int, str]] = {name: {0: "batch", 1: "sequence"} for name in names}
    content = io.BytesIO()
    # The tracer passes the wrapper's mode on to the student. Without `eval`, the student would keep
    # its dropout, here and in the parity gate.
    wrapper = _Positional(student).eval()
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is deprecated, but the fusions below match patterns of its graphs.
        # The parity gate runs other shapes, which covers the exporter's warnings about constants.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapper,
            tuple(given[name] for name in names),
            content,  # type: ignore[arg-type]  # takes a file, though annotated a path
            input_names=list(names),
            output_names=["logits"],
            dynamic_axes=axes | {"logits": {0: "batch"}},
            opset_version=_OPSET,
            custom_opsets=CUSTOM_OPSETS,
            dynamo=False,
        )
    return onnx.load_model_from_string(content.getvalue())


def _fuse(traced: onnx.ModelProto, config: Any) -> onnx.ModelProto:
    options = FusionOptions("bert")
    # MultiHeadAttention leaves the Q, K and V projections as MatMul nodes, which can be quantized
    # with static scales; the operator Attention would absorb them.
    options.use_multi_head_attention = True
    # EmbedLayerNormalization keeps the embedding table in float32: 47 MB of 90.
    options.enable_embed_layer_norm = False
    # Padding is on the right under a zero mask (contract/windows.py), so lengths suffice.
    options.attention_mask_format = AttentionMaskFormat.MaskIndexEnd
    fused = optimizer.optimize_model(
        traced,
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=options,
        opt_level=0,
    ).model
    if "com.microsoft" not in {opset.domain for opset in fused.opset_import}:
        fused.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    n_layers = config.num_hidden_layers
    # MPNet's embeddings are a sum of two tables, so the operator also covers them.
    n_norms = 2 * n_layers + (config.model_type == MODEL_TYPE)
    expected = {"attention": n_layers, "skip_layer_norm": n_norms, "gelu": n_layers}
    if fusion_counts(fused) != expected:
        raise GateFailed(f"fused {fusion_counts(fused)}, but the encoder asks for {expected}")
    return cast("onnx.ModelProto", fused)
