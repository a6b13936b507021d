"""Texts as bags of windows: drawn before training, and judged by their most harmful window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.contract.windows import Window
from postern.inference.tokenizer import Tokenizer

from model_training.data.encoding import encode_visible, token_groups
from model_training.data.rows import Row
from model_training.data.sampling import Batch, draw, pack, weight_of
from model_training.errors import RecipeInvalid
from model_training.recipe.config import DistilConfig

PAD_MULTIPLE: Final = 16  # each new shape costs a compilation
_CHUNK_ROWS: Final = 4096

Bag = tuple[Window, ...]
"""The windows of one text, which share its label: it is harmful if any of them is."""

Margins = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Drawn:
    """The training input, in the order of the draw.

    labels: (n,) int64; soft_labels: (n,) float32, NaN if no teacher gave one; bags: n. partners:
    (n,) int64, the place of the twin that was drawn with a text, or -1.
    """

    labels: npt.NDArray[np.int64]
    soft_labels: npt.NDArray[np.float32]
    bags: list[Bag]
    partners: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n,) tokens of the longest window of each bag."""
        return np.array([max(w.length for w in bag) for bag in self.bags], dtype=np.int64)


def draw_bags(
    rows: Sequence[Row],
    settings: DistilConfig,
    tokenizer_json: bytes,
    rng: np.random.Generator,
) -> Drawn:
    """For each draw, the windows of its text in a length drawn for it.

    Draws of rows without visible text are left out. Raises RecipeInvalid if none is left.
    """
    draws = _draws(rows, settings, rng)
    if settings.twin_weight:
        draws = with_twins(rows, draws)
    longest = settings.window_tokens
    shortest = settings.shortest_window_tokens or longest
    lengths = rng.choice(np.arange(longest, shortest - 1, -PAD_MULTIPLE), size=len(draws))
    bags: list[Bag | None] = [None] * len(draws)
    for length in np.unique(lengths):
        tokenizer = Tokenizer(
            tokenizer_json,
            window_tokens=int(length),
            overlap_tokens=int(length) * settings.overlap_tokens // longest,
        )
        here = np.flatnonzero(lengths == length)
        visible, encodings = encode_visible([rows[draws[place]] for place in here], tokenizer)
        for place, encoding in zip(here[visible], encodings, strict=True):
            bags[place] = _some(encoding.windows, settings.bag_windows, rng)
    places = [place for place, bag in enumerate(bags) if bag is not None]
    kept = [rows[draws[place]] for place in places]
    if not kept:
        raise RecipeInvalid("no drawn row has visible text")
    return Drawn(
        labels=np.array([row.label for row in kept], dtype=np.int64),
        soft_labels=np.array(
            [np.nan if row.soft_label is None else row.soft_label for row in kept],
            dtype=np.float32,
        ),
        bags=[bag for bag in bags if bag is not None],
        partners=_partners(kept, together=settings.twin_weight > 0),
    )


def with_twins(rows: Sequence[Row], draws: Batch) -> Batch:
    """The draws, each twin followed by its partner, as many as there were.

    A row whose partner is not among `rows`, or has the same label, is drawn as any other.
    """
    sharing: defaultdict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.twin is not None:
            sharing[row.twin].append(place)
    partner = {
        one: other
        for pair in sharing.values()
        if len(pair) == 2 and rows[pair[0]].label != rows[pair[1]].label
        for one, other in (pair, pair[::-1])
    }
    found: list[int] = []
    for place in draws.tolist():
        found += [place, partner[place]] if place in partner else [place]
        if len(found) >= len(draws):
            break
    return np.array(found[: len(draws)], dtype=np.int64)


def _partners(drawn: Sequence[Row], *, together: bool) -> npt.NDArray[np.int64]:
    """(n,) int64: of neighbours that are twins, each other's place; -1 elsewhere.

    together: whether twins were drawn together; otherwise, there are no partners.
    """
    partners = np.full(len(drawn), -1, dtype=np.int64)
    for place in range(1, len(drawn) if together else 0):
        before, row = drawn[place - 1], drawn[place]
        free = partners[place - 1] < 0
        if free and row.twin is not None and row.twin == before.twin and row.label != before.label:
            partners[place - 1], partners[place] = place, place - 1
    return partners


def twin_pairs(batch: Batch, drawn: Drawn) -> npt.NDArray[np.int64]:
    """(p, 2) int64: places in the batch of the harmful and of the harmless twin of each pair."""
    at = {index: place for place, index in enumerate(batch.tolist())}
    pairs = [
        (place, at[partner])
        for index, place in at.items()
        if drawn.labels[index] and (partner := int(drawn.partners[index])) in at
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def steps(drawn: Drawn, settings: DistilConfig, rng: np.random.Generator) -> list[list[Batch]]:
    """The batches of each optimizer step. They depend only on the recipe.

    Raises RecipeInvalid if there are fewer than `n_steps`.
    """
    batches = pack(
        np.arange(len(drawn.bags), dtype=np.int64),
        drawn.lengths,
        partners=drawn.partners,
        batch_tokens=settings.batch_tokens,
        chunk_rows=_CHUNK_ROWS,
        multiple_of=PAD_MULTIPLE,
        rng=rng,
    )
    size = settings.gradient_accumulation
    found = [batches[at : at + size] for at in range(0, len(batches), size)]
    if settings.n_steps is None:
        return found
    if len(found) < settings.n_steps:
        raise RecipeInvalid(
            f"the draws are enough for {len(found)} steps, not {settings.n_steps}; raise `n_draws`"
        )
    return found[: settings.n_steps]


def _draws(
    rows: Sequence[Row], settings: DistilConfig, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    weights = settings.source_weights
    return draw(
        [(row.slice, row.label, row.source) for row in rows],
        n_draws=settings.draws_of(sum(weight_of(row.source, weights) > 0.0 for row in rows)),
        pair_share=settings.pair_share,
        source_exponent=settings.source_exponent,
        source_weights=weights,
        rng=rng,
    )


def _some(bag: Bag, at_most: int, rng: np.random.Generator) -> Bag:
    """The bag, or a random choice of its windows, in order."""
    if len(bag) <= at_most:
        return bag
    return tuple(bag[i] for i in np.sort(rng.choice(len(bag), size=at_most, replace=False)))


def most_harmful(
    bags: Sequence[Bag], margins: Callable[[Sequence[Window]], Margins], *, batch_tokens: int
) -> list[Window]:
    """The window of each bag that the current student finds most harmful.

    Serving would judge by this window (the largest margin of a text's windows). So a harmful text
    learns where its harm is, and a harmless one learns from its most alarming window:
    multiple-instance learning with max pooling. margins: (n,) of n windows, requested only for bags
    of several.
    """
    flat = [(place, w) for place, bag in enumerate(bags) if len(bag) > 1 for w in bag]
    chosen = [bag[0] for bag in bags]
    highest = np.full(len(bags), -np.inf)
    for group in token_groups(flat, batch_tokens):
        windows = [window for _, window in group]
        for (place, window), margin in zip(group, margins(windows), strict=True):
            if margin > highest[place]:
                highest[place], chosen[place] = margin, window
    return chosen
