"""Trains with the rounding of the int8 graph, so that the weights make up for it.

Quantization-aware training after Jacob et al. 2018 (arXiv 1712.05877), section 3: the forward pass
rounds weights and activations as `quantize.quantize_static` will, and gradients pass through the
rounding as if it were not there. The ranges of activations are measured once, when this starts, and
are those of the exported graph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import Linear, Module
from torch.nn.functional import linear

from model_training.data.rows import dump_json, write_atomically
from model_training.run.candidate import read_json
from model_training.student.quantize import HEAD_NAMES, HIGHEST_WEIGHT, LEVELS, Range, grid

RANGES: Final = "activation_ranges.json"
"""Beside the weights of a student that was trained so."""

Ranges = dict[str, Range]
"""By the path of the layer whose input it is."""


def layers_of(model: Module, float_layers: Sequence[str]) -> dict[str, Linear]:
    """The layers, by path, that `quantize.quantize_static` will compute in int8."""
    kept = (*HEAD_NAMES, *float_layers)
    return {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, Linear) and not any(name in node_name(path) for name in kept)
    }


def node_name(path: str) -> str:
    """The exporter's name of a layer: `a.layer.0.dense` is `/a/layer.0/dense`."""
    return "/" + re.sub(r"\.(?!\d)", "/", path)


def layer_path(node: str) -> str:
    """The path of the layer whose product is this node of an exported graph."""
    return node.removeprefix("/student").removesuffix("/MatMul").strip("/").replace("/", ".")


class _Rounded(torch.autograd.Function):
    """Rounds to a uint8 grid. The gradient is that of clipping to the ends of the grid."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: float, zero_point: int) -> Tensor:
        steps = (values.float() / scale).round_().add_(zero_point)
        ctx.save_for_backward((steps >= 0) & (steps <= LEVELS))
        return steps.clamp_(0, LEVELS).sub_(zero_point).mul_(scale).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return gradients[0] * inside, None, None


def rounded_activation(values: Tensor, wanted: Range) -> Tensor:
    """The values as uint8 would give them back. Same shape and dtype."""
    scale, zero_point = grid(wanted)
    rounded: Tensor = _Rounded.apply(values, scale, zero_point)  # type: ignore[no-untyped-call]
    return rounded


def rounded_weight(weight: Tensor) -> Tensor:
    """(out, in) float32 as int8 with a scale for each output would give it back. Gradients pass."""
    with torch.no_grad():
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / HIGHEST_WEIGHT
        error = (weight / scale).round() * scale - weight
    return weight + error


def start_rounding(model: Module, ranges: Mapping[str, Range]) -> None:
    """From now on, these layers compute as in int8. They keep their parameters."""
    for path, wanted in ranges.items():
        layer = model.get_submodule(path)
        assert isinstance(layer, Linear)
        layer.forward = partial(_forward, layer, wanted)  # type: ignore[method-assign]


def _forward(layer: Linear, wanted: Range, values: Tensor) -> Tensor:
    return linear(rounded_activation(values, wanted), rounded_weight(layer.weight), layer.bias)


@torch.no_grad()
def measured_ranges(
    model: Module,
    float_layers: Sequence[str],
    *,
    percentile: float,
    run: Callable[[], Iterator[Tensor]],
) -> Ranges:
    """Ranges of the inputs of the layers that will be int8, over some batches.

    percentile: share of values inside, in percent; the rest is half below and half above. run:
    computes the batches one by one, and gives the mask of each, (rows, tokens), which excludes
    padding. The ends are means over batches.
    """
    tail = (100.0 - percentile) / 200.0
    seen: dict[str, Tensor] = {}
    layers = layers_of(model, float_layers)
    sums = {path: torch.zeros(2, dtype=torch.float64) for path in layers}

    def keep(path: str) -> Callable[[Module, tuple[Tensor, ...]], None]:
        def hook(_: Module, inputs: tuple[Tensor, ...]) -> None:
            seen[path] = inputs[0].float()

        return hook

    hooks = [layer.register_forward_pre_hook(keep(path)) for path, layer in layers.items()]
    count = 0
    try:
        for mask in run():
            count += 1
            for path, values in seen.items():
                real = values[mask.bool()].flatten()
                beyond = max(1, round(tail * len(real)))
                low = real.topk(beyond, largest=False).values[-1]
                high = real.topk(beyond).values[-1]
                sums[path] += torch.stack([low, high]).double().cpu()
    finally:
        for hook in hooks:
            hook.remove()
    return {path: (float(ends[0] / count), float(ends[1] / count)) for path, ends in sums.items()}


def write_ranges(student: Path, ranges: Ranges) -> None:
    write_atomically(student / RANGES, dump_json({path: list(r) for path, r in ranges.items()}))


def read_ranges(student: Path) -> Ranges:
    """Empty if the student was trained without rounding. Raises DataInvalid."""
    if not (student / RANGES).exists():
        return {}
    return {
        path: (float(low), float(high)) for path, (low, high) in read_json(student / RANGES).items()
    }
