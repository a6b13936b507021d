"""Rows -> windows by the code that serves them, and windows -> groups of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.contract.errors import EmptyPrompt
from app.contract.text import segments
from app.contract.windows import Encoding, Window
from app.tokenizer import Tokenizer
from model_training.rows import Row

Numbered = tuple[int, Window]
"""A window and the place of the text that it belongs to."""


def encode(rows: Sequence[Row], tokenizer: Tokenizer) -> tuple[list[Row], list[Encoding]]:
    """Rows that hold something visible, and their encodings."""
    places, encodings = encode_visible(rows, tokenizer)
    return [rows[place] for place in places], encodings


def encode_visible(rows: Sequence[Row], tokenizer: Tokenizer) -> tuple[list[int], list[Encoding]]:
    """Places of the rows that hold something visible, and their encodings."""
    places: list[int] = []
    texts: list[tuple[str, ...]] = []
    for place, row in enumerate(rows):
        try:
            texts.append(segments(row.exchange))
        except EmptyPrompt:
            continue
        places.append(place)
    return places, tokenizer.encode_many(texts)


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
