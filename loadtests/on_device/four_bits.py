"""How far margins move if the int8 word embeddings of a published student are stored in four bits.

Nobody trained that student to read such embeddings, so its margins move. This says by how much,
over the development set of `shared/data`, which is no test set.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper
from postern.contract.artifact import Artifact
from postern.contract.exchange import Exchange
from postern.contract.probability import harmful_probability

from loadtests.on_device.parity import ServerSide
from model_training.student.four_bits import BLOCK, four_bits, packed
from model_training.student.quantize import add_constants, sorted_graph

_INT8: Final = "_int8"


def development_exchanges(data: Path, count: int) -> list[Exchange]:
    """Pairs of the development set and their prompts alone, `count` in all, evenly spread."""
    with gzip.open(data / "dev/pyrit_scorer_evals.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    pairs = [Exchange(row["prompt"], row["response"]) for row in rows]
    prompts = [Exchange(text) for text in dict.fromkeys(row["prompt"] for row in rows)]
    return [
        one
        for some in (pairs, prompts)
        for one in some[:: max(1, 2 * len(some) // count)][: count // 2]
    ]


def with_four_bits(model: bytes, block: int = BLOCK) -> bytes:
    """The graph with its int8 tables of embeddings in four bits.

    Raises ValueError where the graph has no such table.
    """
    graph = onnx.load_from_string(model)
    tensors = {one.name: one for one in graph.graph.initializer}
    read = {name: node for node in graph.graph.node for name in node.input}
    changed = 0
    for gather in [node for node in graph.graph.node if node.op_type == "Gather"]:
        codes = tensors.get(gather.input[0])
        if codes is None or not codes.name.endswith(_INT8):
            continue
        scale = tensors[codes.name.removesuffix(_INT8) + "_scale"]
        cast = read[gather.output[0]]
        product, scales = read[cast.output[0]], read[scale.name]
        values = numpy_helper.to_array(codes) * numpy_helper.to_array(scale)
        small, factors = four_bits(values.astype(np.float32), block)
        names = (f"{codes.name}4", f"{codes.name}4_scale")
        add_constants(graph, {names[0]: packed(small), names[1]: factors})
        product.CopyFrom(
            helper.make_node(
                "GatherBlockQuantized",
                [names[0], gather.input[1], names[1]],
                list(product.output),
                name=gather.name,
                domain="com.microsoft",
                gather_axis=0,
                quantize_axis=1,
                block_size=block,
                bits=4,
            )
        )
        for node in (gather, scales, cast):
            graph.graph.node.remove(node)
        for tensor in (codes, scale):
            graph.graph.initializer.remove(tensor)
        changed += 1
    if not changed:
        raise ValueError("the graph has no int8 table of embeddings")
    return bytes(sorted_graph(graph).SerializeToString())


def measure(artifact: Artifact, exchanges: Sequence[Exchange], block: int) -> dict[str, Any]:
    """Bytes of both models, and the differences of margin by exchange, in nats."""
    model = with_four_bits(artifact.model, block)
    sides = [ServerSide(artifact), ServerSide(replace(artifact, model=model))]
    margins = np.array(
        [[float(np.diff(side.logits(one)).max()) for one in exchanges] for side in sides]
    )
    moved = np.abs(margins[1] - margins[0])
    return {
        "exchanges": len(exchanges),
        "block": block,
        "bytes": [len(artifact.model), len(model)],
        "gzip": [len(gzip.compress(one, 9)) for one in (artifact.model, model)],
        "moved_mean": float(moved.mean()),
        "moved_p99": float(np.quantile(moved, 0.99)),
        "moved_max": float(moved.max()),
        "other_verdicts": _other_verdicts(artifact, exchanges, margins),
    }


def _other_verdicts(
    artifact: Artifact, exchanges: Sequence[Exchange], margins: Any
) -> dict[str, int]:
    """By slice, at the default operating point."""
    policy = artifact.manifest.policy
    point = policy.operating_points[policy.default_operating_point]
    slices = np.array([one.slice for one in exchanges])
    found: dict[str, int] = {}
    for name, here in point.items():
        some = margins[:, slices == name]
        harmful = harmful_probability(some, policy.calibration[name]) >= here.threshold
        found[name] = int((harmful[0] != harmful[1]).sum())
    return found
