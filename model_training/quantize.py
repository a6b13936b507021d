"""fp32 graph -> int8 graph with fixed activation scales. Pure functions of ONNX graphs and windows.

Written by hand rather than with `onnxruntime.quantization`: its calibrators keep every activation
of every batch in memory (8 GB for 512 windows here), and its per-row embedding tables do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import NodeProto, TensorProto, helper, numpy_helper
from tqdm import tqdm

from app.contract.windows import Window, pad

Floats = npt.NDArray[np.float32]
Range = tuple[float, float]

# The head decides alone over 2 logits, and errors in it are not averaged out by later layers.
HEAD_NAMES: Final = ("pooler", "classifier", "head", "score")
_TABLE_ROWS: Final = 1024
_N_BINS: Final = 4096
_BATCH_TOKENS: Final = 2048


@dataclass(frozen=True)
class Histogram:
    """How often an activation took which value. counts: (bins,) float64 over [low, high]."""

    low: float
    high: float
    counts: npt.NDArray[np.float64]


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


def activation_histograms(
    graph: onnx.ModelProto, windows: Sequence[Window], *, pad_id: int, threads: int
) -> dict[str, Histogram]:
    """Histogram of each input of a quantizable MatMul over real windows, padding left out.

    Two passes: the range first, so that the bins of the second lie where values are.
    """
    names = sorted({node.input[0] for node in quantizable(graph, ())})
    run = _probe(graph, names, threads=threads)
    ranges = dict.fromkeys(names, (np.inf, -np.inf))
    for values in _activations(run, names, windows, pad_id, "ranges"):
        for name, (low, high) in ranges.items():
            ranges[name] = (
                min(low, float(values[name].min())),
                max(high, float(values[name].max())),
            )
    counts = {name: np.zeros(_N_BINS) for name in names}
    for values in _activations(run, names, windows, pad_id, "histograms"):
        for name in names:
            counts[name] += np.histogram(values[name], bins=_N_BINS, range=ranges[name])[0]
    return {name: Histogram(*ranges[name], counts[name]) for name in names}


def clip_percentile(histogram: Histogram, percentile: float) -> Range:
    """The range that leaves (100 - percentile) / 2 % of values outside at either end."""
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    tail = (100.0 - percentile) / 200.0
    low = edges[int(np.searchsorted(share, tail, side="right"))]
    high = edges[min(int(np.searchsorted(share, 1.0 - tail)) + 1, len(edges) - 1)]
    return float(low), float(high)


def clip_least_squares(histogram: Histogram) -> Range:
    """The range with the least expected squared error of 8-bit rounding and clipping together.

    Searched over 60 shrinkages of each end in turn; after Banner et al. 2019, section 3, with the
    measured distribution in place of a Laplace one.
    """
    edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    centres = (edges[:-1] + edges[1:]) / 2.0

    def error(low: float, high: float) -> float:
        step = max(high - low, 1e-12) / 255.0
        beyond = np.clip(centres, low, high) - centres
        return float(((beyond**2 + step**2 / 12.0) * histogram.counts).sum())

    low, high = histogram.low, histogram.high
    shrinkages = np.geomspace(1.0, 0.01, 60)
    for _ in range(2):
        high = min((histogram.high * s for s in shrinkages), key=lambda end: error(low, end))
        low = min((histogram.low * s for s in shrinkages), key=lambda end: error(end, high))
    return low, high


def quantize_static(
    graph: onnx.ModelProto, ranges: dict[str, Range], *, float_layers: Sequence[str]
) -> onnx.ModelProto:
    """QDQ around the quantizable MatMuls: activations uint8, weights int8 for each output column.

    ranges: real values that uint8 must span, for each activation name. Outputs stay float32: what
    follows (attention, gelu, normalization) computes in float. `float_layers` compute in float32
    too, from int8 weights.
    """
    quantized = _copy(graph)
    replaced: dict[str, str] = {}
    for node in quantizable(quantized, float_layers):
        name = node.input[0]
        if name not in replaced:
            replaced[name] = _quantized_activation(quantized, name, ranges[name])
        node.input[0] = replaced[name]
        node.input[1] = _quantized_weight(quantized, node.input[1])
    return quantize_weights(quantized)


def quantize_weights(graph: onnx.ModelProto) -> onnx.ModelProto:
    """int8 weights, float32 activations: small, exact to the weights' rounding, no faster.

    Cast and Mul rather than DequantizeLinear: ONNX Runtime folds them once, when it loads the
    graph, while it would dequantize again for each batch.
    """
    quantized = _copy(graph)
    for node in quantizable(quantized, ()):
        name = node.input[1]
        node.input[1] = f"{name}_restored"
        tensor = _take_constant(quantized, name)
        if tensor is None:
            continue
        rounded, scale = _rounded_columns(tensor)
        _add_constants(quantized, {f"{name}_int8": rounded, f"{name}_scale": scale})
        quantized.graph.node.extend(
            [
                helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [f"{name}_restored"]),
            ]
        )
    return _sorted(quantized)


def quantize_tables(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Embedding tables as int8, a float32 scale for each row; rows are dequantized after Gather.

    One scale for each row, since rows of rare words are an order of magnitude larger or smaller.
    """
    quantized = _copy(graph)
    tensors = {tensor.name: tensor for tensor in quantized.graph.initializer}
    for node in list(quantized.graph.node):
        table = tensors.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or len(table.dims) != 2 or table.dims[0] < _TABLE_ROWS:
            continue
        if sum(table.name in other.input for other in quantized.graph.node) == 1:
            _split_gather(quantized, node, table)
    return _sorted(quantized)


