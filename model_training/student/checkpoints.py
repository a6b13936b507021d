"""The state of a training on disk: weights, optimizer state and progress, in one file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from model_training.data.rows import Row, naming
from model_training.errors import RecipeInvalid

CHECKPOINT: Final = "checkpoint.safetensors"
BEST: Final = "best.safetensors"


@dataclass
class Progress:
    """The state of a training, without tensors.

    step: of the optimizer. ranges: of activations, by layer, once it computes with rounding.
    """

    recipe: str
    step: int = 0
    averaged_steps: int = 0
    best_auprc: float = -1.0
    evaluations_since_best: int = 0
    finished: bool = False
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


def fingerprint(settings: BaseModel, rows: Sequence[Row], *, text: str = "") -> str:
    """Identifies what a checkpoint belongs to: the recipe of its training, and its rows.

    text: further settings that affect what is learnt.
    """
    # Without defaults, so that a new setting of the program does not end a run under way.
    digest = hashlib.sha256(settings.model_dump_json(exclude_defaults=True).encode())
    digest.update(text.encode())
    for row in rows:
        digest.update(row.model_dump_json(exclude_none=True).encode("utf-8", "replace"))
    return digest.hexdigest()


def weights_of(student: Path) -> str:
    """The SHA-256 of a student's weights."""
    with (student / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(
    path: Path,
    model: Module,
    progress: Progress,
    *,
    optimizer: Optimizer | None,
    mean: Mapping[str, Tensor] | None = None,
) -> None:
    """Write beside `path`, then rename: a kill leaves the previous checkpoint.

    mean: the averaged weights so far.
    """
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    tensors |= {f"mean.{key}": value for key, value in (mean or {}).items()}
    if optimizer is not None:
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    partial = path.with_name(f".{path.name}.partial")
    try:
        with writing_weights(path):
            save_file(
                {key: value.contiguous() for key, value in tensors.items()},
                partial,
                metadata={"progress": json.dumps(asdict(progress))},
            )
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def writing_weights(path: Path) -> Iterator[None]:
    """Turn a full disk, which safetensors and tokenizers do not report as OSError, into one.

    Raises OSError that names `path`, a file or a folder.
    """
    try:
        with naming(path):
            yield
    except Exception as exc:
        # tokenizers has no exception type for it
        if isinstance(exc, SafetensorError) or type(exc) is Exception:
            raise OSError(errno.EIO, f"cannot be written ({exc})", str(path)) from exc
        raise


def load(
    path: Path,
    model: Module,
    optimizer: Optimizer,
    *,
    recipe: str,
    mean: Mapping[str, Tensor] | None = None,
) -> Progress:
    """Restore model and optimizer, and the averaged weights in place.

    Raises RecipeInvalid if the file is broken or of another recipe.
    """
    progress, tensors = _read(path)
    if progress.recipe != recipe:
        raise RecipeInvalid(f"{path} belongs to another recipe or other rows; remove it")
    model.load_state_dict(_weights(tensors))
    for key, averaged in (mean or {}).items():
        averaged.copy_(tensors[f"mean.{key}"])
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == "optimizer":
            index, _, name = rest.partition(".")
            states.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": states, "param_groups": groups})
    return progress


def load_weights(path: Path, model: Module) -> None:
    """Load the weights. Raises RecipeInvalid if the file cannot be read."""
    model.load_state_dict(_weights(_read(path)[1]))


def _weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        key.removeprefix("model."): value
        for key, value in tensors.items()
        if key.startswith("model.")
    }


def _read(path: Path) -> tuple[Progress, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads(file.metadata()["progress"]))
            return progress, {key: file.get_tensor(key) for key in list(file.keys())}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as exc:
        raise RecipeInvalid(
            f"{path} is not a checkpoint of this program ({type(exc).__name__}); remove it"
        ) from exc
