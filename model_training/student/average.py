"""Averages the weights of several students into one student of the same size (a "model soup").

Wortsman et al. 2022 (arXiv 2203.05482): models fine-tuned from one base lie in one basin of the
loss, and their mean often outperforms each of them on data of another kind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from postern.contract.artifact import TOKENIZER
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import Module

from model_training.data.rows import write_atomically
from model_training.errors import DataInvalid

_WEIGHTS: Final = "model.safetensors"
# Files that must be equal, byte for byte, for the weights to have the same meaning.
_SHARED: Final = ("config.json", TOKENIZER)


def average(folders: Sequence[Path], output: Path) -> None:
    """Write the mean as the folder of a student, which `[distil] base` can name, too.

    Raises DataInvalid if they are fewer than two, or differ in shape or tokenizer.
    """
    if len(folders) < 2:
        raise DataInvalid("averaging needs at least two students")
    for name in _SHARED:
        if len({_read(folder / name) for folder in folders}) > 1:
            raise DataInvalid(f"the students differ in {name}, so their weights have no mean")
    mean = mean_weights([_weights(folder) for folder in folders])
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / _WEIGHTS, save(mean, metadata={"format": "pt"}))
    for name in _SHARED:  # last: the tokenizer marks the folder as complete
        write_atomically(output / name, (folders[0] / name).read_bytes())
    print(f"wrote {output}: the mean of {len(folders)} students")


def mean_weights(students: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of each tensor, computed in float64, in the dtype of the first. Raises DataInvalid."""
    shapes = [{name: one.shape for name, one in student.items()} for student in students]
    if any(shape != shapes[0] for shape in shapes[1:]):
        raise DataInvalid("the students have different shapes, so their weights have no mean")
    mean = {}
    for name, first in students[0].items():
        if first.is_floating_point():
            mean[name] = (
                torch.stack([one[name].double() for one in students]).mean(0).to(first.dtype)
            )
        elif all(torch.equal(one[name], first) for one in students):
            mean[name] = first
        else:
            raise DataInvalid(f"the students differ in the integers of {name}")
    return mean


@torch.no_grad()
def mix_in(model: Module, start: Module, share: float) -> None:
    """Move the weights of `model`, in place, towards those of `start`: share, in [0, 1), of the
    way. Both are of one architecture."""
    others = dict(start.named_parameters())
    for name, parameter in model.named_parameters():
        parameter.lerp_(others[name].to(parameter), share)


class RunningMean:
    """Mean of a model's weights over steps of its training, of the parameters that learn.

    A mean over the last part of a training is often better on data of another kind than any of
    its steps (Izmailov et al. 2018, arXiv 1803.05407).
    """

    def __init__(self, model: Module) -> None:
        learning = (named for named in model.named_parameters() if named[1].requires_grad)
        self.weights = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in learning}

    @torch.no_grad()
    def add(self, model: Module, count: int) -> None:
        """Take in the weights of one more step. count: steps so far, this one included."""
        parameters = dict(model.named_parameters())
        for name, mean in self.weights.items():
            mean.lerp_(parameters[name].to(mean), 1.0 / count)

    @torch.no_grad()
    def put_into(self, model: Module) -> None:
        """Replace the weights of `model` by the mean."""
        parameters = dict(model.named_parameters())
        for name, mean in self.weights.items():
            parameters[name].copy_(mean)


def _weights(folder: Path) -> dict[str, Tensor]:
    try:
        return load_file(folder / _WEIGHTS)
    except (OSError, SafetensorError) as exc:
        raise DataInvalid(f"{folder / _WEIGHTS}: no readable weights") from exc


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise DataInvalid(f"{path}: not readable; is this the folder of a student?") from exc
    if path.suffix == ".json" and path.name == "config.json":
        # The folder name that a student was loaded from says nothing about its weights.
        config = json.loads(content)
        config.pop("_name_or_path", None)
        return json.dumps(config, sort_keys=True).encode()
    return content
