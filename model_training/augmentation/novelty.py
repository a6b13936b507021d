"""Distance of generated instructions from the prompts of the train split, measured with an
encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model_training.augmentation.diversity import Embeddings, embed, open_encoder
from model_training.recipe.augmentation import FilterConfig

_BINS: Final = 20
_QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
_CHUNK_ROWS: Final = 256


def novelty_report(
    groups: Mapping[str, Sequence[str]],
    known: Sequence[str],
    *,
    base: str,
    config: FilterConfig,
) -> dict[str, Any]:
    """Cosines of each group to the nearest known text, and the share far from all known texts.

    At most `novelty_rows` of each group are sampled. Known texts are all used, because the nearest
    of a sample would be too far away. A group that is left out has no text.
    """
    rng = np.random.default_rng(config.seed)
    chosen = {
        name: [texts[i] for i in rng.permutation(len(texts))[: config.novelty_rows]]
        for name, texts in groups.items()
        if texts
    }
    if not chosen or not known:
        return {}
    tokenizer, model = open_encoder(base)
    there = embed(known, tokenizer, model, what="embed training prompts")
    report: dict[str, Any] = {"base": base, "known": len(known), "far_below": config.far_below}
    for name, texts in chosen.items():
        cosines = nearest(embed(texts, tokenizer, model, what=f"embed {name}"), there)
        report[name] = novelty(cosines, config.far_below)
    return report


def nearest(rows: Embeddings, known: Embeddings) -> npt.NDArray[np.float32]:
    """(n,) float32 cosine of each row to its nearest known row; both of length 1."""
    chunks = [rows[start : start + _CHUNK_ROWS] for start in range(0, len(rows), _CHUNK_ROWS)]
    return np.concatenate([(chunk @ known.T).max(axis=1) for chunk in chunks])


def novelty(cosines: npt.NDArray[np.float32], far_below: float) -> dict[str, Any]:
    """Share below the threshold, quantiles, and counts in equal bins from 0 to 1."""
    counts, _ = np.histogram(np.clip(cosines, 0.0, 1.0), bins=_BINS, range=(0.0, 1.0))
    return {
        "rows": len(cosines),
        "far": float(np.mean(cosines < far_below)),
        "quantiles": {str(q): round(float(np.quantile(cosines, q)), 4) for q in _QUANTILES},
        "histogram": counts.tolist(),
    }
