"""Decodes several texts at once, with their keys and values kept between tokens."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import Cache, DynamicLayer

_ROOM: Final = 32


class _Layer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values with room behind them: otherwise every token would copy all that is kept."""

    keys: Tensor
    values: Tensor
    room: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append states of shape (n, heads, tokens, width), and return all that are kept."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states, value_states
            return self.keys, self.values
        start, end = self.keys.shape[2], self.keys.shape[2] + key_states.shape[2]
        if self.room is None or self.room[0].shape[2] < end:
            self.room = (
                pad(self.keys, (0, 0, 0, end - start + _ROOM)),
                pad(self.values, (0, 0, 0, end - start + _ROOM)),
            )
        keys, values = self.room
        keys[:, :, start:end], values[:, :, start:end] = key_states, value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values


@dataclass
class Decoded:
    """Texts that have been read and may be continued.

    cache: a layer's keys and values are (n, heads, length, width). mask: (n, length) int64, 0 where
    a shorter text is padded, on the left. logits: (n, vocabulary), for the next token of each.
    """

    cache: Cache
    mask: Tensor
    logits: Tensor

    @property
    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of each layer."""
        layers = cast("list[_Layer]", self.cache.layers)
        return [(layer.keys, layer.values) for layer in layers]


class Decoder:
    """A causal language model of transformers. Whoever calls it chooses the tokens."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._accepted = inspect.signature(model.forward).parameters.keys()

    @torch.inference_mode()
    def read(self, texts: Sequence[Sequence[int]], copies: Sequence[int]) -> Decoded:
        """Read the token ids of each text once, and return so many copies of each, in order."""
        longest, device = max(map(len, texts)), self._model.device
        lacking = [longest - len(one) for one in texts]
        # Behind the mask, any id will do.
        ids = [[0] * n + list(one) for one, n in zip(texts, lacking, strict=True)]
        seen = [[0] * n + [1] * (longest - n) for n in lacking]
        mask = torch.tensor(seen, device=device)
        places = (mask.cumsum(dim=-1) - 1).clamp(min=0)
        cache = Cache(layer_class_to_replicate=_Layer)
        found = self._forward(torch.tensor(ids, device=device), mask, places, cache)
        return select(found, [row for row, count in enumerate(copies) for _ in range(count)])

    @torch.inference_mode()
    def append(self, batch: Decoded, tokens: Tensor) -> Decoded:
        """Append a token to each text. tokens: (n,) int64. `batch` shares memory with the result
        and is of no use afterwards.
        """
        places = batch.mask.sum(dim=-1, keepdim=True)
        mask = pad(batch.mask, (0, 1), value=1)
        return self._forward(tokens[:, None], mask, places, batch.cache)

    def _forward(self, ids: Tensor, mask: Tensor, places: Tensor, cache: Cache) -> Decoded:
        asked = {"position_ids": places, "logits_to_keep": 1}
        found = self._model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            **{name: value for name, value in asked.items() if name in self._accepted},
        )
        return Decoded(cache, mask, found.logits[:, -1])


def select(batch: Decoded, rows: Sequence[int]) -> Decoded:
    """The texts at these places. A place may be named several times.

    Columns in which all of them are padding are left out.
    """
    if list(rows) == list(range(len(batch.mask))):
        return batch
    chosen = torch.tensor(rows, device=batch.mask.device)
    mask = batch.mask[chosen]
    start = mask.shape[1] - int(mask.sum(dim=-1).max())
    pairs = [(keys[chosen, :, start:], values[chosen, :, start:]) for keys, values in batch.pairs]
    return Decoded(_cache(pairs), mask[:, start:], batch.logits[chosen])


def join(batches: Sequence[Decoded]) -> Decoded:
    """The texts of all batches, in order. Shorter ones are padded on the left."""
    if len(batches) == 1:
        return batches[0]
    longest = max(one.mask.shape[1] for one in batches)
    lacking = [longest - one.mask.shape[1] for one in batches]

    def joined(parts: Sequence[Tensor]) -> Tensor:
        padded = [pad(one, (0, 0, n, 0)) for one, n in zip(parts, lacking, strict=True)]
        return torch.cat(padded)

    pairs = []
    for layer in zip(*(one.pairs for one in batches), strict=True):
        keys, values = zip(*layer, strict=True)
        pairs.append((joined(keys), joined(values)))
    masks = [pad(one.mask, (n, 0)) for one, n in zip(batches, lacking, strict=True)]
    logits = torch.cat([one.logits for one in batches])
    return Decoded(_cache(pairs), torch.cat(masks), logits)


def _cache(pairs: Sequence[tuple[Tensor, Tensor]]) -> Cache:
    layers = [_Layer() for _ in pairs]  # type: ignore[no-untyped-call]
    for layer, (keys, values) in zip(layers, pairs, strict=True):
        layer.update(keys, values)
    return Cache(layers=[*layers])
