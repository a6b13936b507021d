"""The rank of this process among several, as set by torchrun and `accelerate launch`. No torch."""

from __future__ import annotations

import os
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
