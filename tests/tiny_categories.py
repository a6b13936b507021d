"""The tiny student with a head for categories, drawn at random and not trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from postern.calibration.publishing import write_durably, write_version
from postern.contract.artifact import (
    MODEL,
    TOKENIZER,
    Artifact,
    Manifest,
    file_entries,
    read_artifact,
)
from postern.contract.categories import (
    CATEGORIES_OUTPUT,
    Category,
    CategoryHead,
    CategoryLabel,
    categories,
)
from postern.contract.exchange import Exchange
from postern.contract.probability import harmful_margin
from postern.contract.text import segments
from postern.contract.windows import Window
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer

from model_training.student.heads import states_name, with_head, with_states


def label(
    name: str, *covers: str, threshold: float = 0.5, scale: float = 1.0, bias: float = 0.0
) -> CategoryLabel:
    """Stands for itself if it covers nothing else."""
    return CategoryLabel(
        name=name, covers=covers or (name,), scale=scale, bias=bias, threshold=threshold
    )


HEAD: Final = CategoryHead(
    labels=(
        label("weapons", threshold=0.0),  # applies to whatever is harmful
        label("violence", threshold=1.0),  # never applies
        label("unlawful", "crime", "fraud", scale=2.0, threshold=0.1),
        label("hostile", "hate", "threat", threshold=0.0),  # other systems have nothing like it
        label("harassment", bias=-1.0, threshold=0.2),
        label("sexual_minors", bias=-2.0),
    )
)


def with_categories(model: bytes, *, columns: int = len(HEAD.labels)) -> bytes:
    """The graph with the output `categories`."""
    states = OnnxSession(
        with_states(model, CATEGORIES_OUTPUT, layer=1),
        pad_id=0,
        intra_op_threads=1,
        extra={states_name(CATEGORIES_OUTPUT): None},
    ).run([Window(np.array([5, 6]), np.zeros(2, dtype=np.int64))])[:, 2:]
    weights = np.random.default_rng(5).normal(size=(states.shape[1], columns)) * 0.3
    return with_head(model, CATEGORIES_OUTPUT, weights, np.zeros(columns), layer=1)


def write_artifact(source: Path, target: Path, model: bytes, **changes: Any) -> Path:
    """A version like `source` with another model and changes of its manifest; returns it."""
    old = read_artifact(source)

    def fill(staging: Path) -> Manifest:
        write_durably(staging / MODEL, model)
        write_durably(staging / TOKENIZER, old.tokenizer)
        update = {"version": target.name, "files": file_entries(staging), **changes}
        return old.manifest.model_copy(update=update)

    write_version(target, fill)
    return target


def build_categorized(tiny_artifact: Path, folder: Path) -> Path:
    """The tiny student as version 0.0.2 with HEAD; returns the folder of the version."""
    model = with_categories(read_artifact(tiny_artifact).model)
    return write_artifact(tiny_artifact, folder / "tiny" / "0.0.2", model, categories=HEAD)


def expected_categories(
    artifact: Artifact,
    exchange: Exchange,
    *,
    probability: float,
    harmful: bool,
    head: CategoryHead = HEAD,
) -> tuple[Category, ...]:
    """What the most harmful window of a text says about each label, computed window by window."""
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    session = OnnxSession(
        artifact.model,
        pad_id=manifest.pad_id,
        intra_op_threads=1,
        extra={CATEGORIES_OUTPUT: len(head.labels)},
    )
    rows = [session.run([window]) for window in tokenizer.encode(segments(exchange)).windows]
    worst = max(rows, key=lambda row: float(harmful_margin(row)[0]))
    shares = head.given_harm(worst[:, 2:])[0].tolist()
    return categories(head, shares, probability=probability, harmful=harmful)
