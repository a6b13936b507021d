"""The place of this process: its rank among several, and the cores that it may use. No torch."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass

from model_training.errors import RecipeInvalid


@dataclass(frozen=True)
class Place:
    """rank: among all processes, from 0; local_rank: on this machine; count: of all processes."""

    rank: int = 0
    local_rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def check_shares(self, batches: int) -> None:
        """Raises RecipeInvalid if a step has fewer batches than there are processes.

        To be called before they join: one that left would look like a lost one to the others.
        """
        if self.count > batches:  # some of them could only wait
            raise RecipeInvalid(
                f"{self.count} processes share the batches of a step, and "
                f"`gradient_accumulation` is {batches}: raise it, and lower `batch_tokens`"
            )


def read_place() -> Place:
    """The place of this process. Without a launcher, it is the only one.

    Raises RecipeInvalid if the launcher's variables cannot be read.
    """
    try:
        rank, local_rank = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
        place = Place(rank, local_rank, int(os.environ.get("WORLD_SIZE", "1")))
    except ValueError as exc:
        raise RecipeInvalid("RANK, LOCAL_RANK and WORLD_SIZE must be numbers") from exc
    if not 0 <= place.rank < place.count:
        raise RecipeInvalid(f"RANK {place.rank} does not fit WORLD_SIZE {place.count}")
    return place


def own_cores() -> frozenset[int]:
    """The cores that the main thread may use now; empty where threads cannot be bound."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def free_for_torch(cores: frozenset[int]) -> None:
    """Let the main thread onto these cores again, as long as torch is not loaded.

    With OMP_PROC_BIND, as `make train` sets it, the first library with OpenMP binds the main thread
    to one core. If an earlier stage loaded one that is not torch, torch would find one core, and
    train on one thread. Once torch is loaded, its own binding must stay.
    """
    bound = os.environ.get("OMP_PROC_BIND", "false").lower() not in ("false", "0")
    if bound and cores and "torch" not in sys.modules:
        with suppress(OSError):  # if a sandbox forbids it, training is right, but slower
            os.sched_setaffinity(0, cores)