def _split_gather(graph: onnx.ModelProto, node: NodeProto, table: TensorProto) -> None:
    values = numpy_helper.to_array(table)
    scale = (np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) / 127.0).astype(
        np.float32
    )
    rows = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
    indices, output = node.input[1], node.output[0]
    graph.graph.initializer.remove(table)
    _add_constants(graph, {f"{table.name}_int8": rows, f"{table.name}_scale": scale})
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


def _quantized_activation(graph: onnx.ModelProto, name: str, wanted: Range) -> str:
    low, high = min(wanted[0], 0.0), max(wanted[1], 0.0)  # zero must be exact
    scale = max(high - low, 1e-8) / 255.0
    zero_point = int(np.clip(round(-low / scale), 0, 255))
    _add_constants(
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


def _quantized_weight(graph: onnx.ModelProto, name: str) -> str:
    restored = f"{name}_restored"
    tensor = _take_constant(graph, name)
    if tensor is None:
        return restored
    rounded, scale = _rounded_columns(tensor)
    zero_point = np.zeros(len(scale), dtype=np.int8)
    parts = {f"{name}_int8": rounded, f"{name}_scale": scale, f"{name}_zero_point": zero_point}
    _add_constants(graph, parts)
    graph.graph.node.append(helper.make_node("DequantizeLinear", list(parts), [restored], axis=1))
    return restored


def _take_constant(graph: onnx.ModelProto, name: str) -> TensorProto | None:
    """Removes an initializer and returns it; None where a node that shares it took it before."""
    tensor = next((t for t in graph.graph.initializer if t.name == name), None)
    if tensor is not None:
        graph.graph.initializer.remove(tensor)
    return tensor


def _rounded_columns(tensor: TensorProto) -> tuple[npt.NDArray[np.int8], Floats]:
    """weights (in, out) -> symmetric int8, and one float32 scale for each of `out` columns."""
    values = numpy_helper.to_array(tensor)
    scale = (np.maximum(np.abs(values).max(axis=0), 1e-12) / 127.0).astype(np.float32)
    return np.clip(np.round(values / scale), -127, 127).astype(np.int8), scale


def _probe(
    graph: onnx.ModelProto, names: Sequence[str], *, threads: int
) -> Callable[[dict[str, npt.NDArray[np.int64]]], list[Floats]]:
    probed = _copy(graph)
    probed.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = ort.InferenceSession(
        probed.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    taken = [node.name for node in session.get_inputs()]

    def run(inputs: dict[str, npt.NDArray[np.int64]]) -> list[Floats]:
        return list(session.run(list(names), {name: inputs[name] for name in taken}))

    return run


def _activations(
    run: Callable[[dict[str, npt.NDArray[np.int64]]], list[Floats]],
    names: Sequence[str],
    windows: Sequence[Window],
    pad_id: int,
    what: str,
) -> Iterable[dict[str, Floats]]:
    """For each batch, the values of each activation at real tokens: (tokens, width) float32."""
    ordered = sorted(windows, key=lambda window: window.length)
    with tqdm(total=len(ordered), desc=f"quantize: {what}", unit="window") as bar:
        while ordered:
            size = max(1, _BATCH_TOKENS // ordered[-1].length)
            batch, ordered = ordered[-size:], ordered[:-size]
            ids, mask, types = pad(batch, pad_id=pad_id)
            outputs = run({"input_ids": ids, "attention_mask": mask, "token_type_ids": types})
            real = mask.astype(bool)
            yield {name: out[real] for name, out in zip(names, outputs, strict=True)}
            bar.update(len(batch))


def _add_constants(graph: onnx.ModelProto, tensors: dict[str, npt.NDArray[np.generic]]) -> None:
    graph.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in tensors.items()
    )


def _copy(graph: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(graph)
    return copied


def _sorted(graph: onnx.ModelProto) -> onnx.ModelProto:
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
