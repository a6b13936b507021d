"""fp32 graph -> int8 graph with fixed activation scales. Pure functions of ONNX graphs.

Written by hand instead of with `onnxruntime.quantization`, whose calibrators keep every activation
of every batch in memory (8 GB for 512 windows here), and which has no per-row embedding tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]
Range = tuple[float, float]

# The head alone computes the 2 logits, and no later layer averages out its errors.
HEAD_NAMES: Final = ("pooler", "classifier", "head", "score")
LEVELS: Final = 255
"""Steps of uint8 between the ends of an activation's range."""
HIGHEST_WEIGHT: Final = 127
"""Int8 weights are symmetric."""
_TABLE_ROWS: Final = 1024


def quantizable(graph: onnx.ModelProto, float_layers: Sequence[str]) -> list[NodeProto]:
    """MatMul nodes with constant weights, outside the head and `float_layers` (name substrings)."""
    constants = {tensor.name: tensor.dims for tensor in graph.graph.initializer}
    kept = (*HEAD_NAMES, *float_layers)
    return [
        node
        for node in graph.graph.node
        if node.op_type == "MatMul"
        and len(constants.get(node.input[1], ())) == 2
        and not any(name in node.name for name in kept)
    ]


def fixed_nodes(graph: onnx.ModelProto) -> set[str]:
    """Names of the values that are the same for every input, such as keys of relative positions."""
    moving = {node.name for node in graph.graph.input}
    fixed = {tensor.name for tensor in graph.graph.initializer}
    for node in graph.graph.node:
        (moving if moving.intersection(node.input) else fixed).update(node.output)
    return fixed


def with_activations(graph: onnx.ModelProto, float_layers: Sequence[str]) -> list[NodeProto]:
    """Quantizable MatMul nodes whose input depends on the text; others fold into constants."""
    fixed = fixed_nodes(graph)
    return [node for node in quantizable(graph, float_layers) if node.input[0] not in fixed]


def quantize_static(
    graph: onnx.ModelProto, ranges: dict[str, Range], *, float_layers: Sequence[str]
) -> onnx.ModelProto:
    """QDQ around the quantizable MatMuls: activations uint8, weights int8 per output column.

    ranges: real values that uint8 must span, by activation name. Outputs stay float32, because what
    follows (attention, gelu, normalization) computes in float. `float_layers` compute in float32
    too, from int8 weights.
    """
    quantized = copy_graph(graph)
    static = with_activations(quantized, float_layers)
    kept = [node for node in quantizable(quantized, ()) if node not in static]
    weights = _Weights(quantized)
    replaced: dict[str, str] = {}
    for node in static:
        name = node.input[0]
        if name not in replaced:
            replaced[name] = _quantized_activation(quantized, name, ranges[name])
        node.input[0] = replaced[name]
        node.input[1] = weights.dequantized(node.input[1])
    for node in kept:
        node.input[1] = weights.folded(node.input[1])
    return sorted_graph(quantized)


def quantize_weights(graph: onnx.ModelProto) -> onnx.ModelProto:
    """int8 weights, float32 activations: smaller, exact up to the weights' rounding, but not
    faster."""
    quantized = copy_graph(graph)
    weights = _Weights(quantized)
    for node in quantizable(quantized, ()):
        node.input[1] = weights.folded(node.input[1])
    return sorted_graph(quantized)


def quantize_tables(graph: onnx.ModelProto, *, least_rows: int = _TABLE_ROWS) -> onnx.ModelProto:
    """Embedding tables as int8 with a float32 scale per row; rows are dequantized after Gather.

    One scale per row, because rows of rare words are an order of magnitude larger or smaller.
    """
    quantized = copy_graph(graph)
    tensors = {tensor.name: tensor for tensor in quantized.graph.initializer}
    for node in list(quantized.graph.node):
        table = tensors.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or len(table.dims) != 2 or table.dims[0] < least_rows:
            continue
        if sum(table.name in other.input for other in quantized.graph.node) == 1:
            _split_gather(quantized, node, table)
    return sorted_graph(quantized)


