"""Bases of other families than BERT: random weights, and each with a real tokenizer of its kind."""

from __future__ import annotations

import io
import json
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Tokenizer as HubTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel

from tests.tiny_student import build_untrained_base, tiny_rows

_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
_SHARED: dict[str, Any] = {**_SIZES, "intermediate_size": 64}


def _texts() -> Iterator[str]:
    return (row.prompt for row in tiny_rows(400, seed=5))


def _save(folder: Path, family: str, **settings: Any) -> Path:
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **{**_SHARED, **settings})
    AutoModel.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def _byte_pairs(specials: list[str], *, first: str, between: list[str], last: str) -> HubTokenizer:
    hub = HubTokenizer(models.BPE())
    hub.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    hub.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    hub.train_from_iterator(_texts(), trainer)
    hub.post_processor = processors.TemplateProcessing(
        single=[first, "$A", last],
        pair=[first, "$A", *between, "$B", last],
        special_tokens=[(name, hub.token_to_id(name)) for name in {first, last, *between}],
    )
    return hub


def roberta(folder: Path) -> Path:
    """Names like `<s>`, no types, padding is token 1, and positions are counted from there."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    hub = _byte_pairs(specials, first="<s>", between=["</s>", "</s>"], last="</s>")
    _save(
        folder, "roberta", vocab_size=hub.get_vocab_size(), max_position_embeddings=66,
        type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    hub.model.save(str(folder))  # vocab.json and merges.txt, as the real ones have them
    hub.save(str(folder / "tokenizer.json"))
    return folder


def mpnet(folder: Path) -> Path:
    """Relative positions in buckets beside absolute ones, counted from padding as RoBERTa's are;
    words in pieces as BERT's, with RoBERTa's names around them."""
    specials = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
    hub = HubTokenizer(models.WordPiece(unk_token="[UNK]"))
    hub.normalizer = normalizers.BertNormalizer()
    hub.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=specials, initial_alphabet=list(string.printable),
        show_progress=False,
    )  # fmt: skip
    hub.train_from_iterator(_texts(), trainer)
    hub.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=False, add_prefix_space=False
    )
    _save(
        folder, "mpnet", vocab_size=hub.get_vocab_size(), max_position_embeddings=68,
        pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    hub.save(str(folder / "tokenizer.json"))
    names = {"unk_token": "[UNK]", "bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>"}
    names |= {"sep_token": "</s>", "mask_token": "<mask>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names})
    )
    return folder


def modernbert(folder: Path) -> Path:
    """Rotary positions, local attention, no types; padding is the last of the vocabulary."""
    hub = _byte_pairs(
        ["[UNK]", "[CLS]", "[SEP]", "[MASK]"], first="[CLS]", between=["[SEP]"], last="[SEP]"
    )
    hub.add_special_tokens(["[PAD]"])
    _save(
        folder, "modernbert", vocab_size=hub.get_vocab_size(), max_position_embeddings=256,
        global_attn_every_n_layers=2, local_attention=16, pad_token_id=hub.token_to_id("[PAD]"),
        bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2,
    )  # fmt: skip
    hub.save(str(folder / "tokenizer.json"))
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names |= {"mask_token": "[MASK]", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names})
    )
    return folder


def sentencepiece_model() -> bytes:
    """A Unigram model with the special pieces of DeBERTa."""
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_texts(), model_writer=content, vocab_size=120, hard_vocab_limit=False,
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]",
        eos_piece="[SEP]", unk_piece="[UNK]", minloglevel=2,
    )  # fmt: skip
    return content.getvalue()


def _deberta(folder: Path, **settings: Any) -> Path:
    _save(
        folder, "deberta-v2", vocab_size=160, max_position_embeddings=128, pad_token_id=0,
        type_vocab_size=0, relative_attention=True, **settings,
    )  # fmt: skip
    (folder / "spm.model").write_bytes(sentencepiece_model())
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": False, "vocab_type": "spm"})
    )
    return folder


def deberta_v2(folder: Path) -> Path:
    """Positions of both kinds, projections of their own for the relative ones."""
    return _deberta(folder, pos_att_type=["p2c", "c2p"])


def deberta_v3(folder: Path) -> Path:
    """As in deberta-v3-large: relative positions alone, in buckets, with shared projections."""
    return _deberta(
        folder, pos_att_type=["p2c", "c2p"], position_biased_input=False, position_buckets=8,
        share_att_key=True, norm_rel_ebd="layer_norm", max_relative_positions=-1,
        layer_norm_eps=1e-7, pooler_hidden_size=32, pooler_hidden_act="gelu",
    )  # fmt: skip


BASES: dict[str, Callable[[Path], Path]] = {
    "bert": build_untrained_base,
    "roberta": roberta,
    "deberta-v2": deberta_v2,
    "deberta-v3": deberta_v3,
    "modernbert": modernbert,
    "mpnet": mpnet,
}
PAD_ID = {"bert": 0, "roberta": 1, "deberta-v2": 0, "deberta-v3": 0, "mpnet": 1}
