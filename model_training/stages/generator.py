"""The stage `generator`, and how `generate` finds its model."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from model_training.data.rows import Source, read_sources
from model_training.data.sources import choose_sources
from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import GenerateConfig, Model
from model_training.recipe.generator import GENERATOR
from model_training.run.folder import Run


def generator(run: Run) -> None:
    """Train a generator on prompts of the train split, or continue a stopped training."""
    from model_training.augmentation.train_generator import train_generator  # torch

    if run.config.generator is None or run.config.generate is None:
        raise RecipeInvalid(f"the recipe {run.config.name} has no section [{GENERATOR}]")
    folder = train_generator(
        run.config.generator,
        run.config.generate,
        train=run.rows("train"),
        styles=styles_of(choose_sources(read_sources(run.data), run.config.data)),
        run=run.folder,
    )
    logging.info("%s: %s", GENERATOR, folder)


def styles_of(sources: Sequence[Source]) -> dict[str, str]:
    """The style of each source, which distinguishes posts from instructions."""
    return {source.name: source.style for source in sources}


def model_of(run: Run, config: GenerateConfig) -> Model:
    """The model that generates. A local `generator` is the one that this run trained."""
    model = config.model
    if run.config.generator is None or model.kind != "local" or model.model != GENERATOR:
        return model
    folder = run.folder / GENERATOR
    if not folder.is_dir():
        raise RecipeInvalid(f"{folder} is missing; run the stage {GENERATOR} first")
    return model.model_copy(update={"model": str(folder)})
