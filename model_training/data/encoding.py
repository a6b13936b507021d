"""Encodes rows into windows with the serving code."""

from __future__ import annotations

from collections.abc import Sequence

from postern.contract.errors import EmptyPrompt
from postern.contract.text import segments
from postern.contract.windows import Encoding
from postern.inference.margins import Numbered as Numbered
from postern.inference.margins import numbered as numbered
from postern.inference.margins import token_groups as token_groups
from postern.inference.tokenizer import Tokenizer

from model_training.data.rows import Row


def encode(rows: Sequence[Row], tokenizer: Tokenizer) -> tuple[list[Row], list[Encoding]]:
    """Rows with visible text, and their encodings."""
    places, encodings = encode_visible(rows, tokenizer)
    return [rows[place] for place in places], encodings


def encode_visible(rows: Sequence[Row], tokenizer: Tokenizer) -> tuple[list[int], list[Encoding]]:
    """Indices of the rows with visible text, and their encodings."""
    places: list[int] = []
    texts: list[tuple[str, ...]] = []
    for place, row in enumerate(rows):
        try:
            texts.append(segments(row.exchange))
        except EmptyPrompt:
            continue
        places.append(place)
    return places, tokenizer.encode_many(texts)
