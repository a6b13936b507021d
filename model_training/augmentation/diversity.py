"""Diversity of a set of texts, measured on embeddings of an encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.cluster import DBSCAN
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from model_training.recipe.augmentation import FilterConfig
from model_training.student.encoders import computes_in_bf16, resolve_base
from model_training.teachers.llm_local import load

Embeddings = npt.NDArray[np.float32]

_BATCH_ROWS: Final = 32
_LONGEST_TOKENS: Final = 256
_SMALLEST_CLUSTER: Final = 2


def diversity_report(
    groups: Mapping[str, Sequence[str]], *, base: str, config: FilterConfig
) -> dict[str, Any]:
    """Clusters and mean similarity of each group of texts, of at most `diversity_rows` of them.

    Groups are sampled down to one size, because the number of clusters grows with it.
    """
    sizes = [len(texts) for texts in groups.values() if texts]
    n_rows = min([config.diversity_rows, *sizes]) if sizes else 0
    if n_rows < _SMALLEST_CLUSTER:
        return {}
    rng = np.random.default_rng(config.seed)
    tokenizer, model = open_encoder(base)
    report: dict[str, Any] = {"base": base, "rows_of_each": n_rows}
    for name, texts in groups.items():
        if texts:
            chosen = [texts[i] for i in rng.choice(len(texts), size=n_rows, replace=False)]
            found = embed(chosen, tokenizer, model, what=f"embed {name}")
            report[name] = diversity(found, config.cluster_distance)
    return report


def diversity(embeddings: Embeddings, cluster_distance: float) -> dict[str, Any]:
    """Clusters, share of rows in none, mean self-similarity. embeddings: (n, d), of length 1, n >
    1.

    Mean self-similarity is the mean cosine of all pairs of different rows, in [-1, 1]. DBSCAN forms
    the clusters within a cosine distance, as in HarmAug, section 4.
    """
    n_rows = len(embeddings)
    total = embeddings.sum(axis=0, dtype=np.float64)
    similarity = (float(total @ total) - n_rows) / (n_rows * (n_rows - 1))
    # For vectors of length 1, squared distance = 2 * cosine distance.
    clusters = DBSCAN(eps=float(np.sqrt(2 * cluster_distance)), min_samples=_SMALLEST_CLUSTER)
    names = clusters.fit_predict(embeddings)
    return {
        "clusters": len(set(names.tolist()) - {-1}),
        "alone": float(np.mean(names == -1)),
        "mean_self_similarity": similarity,
    }


def open_encoder(base: str) -> tuple[Any, Any]:
    """Tokenizer and encoder, without a classification head. Raises RecipeInvalid."""
    place = resolve_base(base)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load(AutoTokenizer, place), load(AutoModel, place).float().to(device).eval()


@torch.inference_mode()
def embed(texts: Sequence[str], tokenizer: Any, model: Any, *, what: str) -> Embeddings:
    """(n, d) float32 of length 1: the mean of the last hidden states of each text.

    The encoder computes in bfloat16 where the device has instructions for it, because the novelty
    report embeds the whole pool (docs/research/harmaug.md has its minutes).
    """
    bf16 = torch.autocast(
        model.device.type, torch.bfloat16, enabled=computes_in_bf16("auto", model.device)
    )
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    rows: list[Embeddings | None] = [None] * len(texts)
    for start in tqdm(range(0, len(order), _BATCH_ROWS), desc=what, unit="batch"):
        places = order[start : start + _BATCH_ROWS]
        inputs = tokenizer(
            [texts[place] for place in places],
            padding=True,
            truncation=True,
            max_length=_LONGEST_TOKENS,
            return_tensors="pt",
        )
        with bf16:
            hidden = model(**inputs.to(model.device)).last_hidden_state.float()
        mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))
        for place, row in zip(places, mean.cpu().numpy(), strict=True):
            rows[place] = row
    return np.stack([row for row in rows if row is not None])
