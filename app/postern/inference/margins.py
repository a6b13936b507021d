"""Many exchanges -> margins, without a server, in batches of similar length and bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from postern.contract.probability import Floats, harmful_margin
from postern.contract.windows import Encoding, Window

_BATCH_TOKENS: Final = 4096
_WORTH_A_BAR: Final = 500

Logits = npt.NDArray[np.floating[Any]]
Numbered = tuple[int, Window]
"""A window and the index of the text that it belongs to."""


def margins(
    encodings: Sequence[Encoding], run: Callable[[Sequence[Window]], Logits], *, what: str
) -> Floats:
    """(n,) float64, in nats: the harmful margin of each exchange's most harmful window."""
    highest = np.full(len(encodings), -np.inf, dtype=np.float64)
    for places, found in _runs(encodings, run, what=what):
        np.maximum.at(highest, places, harmful_margin(found))
    return highest


def deciding_outputs(
    encodings: Sequence[Encoding], run: Callable[[Sequence[Window]], Logits], *, what: str
) -> npt.NDArray[np.float32]:
    """(n, k): the outputs of the model for each exchange's most harmful window.

    Every exchange has a window. A margin that is not a number counts as the highest.
    """
    kept: list[npt.NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(encodings)
    highest = np.full(len(encodings), -np.inf, dtype=np.float64)
    for places, found in _runs(encodings, run, what=what):
        for place, margin, row in zip(places, harmful_margin(found), found, strict=True):
            if not len(kept[place]) or not margin <= highest[place]:
                kept[place], highest[place] = np.array(row, dtype=np.float32), margin
    return np.stack(kept)


def _runs(
    encodings: Sequence[Encoding], run: Callable[[Sequence[Window]], Logits], *, what: str
) -> Iterator[tuple[list[int], Logits]]:
    """For each batch: the owners of its windows, and the outputs of the model."""
    flat = numbered(encodings)
    hidden = True if len(flat) < _WORTH_A_BAR else None  # None: show only on a terminal
    with tqdm(total=len(flat), desc=what, unit="window", disable=hidden) as bar:
        for group in token_groups(flat, _BATCH_TOKENS):
            yield [index for index, _ in group], run([window for _, window in group])
            bar.update(len(group))


def numbered(encodings: Sequence[Encoding]) -> list[Numbered]:
    """All windows with the index of their encoding, sorted by length."""
    flat = [(place, w) for place, encoding in enumerate(encodings) for w in encoding.windows]
    return sorted(flat, key=lambda item: item[1].length)


def token_groups(flat: Sequence[Numbered], batch_tokens: int) -> Iterator[list[Numbered]]:
    """Runs of windows of at most `batch_tokens` padded tokens. Similar lengths waste least."""
    group: list[Numbered] = []
    longest = 0
    for item in flat:
        longest = max(longest, item[1].length)
        if group and (len(group) + 1) * longest > batch_tokens:
            yield group
            group, longest = [], item[1].length
        group.append(item)
    if group:
        yield group
