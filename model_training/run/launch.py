"""Which of several processes this one is, as torchrun and `accelerate launch` say it. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from model_training.errors import RecipeInvalid


@dataclass(frozen=True)
class Place:
    """rank: of all processes, from 0; local_rank: of this machine's; count: of all."""

    rank: int = 0
    local_rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def read_place() -> Place:
    """The place of this process; the only one where no launcher started it.

    Raises RecipeInvalid when the launcher's variables cannot be read.
    """
    try:
        rank, local_rank = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
        place = Place(rank, local_rank, int(os.environ.get("WORLD_SIZE", "1")))
    except ValueError as exc:
        raise RecipeInvalid("RANK, LOCAL_RANK and WORLD_SIZE must be numbers") from exc
    if not 0 <= place.rank < place.count:
        raise RecipeInvalid(f"RANK {place.rank} does not fit WORLD_SIZE {place.count}")
    return place
