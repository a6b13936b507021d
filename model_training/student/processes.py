"""Several processes that train one student: each computes part of every step, and all sum up.

It uses torch.distributed directly rather than a wrapper of the model: the batches are all drawn
before training, so the result of a step must not depend on how many processes share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch.nn import Module

from model_training.run.launch import Place


@dataclass(frozen=True)
class Processes:
    """This process among the others. All must call the same methods in the same order."""

    place: Place
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.place.is_first

    def share(self, work: Sequence[Any]) -> list[Any]:
        """This process's part: every n-th piece, for n processes."""
        return list(work[self.place.rank :: self.place.count])

    def summed(self, *values: float) -> list[float]:
        """Each value summed over all processes."""
        if self.place.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def highest(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Each value's maximum over all processes."""
        if self.place.count == 1:
            return values
        found = torch.from_numpy(values).to(self.device)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return np.asarray(found.cpu().numpy(), dtype=np.float64)

    def sum_gradients(self, model: Module) -> None:
        """Gradients become their sum over all processes, the same bits on each."""
        if self.place.count == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        # A parameter that no process used keeps no gradient, as in a single process: a zero
        # gradient would let it decay.
        used = torch.tensor([p.grad is not None for p in parameters], device=self.device).int()
        dist.all_reduce(used, dist.ReduceOp.MAX)
        reached = [p for p, is_used in zip(parameters, used.tolist(), strict=True) if is_used]
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in reached]
        )
        dist.all_reduce(flat)
        parts = torch.split(flat, [p.numel() for p in reached])
        for p, part in zip(reached, parts, strict=True):
            p.grad = part.view_as(p).clone()

    def agree(self, model: Module) -> None:
        """Copy the weights of the first process to all others."""
        if self.place.count > 1:
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, src=0)


@contextmanager
def joined(place: Place) -> Iterator[Processes]:
    """This process, joined with the others that a launcher started, if any."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", place.local_rank) if cuda else torch.device("cpu")
    if place.count == 1:
        yield Processes(place, device)
        return
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Processes(place, device)
        dist.barrier()  # no process leaves while another still needs an answer
    finally:
        dist.destroy_process_group()
