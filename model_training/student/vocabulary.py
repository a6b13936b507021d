"""Cuts a Unigram vocabulary to the tokens that the student's languages need.

A multilingual encoder keeps most of its weights in word embeddings, many of them for languages that
nobody asked for. A Unigram model splits a text into the likeliest pieces of its vocabulary, so
without a piece it takes shorter ones: each text can still be read.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import torch
from tokenizers import Tokenizer as HubTokenizer

from model_training.errors import RecipeInvalid

_WORD_START: Final = "▁"
_TEXTS_AT_ONCE: Final = 2000


def cut_vocabulary(model: Any, tokenizer_json: bytes, texts: Iterable[str], n_tokens: int) -> bytes:
    """Shrink the model's word embeddings in place, and return the tokenizer that fits them.

    texts: what the vocabulary is for. n_tokens: at most this many tokens, special ones included.
    Raises RecipeInvalid if the tokenizer is no Unigram model, or if `n_tokens` has no room for
    single characters.
    """
    content = json.loads(tokenizer_json)
    if content["model"].get("type") != "Unigram":
        raise RecipeInvalid("vocabulary_tokens: only a Unigram (SentencePiece) vocabulary is cut")
    pieces: list[tuple[str, float]] = content["model"]["vocab"]
    kept = _kept(content, HubTokenizer.from_buffer(tokenizer_json), texts, n_tokens)
    places = {old: new for new, old in enumerate(kept)}
    content["model"]["vocab"] = [pieces[old] for old in kept]
    content["model"]["unk_id"] = places[content["model"]["unk_id"]]
    for token in content["added_tokens"]:
        token["id"] = places[token["id"]]
    for token in (content.get("post_processor") or {}).get("special_tokens", {}).values():
        token["ids"] = [places[one] for one in token["ids"]]
    table = model.get_input_embeddings().weight.data
    with torch.no_grad():
        smaller = table[torch.tensor(kept)].clone()
    model.resize_token_embeddings(len(kept), mean_resizing=False)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(smaller)
    if model.config.pad_token_id is not None:
        model.config.pad_token_id = places[model.config.pad_token_id]
        model.get_input_embeddings().padding_idx = model.config.pad_token_id
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _kept(
    content: dict[str, Any], tokenizer: HubTokenizer, texts: Iterable[str], n_tokens: int
) -> list[int]:
    """Ids in their old order, so that the special tokens stay in front."""
    pieces = [piece for piece, _ in content["model"]["vocab"]]
    if n_tokens >= len(pieces):
        return list(range(len(pieces)))
    special = {token["id"] for token in content["added_tokens"]} | {content["model"]["unk_id"]}
    used = Counter(token for batch in _encoded(tokenizer, texts) for token in batch)
    scripts = {script for token in used for script in _scripts(pieces[token])}
    characters = {
        place
        for place, piece in enumerate(pieces)
        if len(piece.lstrip(_WORD_START)) <= 1 and _scripts(piece) <= scripts
    }
    kept = special | characters
    if len(kept) > n_tokens:
        raise RecipeInvalid(
            f"vocabulary_tokens = {n_tokens}: single characters alone are {len(kept)} tokens"
        )
    # A Unigram vocabulary is in the order of its scores.
    rest = (place for place, piece in enumerate(pieces) if _scripts(piece) <= scripts)
    for place in (*(token for token, _ in used.most_common()), *rest):
        if len(kept) == n_tokens:
            break
        kept.add(place)
    return sorted(kept)


def _encoded(tokenizer: HubTokenizer, texts: Iterable[str]) -> Iterator[Sequence[int]]:
    waiting = iter(texts)
    while batch := list(islice(waiting, _TEXTS_AT_ONCE)):
        for one in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            yield one.ids


def _scripts(piece: str) -> frozenset[str]:
    """Scripts of the letters of a piece, by the first word of their Unicode names."""
    return frozenset(
        unicodedata.name(character, "").partition(" ")[0]
        for character in piece
        if character.isalpha()
    )
