"""Many exchanges at once -> margins, without a server: batches of like length and bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from app.contract.probability import Floats, harmful_margin
from app.contract.windows import Encoding, Window

_BATCH_TOKENS: Final = 4096
_WORTH_A_BAR: Final = 500

Logits = npt.NDArray[np.floating[Any]]
Numbered = tuple[int, Window]
"""A window and the place of the text that it belongs to."""


def margins(
    encodings: Sequence[Encoding], run: Callable[[Sequence[Window]], Logits], *, what: str
) -> Floats:
    """(n,) float64, in nats: the harmful margin of each exchange's most harmful window."""
    flat = numbered(encodings)
    highest = np.full(len(encodings), -np.inf, dtype=np.float64)
    hidden = True if len(flat) < _WORTH_A_BAR else None  # None: only on a terminal
    with tqdm(total=len(flat), desc=what, unit="window", disable=hidden) as bar:
        for group in token_groups(flat, _BATCH_TOKENS):
            found = harmful_margin(run([window for _, window in group]))
            np.maximum.at(highest, [index for index, _ in group], found)
            bar.update(len(group))
    return highest


def numbered(encodings: Sequence[Encoding]) -> list[Numbered]:
    """All windows with the place of their encoding, those of like length side by side."""
    flat = [(place, w) for place, encoding in enumerate(encodings) for w in encoding.windows]
    return sorted(flat, key=lambda item: item[1].length)


def token_groups(flat: Sequence[Numbered], batch_tokens: int) -> Iterator[list[Numbered]]:
    """Runs of windows of at most `batch_tokens` padded tokens; those of like length waste least."""
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
