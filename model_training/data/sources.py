"""Selects the sources of the data folder that a recipe reads."""

from __future__ import annotations

from collections.abc import Sequence

from model_training.data.rows import Source
from model_training.errors import DataInvalid
from model_training.recipe.config import DataConfig


def choose_sources(sources: Sequence[Source], config: DataConfig) -> list[Source]:
    """Train sources by the recipe's rule.

    Raises DataInvalid if a name is unknown or none is left.
    """
    train = [source for source in sources if source.split == "train"]
    match config.sources:
        case "all":
            chosen = train
        case "permissive":
            chosen = [source for source in train if source.permissive]
        case "default":
            chosen = [source for source in train if source.permissive and source.default]
        case names:
            unknown = set(names) - {source.name for source in train}
            if unknown:
                raise DataInvalid(f"sources.json has no train source {sorted(unknown)[0]!r}")
            chosen = [source for source in train if source.name in names]
    if not chosen:
        raise DataInvalid("no train source is left to read")
    return chosen


def styles_of(sources: Sequence[Source]) -> dict[str, str]:
    """The style of each source, which distinguishes posts from instructions."""
    return {source.name: source.style for source in sources}
