"""Linear heads beside the classifier of a served graph.

Only nodes and outputs are added, so the logits stay the same, bit for bit. No I/O.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from postern.contract.probability import Floats

from model_training.errors import DataInvalid, GateFailed
from model_training.student.quantize import fixed_nodes

_Outputs = npt.NDArray[np.floating[Any]]

_ROUNDING: Final = 1e-4
_PREFIX: Final = "postern_"
_MASK: Final = "attention_mask"
# Operators that may stand between the classifier's product and the logits.
_PASSED: Final = ("Add", "Cast", "Identity")


def states_name(output: str) -> str:
    """Name of the states that the head `output` reads, as an output of `with_states`."""
    return f"{_PREFIX}{output}_states"


def with_states(model: bytes, output: str, *, layer: int | None = None) -> bytes:
    """The graph with a further output: the states that a head of that name reads, (n, d) float32.

    They are those that feed the classifier and, with a layer (from 1), the mean of that hidden
    layer's states over the tokens. Raises DataInvalid if the graph has no such states.
    """
    graph = without_head(model, output)
    name = _add_states(graph, output, layer)
    _add_output(graph, name, None)
    return _serialized(graph)


def with_head(
    model: bytes, output: str, weights: Floats, bias: Floats, *, layer: int | None = None
) -> bytes:
    """The graph with the output `output`, (n, k): states @ weights + bias.

    Replaces an older head of that name. weights: (d, k); bias: (k,). Raises DataInvalid.
    """
    graph = without_head(model, output)
    states = _add_states(graph, output, layer)
    names = {part: f"{_PREFIX}{output}_{part}" for part in ("weights", "bias")}
    graph.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), names[part])
        for part, values in (("weights", weights), ("bias", bias))
    )
    given = [states, *names.values()]
    graph.graph.node.append(
        helper.make_node("Gemm", given, [output], name=f"{_PREFIX}{output}_head")
    )
    _add_output(graph, output, len(bias))
    return _serialized(graph)


def check_product(got: _Outputs, states: _Outputs, weights: Floats, bias: Floats) -> None:
    """Raises GateFailed unless the graph's head is the fitted one: got = states @ weights + bias.

    got: (n, k); states: (n, d); weights: (d, k); bias: (k,). The graph multiplies in float32, so
    each sum may be off by a share of the size of its terms.
    """
    wide = np.asarray(states, dtype=np.float64)
    size = np.abs(wide) @ np.abs(weights) + np.abs(bias)
    if np.any(np.abs(got - (wide @ weights + bias)) > _ROUNDING * (1.0 + size)):
        raise GateFailed("the head in the graph is not the one that was fitted")


def check_same_logits(before: _Outputs, after: _Outputs) -> None:
    """Raises GateFailed unless a head leaves the two logits equal to the bit.

    before, after: (n, 2 + k) and (n, 2 + j) float32, with the logits on the left.
    """
    if not np.array_equal(before[:, :2], after[:, :2]):
        raise GateFailed("the head moved the logits")


def without_head(model: bytes, output: str) -> onnx.ModelProto:
    """The graph as it was before `with_head`, if that was applied."""
    graph = onnx.load_from_string(model)
    parts, ours = graph.graph, f"{_PREFIX}{output}_"
    for node in [node for node in parts.node if node.name.startswith(ours)]:
        parts.node.remove(node)
    for tensor in [tensor for tensor in parts.initializer if tensor.name.startswith(ours)]:
        parts.initializer.remove(tensor)
    for found in [found for found in parts.output if found.name == output]:
        parts.output.remove(found)
    return graph


def _add_states(graph: onnx.ModelProto, output: str, layer: int | None) -> str:
    """Add the nodes that compute the states of a head. Returns the name of their output."""
    ours = f"{_PREFIX}{output}_"
    pooled = f"{ours}pooled"
    # No effect if the state is float32, since ONNX Runtime drops it.
    nodes = [_cast(pooled_state(graph), pooled)]
    if layer is not None:
        nodes += _mean_of(hidden_state(graph, layer), ours)
        nodes.append(
            helper.make_node(
                "Concat", [pooled, f"{ours}mean"], [states_name(output)], f"{ours}concat", axis=-1
            )
        )
    else:
        nodes.append(
            helper.make_node("Identity", [pooled], [states_name(output)], f"{ours}identity")
        )
    graph.graph.initializer.extend(
        numpy_helper.from_array(np.array([axis], dtype=np.int64), f"{ours}axis_{axis}")
        for axis in ((1, 2) if layer is not None else ())
    )
    graph.graph.node.extend(nodes)
    return states_name(output)


def _mean_of(hidden: str, ours: str) -> list[NodeProto]:
    """(n, tokens, d) -> (n, d): the mean over the tokens that are not padding."""
    return [
        _cast(hidden, f"{ours}hidden"),
        _cast(_MASK, f"{ours}mask"),
        helper.make_node(
            "Unsqueeze", [f"{ours}mask", f"{ours}axis_2"], [f"{ours}wide"], f"{ours}unsqueeze"
        ),
        helper.make_node("Mul", [f"{ours}hidden", f"{ours}wide"], [f"{ours}kept"], f"{ours}mul"),
        helper.make_node(
            "ReduceSum", [f"{ours}kept", f"{ours}axis_1"], [f"{ours}sum"], f"{ours}add", keepdims=0
        ),
        helper.make_node(
            "ReduceSum",
            [f"{ours}mask", f"{ours}axis_1"],
            [f"{ours}tokens"],
            f"{ours}count",
            keepdims=1,
        ),
        helper.make_node("Div", [f"{ours}sum", f"{ours}tokens"], [f"{ours}mean"], f"{ours}div"),
    ]


def _cast(name: str, to: str) -> NodeProto:
    return helper.make_node("Cast", [name], [to], name=f"{to}_cast", to=TensorProto.FLOAT)


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


def hidden_state(graph: onnx.ModelProto, layer: int) -> str:
    """Name of the output of a hidden layer, (n, tokens, d). layer: from 1.

    A fused layer ends in the second of its two SkipLayerNormalization nodes. Raises DataInvalid if
    the graph is not fused or has no such layer.
    """
    layers = sum(node.op_type == "MultiHeadAttention" for node in graph.graph.node)
    norms = [node for node in graph.graph.node if node.op_type == "SkipLayerNormalization"]
    if not 1 <= layer <= layers or len(norms) < 2 * layers:
        raise DataInvalid(f"the graph has {layers} fused hidden layers; a head cannot read {layer}")
    return str(norms[len(norms) - 1 - 2 * (layers - layer)].output[0])


def _add_output(graph: onnx.ModelProto, name: str, columns: int | None) -> None:
    rows = graph.graph.output[0].type.tensor_type.shape.dim[0].dim_param or None
    graph.graph.output.append(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, columns])
    )


def _serialized(graph: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(graph)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content
