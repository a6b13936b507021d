"""A student graph with a head for `value` deferral, which reads the input of its classifier.

Only nodes and outputs are added, so the logits stay the same, bit for bit. No I/O.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from postern.contract.probability import Floats
from postern.contract.value import VALUE_OUTPUT

from model_training.errors import DataInvalid
from model_training.student.quantize import fixed_nodes

_OURS: Final = "postern_value"
# Operators that may stand between the classifier's product and the logits.
_PASSED: Final = ("Add", "Cast", "Identity")


def with_pooled(model: bytes) -> bytes:
    """The graph with a further output: the state that feeds the classifier, (n, d).

    Its name is that of `pooled_state`. Raises DataInvalid.
    """
    graph = _without_head(model)
    _add_output(graph, pooled_state(graph), None)
    return _serialized(graph)


def pooled_name(model: bytes) -> str:
    """The name of the state that feeds the classifier. Raises DataInvalid."""
    return pooled_state(onnx.load_from_string(model))


def with_head(model: bytes, weights: Floats, bias: Floats) -> bytes:
    """The graph with the output `value`, (n, k): state @ weights + bias. Replaces an older head.

    weights: (d, k); bias: (k,). Raises DataInvalid.
    """
    graph = _without_head(model)
    state = pooled_state(graph)
    names = {part: f"{_OURS}_{part}" for part in ("float", "weights", "bias")}
    graph.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), names[part])
        for part, values in (("weights", weights), ("bias", bias))
    )
    graph.graph.node.extend(
        [
            # No effect if the state is float32, since ONNX Runtime drops it.
            helper.make_node(
                "Cast", [state], [names["float"]], name=f"{_OURS}_cast", to=TensorProto.FLOAT
            ),
            helper.make_node("Gemm", list(names.values()), [VALUE_OUTPUT], name=f"{_OURS}_head"),
        ]
    )
    _add_output(graph, VALUE_OUTPUT, len(bias))
    return _serialized(graph)


def pooled_state(graph: onnx.ModelProto) -> str:
    """Name of the value that the last product before the logits multiplies with its weights.

    Raises DataInvalid if the graph does not end in a linear classifier.
    """
    fixed = fixed_nodes(graph)
    producers: dict[str, NodeProto] = {
        name: node for node in graph.graph.node for name in node.output
    }
    name = graph.graph.output[0].name
    while name in producers:
        node = producers[name]
        moving = [one for one in node.input if one not in fixed]
        if node.op_type in ("Gemm", "MatMul") and moving == [node.input[0]]:
            return str(moving[0])
        if node.op_type not in _PASSED or len(moving) != 1:
            break
        name = moving[0]
    raise DataInvalid("the graph does not end in a linear classifier, so nothing can feed a head")


def _without_head(model: bytes) -> onnx.ModelProto:
    """The graph as it was before `with_head`, if that was applied."""
    graph = onnx.load_from_string(model)
    parts = graph.graph
    for node in [node for node in parts.node if node.name.startswith(_OURS)]:
        parts.node.remove(node)
    for tensor in [tensor for tensor in parts.initializer if tensor.name.startswith(_OURS)]:
        parts.initializer.remove(tensor)
    for output in [output for output in parts.output if output.name == VALUE_OUTPUT]:
        parts.output.remove(output)
    return graph


def _add_output(graph: onnx.ModelProto, name: str, columns: int | None) -> None:
    rows = graph.graph.output[0].type.tensor_type.shape.dim[0].dim_param or None
    graph.graph.output.append(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, columns])
    )


def _serialized(graph: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(graph)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content
