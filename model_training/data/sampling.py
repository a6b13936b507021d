"""Composes all batches from a seed before training starts, so that a run can resume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from postern.contract.exchange import Slice

from model_training.data.rows import family_of

Stratum = tuple[Slice, int, str]  # slice, label, source
Batch = npt.NDArray[np.int64]


def weight_of(source: str, weights: Mapping[str, float]) -> float:
    """The factor of a source, or else that of all its languages (`name` for `name.de`), or 1."""
    return weights.get(source, weights.get(family_of(source), 1.0))


def draw(
    strata: Sequence[Stratum],
    *,
    n_draws: int,
    pair_share: float,
    source_exponent: float,
    source_weights: Mapping[str, float],
    rng: np.random.Generator,
) -> Batch:
    """(n_draws,) row indices, balanced by slice, then class, then source.

    strata: (slice, label, source) of each row. Both classes are equally likely within a slice.
    Within a class, a source of n rows is drawn in proportion to weight * n ** source_exponent. All
    rows of a source are drawn in a fresh order before any is drawn again.
    """
    rows_of: defaultdict[Stratum, list[int]] = defaultdict(list)
    for index, stratum in enumerate(strata):
        rows_of[stratum].append(index)
    share_of_slice = {"prompt": 1.0 - pair_share, "pair": pair_share}
    keys = [key for key in rows_of if weight_of(key[2], source_weights) > 0.0]
    raw = np.array(
        [weight_of(key[2], source_weights) * len(rows_of[key]) ** source_exponent for key in keys]
    )
    probability = np.zeros(len(keys))
    for slice_, label in {(key[0], key[1]) for key in keys}:
        here = np.array([key[:2] == (slice_, label) for key in keys])
        probability[here] = raw[here] / raw[here].sum() * share_of_slice[slice_] / 2
    probability /= probability.sum()
    chosen = rng.choice(len(keys), size=n_draws, p=probability)
    draws = np.empty(n_draws, dtype=np.int64)
    for position, key in enumerate(keys):
        places = np.flatnonzero(chosen == position)
        rows = np.array(rows_of[key], dtype=np.int64)
        n_passes = -(-len(places) // len(rows)) if len(places) else 0
        order = [rng.permutation(rows) for _ in range(n_passes)]
        if order:
            draws[places] = np.concatenate(order)[: len(places)]
    return draws


def pack(
    draws: Batch,
    lengths: npt.NDArray[np.int64],
    *,
    batch_tokens: int,
    chunk_rows: int,
    multiple_of: int,
    rng: np.random.Generator,
    partners: Batch | None = None,
) -> list[Batch]:
    """Batches of rows of similar length, each at most `batch_tokens` padded tokens, in random
    order.

    lengths: tokens of each row. Rows are sorted within chunks of `chunk_rows` draws, so training
    still sees the mix in the order of the draw. partners: for each row, another that follows or
    precedes it among the draws and shares its batch, or -1. If both alone are too long for a batch,
    they are parted.
    """
    if partners is not None:
        together = np.where(partners < 0, lengths, np.maximum(lengths, lengths[partners]))
        lengths = np.where(2 * _padded(together, multiple_of) <= batch_tokens, together, lengths)
    batches: list[Batch] = []
    for start in range(0, len(draws), chunk_rows):
        chunk = draws[start : start + chunk_rows]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        padded = _padded(lengths[chunk], multiple_of)
        cuts = [0]
        for position in range(1, len(chunk)):
            if (position - cuts[-1] + 1) * padded[position] > batch_tokens:
                twins = partners is not None and partners[chunk[position]] == chunk[position - 1]
                fit = 2 * padded[position] <= batch_tokens
                cuts.append(position - 1 if twins and fit else position)
        cuts.append(len(chunk))
        packed = [chunk[first:last] for first, last in pairwise(cuts)]
        batches += [packed[index] for index in rng.permutation(len(packed))]
    return batches


def _padded(lengths: npt.NDArray[np.int64], multiple_of: int) -> npt.NDArray[np.int64]:
    padded: npt.NDArray[np.int64] = -(-lengths // multiple_of) * multiple_of
    return padded