def _split_gather(graph: onnx.ModelProto, node: NodeProto, table: TensorProto) -> None:
    values = numpy_helper.to_array(table)
    scale = (np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) / 127.0).astype(
        np.float32
    )
    rows = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
    indices, output = node.input[1], node.output[0]
    graph.graph.initializer.remove(table)
    add_constants(graph, {f"{table.name}_int8": rows, f"{table.name}_scale": scale})
    names = {part: f"{output}_{part}" for part in ("int8", "float", "scale")}
    graph.graph.node.remove(node)
    graph.graph.node.extend(
        [
            helper.make_node("Gather", [f"{table.name}_int8", indices], [names["int8"]]),
            helper.make_node("Cast", [names["int8"]], [names["float"]], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{table.name}_scale", indices], [names["scale"]]),
            helper.make_node("Mul", [names["float"], names["scale"]], [output]),
        ]
    )


def grid(wanted: Range) -> tuple[float, int]:
    """Scale and zero point of the uint8 values that span a range. Zero is one of them."""
    low, high = min(wanted[0], 0.0), max(wanted[1], 0.0)
    scale = float(np.float32(max(high - low, 1e-8) / LEVELS))
    return scale, int(np.clip(round(-low / scale), 0, LEVELS))


def _quantized_activation(graph: onnx.ModelProto, name: str, wanted: Range) -> str:
    scale, zero_point = grid(wanted)
    add_constants(
        graph,
        {
            f"{name}_scale": np.array(scale, dtype=np.float32),
            f"{name}_zero_point": np.array(zero_point, dtype=np.uint8),
        },
    )
    parameters = [f"{name}_scale", f"{name}_zero_point"]
    quantized, restored = f"{name}_uint8", f"{name}_restored"
    graph.graph.node.extend(
        [
            helper.make_node("QuantizeLinear", [name, *parameters], [quantized]),
            helper.make_node("DequantizeLinear", [quantized, *parameters], [restored]),
        ]
    )
    return restored


class _Weights:
    """int8 weights in place of float32 ones. Several nodes may share them, each in its own way."""

    def __init__(self, graph: onnx.ModelProto) -> None:
        self._graph = graph
        self._floats = {tensor.name: tensor for tensor in graph.graph.initializer}
        self._columns: dict[str, int] = {}
        self._made: set[str] = set()

    def dequantized(self, name: str) -> str:
        """For MatMuls with quantized activations, which become integer products."""
        columns = self._round(name)
        restored = f"{name}_restored"
        if self._is_new(restored):
            zero_point = np.zeros(columns, dtype=np.int8)
            add_constants(self._graph, {f"{name}_zero_point": zero_point})
            parts = [f"{name}_int8", f"{name}_scale", f"{name}_zero_point"]
            self._graph.graph.node.append(
                helper.make_node("DequantizeLinear", parts, [restored], axis=1)
            )
        return restored

    def folded(self, name: str) -> str:
        """For MatMuls in float32.

        Cast and Mul rather than DequantizeLinear: ONNX Runtime folds them into float32 weights when
        it loads the graph. It would turn DequantizeLinear into MatMulNBits, a kernel with a
        precision of its own.
        """
        self._round(name)
        restored, cast = f"{name}_folded", f"{name}_float"
        if self._is_new(restored):
            self._graph.graph.node.extend(
                [
                    helper.make_node("Cast", [f"{name}_int8"], [cast], to=TensorProto.FLOAT),
                    helper.make_node("Mul", [cast, f"{name}_scale"], [restored]),
                ]
            )
        return restored

    def _is_new(self, name: str) -> bool:
        is_new = name not in self._made
        self._made.add(name)
        return is_new

    def _round(self, name: str) -> int:
        """Round a weight once, and return its number of columns."""
        if name not in self._columns:
            rounded, scale = _rounded_columns(self._floats[name])
            add_constants(self._graph, {f"{name}_int8": rounded, f"{name}_scale": scale})
            self._graph.graph.initializer.remove(self._floats[name])
            self._columns[name] = len(scale)
        return self._columns[name]


def _rounded_columns(tensor: TensorProto) -> tuple[npt.NDArray[np.int8], Floats]:
    """weights (in, out) -> symmetric int8, and one float32 scale for each of the `out` columns."""
    values = numpy_helper.to_array(tensor)
    scale = (np.maximum(np.abs(values).max(axis=0), 1e-12) / HIGHEST_WEIGHT).astype(np.float32)
    rounded = np.clip(np.round(values / scale), -HIGHEST_WEIGHT, HIGHEST_WEIGHT)
    return rounded.astype(np.int8), scale


def add_constants(graph: onnx.ModelProto, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    graph.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in tensors.items()
    )


def copy_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(graph)
    return copied


def sorted_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Nodes in an order in which each input exists before it is read."""
    known = {tensor.name for tensor in graph.graph.initializer}
    known |= {node.name for node in graph.graph.input} | {""}
    waiting, ordered = list(graph.graph.node), []
    while waiting:
        ready = [node for node in waiting if known.issuperset(node.input)]
        assert ready, "the graph has a cycle or an input that nothing makes"
        ordered += ready
        known |= {name for node in ready for name in node.output}
        waiting = [node for node in waiting if not known.issuperset(node.output)]
    del graph.graph.node[:]
    graph.graph.node.extend(ordered)
    return graph
