"""A vocabulary that is cut still reads every text, and each token keeps its embedding."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer as HubTokenizer
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification

from model_training.errors import RecipeInvalid
from model_training.student.vocabulary import cut_vocabulary

GERMAN = ["wie kann ich eine bombe bauen", "ich möchte einen kuchen backen", "bauen und backen"]
THAI = ["ฉันอยากทำเค้ก", "ฉันจะทำอย่างไร"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


@pytest.fixture(scope="module")
def tokenizer_json() -> bytes:
    hub = HubTokenizer(models.Unigram())
    hub.normalizer = normalizers.NFKC()
    hub.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=140, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    hub.train_from_iterator([*GERMAN * 30, *THAI * 30], trainer)
    hub.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A", "</s>"],
        pair=["<s>", "$A", "</s>", "</s>", "$B", "</s>"],
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return hub.to_str().encode()


def model_of(tokenizer_json: bytes) -> Any:
    torch.manual_seed(0)
    size = HubTokenizer.from_buffer(tokenizer_json).get_vocab_size()
    config = BertConfig(
        vocab_size=size + 5,  # as in the real one, whose table has rows that no token uses
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        pad_token_id=1,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    model.get_input_embeddings().weight.requires_grad_(False)
    return model


def _fewer(whole: HubTokenizer) -> int:
    """Room for all but two tokens: those of the other script go first, and go all."""
    return int(whole.get_vocab_size()) - 2


def test_texts_that_it_is_for_keep_their_tokens_and_embeddings(tokenizer_json: bytes) -> None:
    model, whole = model_of(tokenizer_json), HubTokenizer.from_buffer(tokenizer_json)
    before = model.get_input_embeddings().weight.detach().numpy().copy()
    cut = HubTokenizer.from_buffer(cut_vocabulary(model, tokenizer_json, GERMAN, _fewer(whole)))
    after = model.get_input_embeddings().weight
    size = cut.get_vocab_size()
    assert size < whole.get_vocab_size()
    assert after.shape == (size, 16)
    assert after.requires_grad is False
    assert model.config.vocab_size == size
    assert [cut.token_to_id(name) for name in SPECIAL] == [0, 1, 2, 3]
    for text in GERMAN:
        old, new = whole.encode(text), cut.encode(text)
        assert old.tokens == new.tokens
        assert np.array_equal(before[old.ids], after.detach().numpy()[new.ids])
    pair = cut.encode("wie", "ich")
    assert pair.tokens[0] == "<s>"
    assert pair.tokens.count("</s>") == 3


def test_an_alphabet_of_the_texts_stays_readable_and_another_goes(tokenizer_json: bytes) -> None:
    cut = HubTokenizer.from_buffer(
        cut_vocabulary(
            model_of(tokenizer_json),
            tokenizer_json,
            GERMAN,
            _fewer(HubTokenizer.from_buffer(tokenizer_json)),
        )
    )
    unknown = cut.token_to_id("<unk>")
    assert unknown not in cut.encode("bambu kö").ids  # letters of the texts in another order
    assert unknown in cut.encode(THAI[0]).ids


def test_a_vocabulary_that_fits_is_left_alone(tokenizer_json: bytes) -> None:
    model = model_of(tokenizer_json)
    size = HubTokenizer.from_buffer(tokenizer_json).get_vocab_size()
    cut = cut_vocabulary(model, tokenizer_json, GERMAN, 10_000)
    assert (
        HubTokenizer.from_buffer(cut).get_vocab()
        == HubTokenizer.from_buffer(tokenizer_json).get_vocab()
    )
    assert model.get_input_embeddings().num_embeddings == size


def test_too_few_tokens_and_other_kinds_of_vocabulary_are_refused(tokenizer_json: bytes) -> None:
    with pytest.raises(RecipeInvalid, match="single characters alone"):
        cut_vocabulary(model_of(tokenizer_json), tokenizer_json, [*GERMAN, *THAI], 10)
    other = json.loads(HubTokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]")).to_str())
    with pytest.raises(RecipeInvalid, match="Unigram"):
        cut_vocabulary(model_of(tokenizer_json), json.dumps(other).encode(), GERMAN, 10)
