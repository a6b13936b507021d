"""Rows from sources that a recipe does not learn from. They choose, and they test nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from model_training.data.rows import (
    FurtherSource,
    Row,
    Source,
    read_further_sources,
    read_pool,
    read_sources,
)
from model_training.data.sources import choose_sources
from model_training.data.split import deduplicate, labelled_rows
from model_training.errors import DataInvalid
from model_training.recipe.config import DataConfig

_DEVELOPMENT: Final = "dev"


def development_rows(
    data: Path, config: DataConfig, names: Sequence[str], count: int
) -> dict[str, list[Row]]:
    """At most `count` rows of each named source, always the same.

    A source is a development set of the data folder, or a train source that the recipe does not
    read. Raises DataInvalid if it is anything else: a test set above all.
    """
    sources = read_sources(data)
    learnt = {one.name for one in choose_sources(sources, config)}
    usable: dict[str, Source | FurtherSource] = {
        one.name: one for one in sources if one.split == "train" and one.name not in learnt
    }
    usable |= {one.name: one for one in read_further_sources(data) if one.split == _DEVELOPMENT}
    found = {}
    for name in names:
        if name not in usable:
            raise DataInvalid(
                f"{name!r} is not a development set, nor a train source that the recipe leaves out"
            )
        rows = deduplicate(labelled_rows(read_pool(data, usable[name]))).rows
        order = np.random.default_rng(0).permutation(len(rows))[:count]
        found[name] = [rows[int(place)] for place in order]
    return found
