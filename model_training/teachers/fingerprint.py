"""Identifies the weights in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from model_training.recipe.augmentation import ClassifierTeacher, LlamaCppConfig, LocalConfig

_WEIGHTS: Final = (".safetensors", ".bin")
_SETTINGS: Final = ("config.json", "tokenizer.json", "ngrams.json", "manifest.json")


def fingerprint(name: str) -> str:
    """Name and hash of the weights, so that other weights in the same folder are another model."""
    folder = Path(name)
    if not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _WEIGHTS or path.name in _SETTINGS:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{folder.name}@{digest.hexdigest()[:16]}"


def classifier_asked(config: ClassifierTeacher) -> str:
    """Who answers: the weights, their windows, and their precision if the recipe sets one."""
    names = " + ".join(fingerprint(folder) for folder in config.folders)
    asked = f"{names}, {config.format} {config.window_tokens}/{config.overlap_tokens}"
    return asked if config.precision == "fp32" else f"{asked}, {config.precision}"


def local_asked(config: LocalConfig) -> str:
    """Who answers: the weights, and their precision if the recipe sets one."""
    name = fingerprint(config.model)
    return name if config.dtype == "auto" else f"{name}, {config.dtype}"


def gguf_asked(config: LlamaCppConfig) -> str:
    """Who answers: the name of the file and the hash of what it holds."""
    path = Path(config.model)
    if not path.is_file():
        return path.name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{path.name}@{digest[:16]}"
