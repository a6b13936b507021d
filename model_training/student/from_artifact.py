"""A published student as the start of a new training: loads its weights into torch.

The published file is a graph, not a checkpoint: its weights are transposed, several biases are one
tensor, and most are int8. We do not hard-code what the export makes of each encoder. Instead a
probe finds out: the base, filled with random numbers, goes through the same export, and each
published weight is read from where its number ended up.
"""

from __future__ import annotations

import copy
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from postern.contract.artifact import Artifact
from postern.contract.errors import ArtifactInvalid
from postern.contract.text import segments
from postern.contract.windows import Window
from postern.inference.session import Logits
from postern.inference.warm_up import SELF_TEST, warm_up
from tokenizers import Tokenizer as HubTokenizer

from model_training.errors import RecipeInvalid
from model_training.measures.served import open_artifact
from model_training.recipe.config import LICENCE, DataConfig
from model_training.recipe.published import Named
from model_training.student.encoders import pad_id_of, takes_types
from model_training.student.four_bits import restored, unpacked
from model_training.student.graph import Student, fp32_graph
from model_training.student.parity import torch_run
from model_training.student.published import read_published

Array = npt.NDArray[Any]
_SEED: Final = 0
# On the shipped students, rounding moved these logits by at most .03.
_APART: Final = 0.1


def read_start(student: Named, data: DataConfig) -> Artifact:
    """Read the published student that a training starts from. Raises RecipeInvalid."""
    artifact = read_published(student, data)
    if artifact.manifest.licence != LICENCE:
        raise RecipeInvalid(
            f"{student.folder}: licence {artifact.manifest.licence!r}; a student that starts "
            f"from it would be published under {LICENCE}"
        )
    return artifact


def start_from(model: Any, artifact: Artifact, tokenizer_json: bytes) -> None:
    """Set the parameters of a base, in place, to those of the artifact, and compare both.

    tokenizer_json: the base's. Raises RecipeInvalid if the artifact is not a student of this base.
    """
    name = f"{artifact.manifest.name} {artifact.manifest.version}"
    try:
        windows, served = _self_test(artifact)
    except ArtifactInvalid as exc:
        raise RecipeInvalid(f"{name}: {exc}") from exc
    # Compare items, not bytes: a newer library writes the same tokenizer differently.
    if not _vocabulary(artifact.tokenizer).items() <= _vocabulary(tokenizer_json).items():
        raise RecipeInvalid(f"{name}: its vocabulary differs from that of this base")
    take_weights(model, artifact)
    run = torch_run(Student(model, pad_id=pad_id_of(model), takes_types=takes_types(model)))
    was_training = model.training
    model.eval()
    ours = np.concatenate([run([window]) for window in windows])
    model.train(was_training)
    apart = float(np.abs(ours - served).max())
    if not apart <= _APART:
        raise RecipeInvalid(
            f"{name} is not a student of this base: with its weights, the base gives other logits "
            f"({apart:.2f} apart)"
        )


def _self_test(artifact: Artifact) -> tuple[list[Window], Logits]:
    """Two windows, and their (2, 2) logits as they are served. Raises ArtifactInvalid."""
    served = open_artifact(artifact, threads=1)
    texts = [segments(exchange) for exchange in SELF_TEST]
    windows = [served.tokenizer.encode(text).windows[0] for text in texts]
    return windows, warm_up(served.tokenizer, served.session, columns=None)


def _vocabulary(tokenizer_json: bytes) -> dict[str, int]:
    vocabulary: dict[str, int] = HubTokenizer.from_buffer(tokenizer_json).get_vocab()
    return vocabulary


def take_weights(model: Any, artifact: Artifact) -> None:
    """Set the parameters of `model`, in place, to those that the artifact serves.

    Int8 weights come back rounded to 1/254 of the range of their column (for an embedding, of their
    row). Raises RecipeInvalid if the artifact is of another encoder.
    """
    probe, served = _probe(model), onnx.load_model_from_string(artifact.model)
    of_probe, published = _constants(probe), _constants(served)
    names = _names(probe, served)
    found: dict[str, Array] = {}
    for parameter, value in _named_random(model):
        place = _place(value, of_probe)
        if place is None:
            raise RecipeInvalid(
                "a published student of this base cannot be gone on from: its graph does not hold "
                f"{parameter} as it is"
            )
        constant, start, transposed = place
        # Identify constants by the node that reads them first: another library may name them
        # differently.
        whole = _whole(names.get(constant, constant), published)
        if whole is None:
            whole = _whole(constant, published)
        if whole is None or whole.shape != of_probe[constant].shape:
            raise RecipeInvalid(
                f"{artifact.manifest.name} {artifact.manifest.version} is not a student of this "
                f"base: {parameter} is not in it"
            )
        taken = whole.T if transposed else whole
        found[parameter] = taken[start : start + len(value)]
    with torch.no_grad():
        for parameter, target in model.named_parameters():
            target.copy_(torch.from_numpy(np.array(found[parameter], dtype=np.float32)))


def _named_random(model: Any) -> list[tuple[str, Array]]:
    """A value for each parameter.

    No two tensors are alike, so that none is mistaken for another.
    """
    rng = np.random.default_rng(_SEED)
    return [
        (name, rng.standard_normal(tuple(parameter.shape), dtype=np.float32))
        for name, parameter in model.named_parameters()
    ]


def _probe(model: Any) -> onnx.ModelProto:
    probe = copy.deepcopy(model).cpu().eval()
    values = dict(_named_random(probe))
    with torch.no_grad():
        for name, parameter in probe.named_parameters():
            parameter.copy_(torch.from_numpy(values[name]))
    return fp32_graph(Student(probe, pad_id=pad_id_of(probe), takes_types=takes_types(probe)))


def _constants(graph: onnx.ModelProto) -> dict[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


def _names(probe: onnx.ModelProto, served: onnx.ModelProto) -> dict[str, str]:
    """Names of the probe's constants in the served graph, found by the nodes that read them.

    The exporter gives equal constants one name, such as biases that are still zero.
    """
    nodes = {node.name: node for node in served.graph.node if node.name}
    return {
        # Names of a weight before a product, and of an embedding in four bits.
        ours: theirs.removesuffix("_restored").removesuffix("_folded").removesuffix("_int4")
        for node in probe.graph.node
        if node.name in nodes
        for ours, theirs in zip(node.input, nodes[node.name].input, strict=False)
    }


def _place(value: Array, constants: dict[str, Array]) -> tuple[str, int, bool] | None:
    """The constant that contains these rows, the first row, and whether it is transposed."""
    for name, constant in constants.items():
        if constant.ndim != value.ndim or constant.dtype != value.dtype:
            continue
        for transposed in (False, True) if value.ndim == 2 else (False,):
            rows = constant.T if transposed else constant
            if rows.shape[1:] != value.shape[1:]:
                continue
            for start in range(0, len(rows) - len(value) + 1, len(value)):
                if np.array_equal(rows[start : start + len(value)], value):
                    return name, start, transposed
    return None


def _whole(name: str, published: dict[str, Array]) -> Array | None:
    """A constant in float32, unchanged or restored from int8 and the scales of its columns or
    rows."""
    if name in published:
        return published[name]
    rounded, scale = published.get(f"{name}_int8"), published.get(f"{name}_scale")
    four = published.get(f"{name}_int4")
    if four is not None and scale is not None:
        return restored(unpacked(four), scale)
    if rounded is None or scale is None:
        return None
    whole: Array = rounded.astype(np.float32) * scale
    return whole
