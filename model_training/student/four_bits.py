"""Embedding tables in four bits: half the size of int8, in blocks with one scale each.

A table is rounded before training and stays unchanged while the layers above it learn
(`frozen_layers`), so packing it for export changes no value.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_training.student.quantize import (
    Floats,
    add_constants,
    copy_graph,
    quantize_tables,
    sorted_graph,
)

BLOCK: Final = 128
"""Columns that share a scale."""
_LEAST_ROWS: Final = 1024
_LEAST_POSITIONS: Final = 256
_LEAST_WIDTH: Final = 256
_SHRINKAGES: Final = (0.92, 0.84, 0.76)
Codes = npt.NDArray[np.int8]


def four_bits(values: Floats, block: int = BLOCK) -> tuple[Codes, Floats]:
    """(rows, columns) float32 -> codes in [-8, 7], and scales (rows, columns / block).

    Tries several scales for each block and takes the one with the least squared error. If a block
    is already rounded to a scale, that scale is among them, so rounding twice changes nothing.
    """
    rows, columns = values.shape
    blocks = values.reshape(rows, columns // block, block)
    highest = np.maximum(np.abs(blocks).max(axis=2), np.float32(1e-12))
    tried = [highest / np.float32(k) for k in range(1, 9)]
    tried += [highest / np.float32(7) * np.float32(s) for s in _SHRINKAGES]
    best = np.full(highest.shape, np.inf, dtype=np.float32)
    scales = tried[0]
    for scale in tried:
        error = ((blocks - _codes(blocks, scale) * scale[..., None]) ** 2).sum(axis=2)
        better = error < best
        best, scales = np.where(better, error, best), np.where(better, scale, scales)
    return _codes(blocks, scales).reshape(rows, columns), scales.astype(np.float32)


def _codes(blocks: Floats, scales: Floats) -> Codes:
    return np.clip(np.round(blocks / scales[..., None]), -8, 7).astype(np.int8)


def rounded(values: Floats, block: int = BLOCK) -> Floats:
    """The values of a table after rounding to four bits: (rows, columns) float32."""
    codes, scales = four_bits(values, block)
    return restored(codes, scales)


def restored(codes: Codes, scales: Floats) -> Floats:
    """Codes multiplied by the scale of their block: (rows, columns) float32."""
    rows, columns = codes.shape
    blocks = codes.reshape(rows, scales.shape[1], -1).astype(np.float32)
    whole: Floats = (blocks * scales[..., None]).reshape(rows, columns)
    return whole


def packed(codes: Codes) -> npt.NDArray[np.uint8]:
    """Two codes in each byte, the first in the low half, each plus 8: (rows, columns / 2)."""
    shifted = (codes + 8).astype(np.uint8)
    return (shifted[:, 0::2] | (shifted[:, 1::2] << 4)).astype(np.uint8)


def unpacked(content: npt.NDArray[np.uint8]) -> Codes:
    """The codes that `packed` packed."""
    both = np.stack([content & 15, content >> 4], axis=2).reshape(len(content), -1)
    return both.astype(np.int8) - np.int8(8)


def pack_tables(graph: onnx.ModelProto, block: int = BLOCK) -> onnx.ModelProto:
    """The same graph with its large embedding tables in four bits, which one operator reads.

    Tables whose columns are not a multiple of `block` get no four bits. Position tables and the
    wide layer of a head become int8, a quarter of their size.
    """
    small = copy_graph(graph)
    tensors: dict[str, TensorProto] = {one.name: one for one in small.graph.initializer}
    for node in small.graph.node:
        table = tensors.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or len(table.dims) != 2 or table.dims[0] < _LEAST_ROWS:
            continue
        if table.dims[1] % block or sum(table.name in one.input for one in small.graph.node) != 1:
            continue
        codes, scales = four_bits(numpy_helper.to_array(table), block)
        small.graph.initializer.remove(table)
        names = (f"{table.name}_int4", f"{table.name}_scale")
        constants: dict[str, npt.NDArray[Any]] = {names[0]: packed(codes), names[1]: scales}
        add_constants(small, constants)
        read = helper.make_node(
            "GatherBlockQuantized", [names[0], node.input[1], names[1]], list(node.output),
            name=node.name, domain="com.microsoft", gather_axis=0, quantize_axis=1,
            block_size=block, bits=4,
        )  # fmt: skip
        node.CopyFrom(read)
    _round_head(small)
    return sorted_graph(quantize_tables(small, least_rows=_LEAST_POSITIONS))


def _round_head(graph: onnx.ModelProto) -> None:
    """Round weights of wide Gemm nodes, (out, in), to int8 with a float32 scale for each output.

    ONNX Runtime folds Cast and Mul into float32 weights when it loads the graph, as in
    `quantize.py`.
    """
    tensors = {one.name: one for one in graph.graph.initializer}
    for node in list(graph.graph.node):
        weight = tensors.get(node.input[1]) if node.op_type == "Gemm" else None
        if weight is None or min(weight.dims) < _LEAST_WIDTH:
            continue
        values = numpy_helper.to_array(weight)
        scale = (np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) / 127.0).astype(
            np.float32
        )
        codes = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
        graph.graph.initializer.remove(weight)
        names = [f"{weight.name}_{part}" for part in ("int8", "scale", "float", "folded")]
        add_constants(graph, {names[0]: codes, names[1]: scale})
        graph.graph.node.extend(
            [
                helper.make_node("Cast", [names[0]], [names[2]], to=TensorProto.FLOAT),
                helper.make_node("Mul", [names[2], names[1]], [names[3]]),
            ]
        )
        node.input[1] = names[3]
