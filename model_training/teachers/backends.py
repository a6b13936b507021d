"""Chooses the backend for the model that a recipe names."""

from __future__ import annotations

from model_training.recipe.augmentation import LlamaCppConfig, Model, ServerConfig
from model_training.teachers.llm import Backend, ServerBackend, read_completion


def open_backend(config: Model) -> Backend:
    """Open the backend of a recipe's model."""
    if isinstance(config, ServerConfig):
        return ServerBackend(config, read=read_completion)
    if isinstance(config, LlamaCppConfig):
        from model_training.teachers.llm_gguf import LlamaCppBackend

        return LlamaCppBackend(config)
    from model_training.teachers.llm_local import (
        LocalBackend,  # imports torch, which calls to servers do not need
    )

    return LocalBackend(config)
