"""Rows -> windows by the code that serves them."""

from __future__ import annotations

from collections.abc import Sequence

from app.contract.errors import EmptyPrompt
from app.contract.text import segments
from app.contract.windows import Encoding
from app.scoring import Numbered as Numbered
from app.scoring import numbered as numbered
from app.scoring import token_groups as token_groups
from app.tokenizer import Tokenizer
from model_training.rows import Row


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
