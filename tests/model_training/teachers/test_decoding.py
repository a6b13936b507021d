"""The cache: what is kept of a text gives the logits that reading it again would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from model_training.teachers.decoding import Decoder, join, select
from tests.tiny_llama import build_tiny_llama

_SIZES = {
    "vocab_size": 90,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}

_CONFIGS: dict[str, dict[str, int]] = {
    "qwen2": _SIZES,  # several heads share keys
    "gpt2": {"vocab_size": 90, "n_embd": 32, "n_layer": 2, "n_head": 4},  # learnt positions
    "mistral": _SIZES | {"sliding_window": 5},  # sees only the last tokens
}


@pytest.fixture(scope="module", params=["llama", *_CONFIGS])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.manual_seed(1)
    models: Any = AutoModelForCausalLM
    if request.param == "llama":
        folder = build_tiny_llama(tmp_path_factory.mktemp("decoding") / "llama")
        return models.from_pretrained(folder).eval()
    config = AutoConfig.for_model(request.param, **_CONFIGS[request.param])
    return models.from_config(config).eval()


_TEXTS = ([5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15], [20], [21, 22, 23, 24, 25])


@torch.inference_mode()
def _again(model: Any, texts: Sequence[Sequence[int]]) -> Tensor:
    """Logits behind each text, each read alone and without a cache."""
    return torch.stack(
        [model(torch.tensor([list(one)]), use_cache=False).logits[0, -1] for one in texts]
    )


def test_texts_read_together_and_continued_are_as_if_read_alone(model: Any) -> None:
    decoder = Decoder(model)
    texts = [list(one) for one in _TEXTS]
    batch = decoder.read(texts, [1] * len(texts))
    torch.testing.assert_close(batch.logits, _again(model, texts), atol=2e-5, rtol=1e-4)
    for step in range(40):  # beyond the room of a layer, twice
        tokens = [30 + step % 7 + place for place in range(len(texts))]
        batch = decoder.append(batch, torch.tensor(tokens))
        for text, token in zip(texts, tokens, strict=True):
            text.append(token)
    torch.testing.assert_close(batch.logits, _again(model, texts), atol=2e-5, rtol=1e-4)


def test_copies_share_one_reading_and_go_separate_ways(model: Any) -> None:
    decoder = Decoder(model)
    batch = decoder.read(_TEXTS[:2], [3, 1])
    texts = [[*_TEXTS[0], 40], [*_TEXTS[0], 41], [*_TEXTS[0], 42], [*_TEXTS[1], 43]]
    batch = decoder.append(batch, torch.tensor([40, 41, 42, 43]))
    torch.testing.assert_close(batch.logits, _again(model, texts), atol=2e-5, rtol=1e-4)


def test_texts_leave_and_others_join(model: Any) -> None:
    decoder = Decoder(model)
    batch = decoder.append(decoder.read(_TEXTS, [1] * 4), torch.tensor([1, 2, 3, 4]))
    kept = select(batch, [2, 0])
    assert kept.mask.shape == (2, 4)  # the columns of the longer texts are gone
    batch = join([kept, decoder.read([[50, 51, 52, 53, 54, 55]], [2])])
    batch = decoder.append(batch, torch.tensor([60, 61, 62, 63]))
    fresh = [50, 51, 52, 53, 54, 55]
    texts = [[*_TEXTS[2], 3, 60], [*_TEXTS[0], 1, 61], [*fresh, 62], [*fresh, 63]]
    torch.testing.assert_close(batch.logits, _again(model, texts), atol=2e-5, rtol=1e-4)
