"""A two-layer student that the suite makes itself: no download, a few seconds, real verdicts.

It has learnt one thing: text that names a bomb, poison or a weapon is harmful.
"""

from __future__ import annotations

import shutil
import string
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from postern.contract.decision import OperatingPoint, Policy
from postern.contract.exchange import SLICES
from postern.contract.probability import Calibration
from postern.contract.text import segments
from postern.contract.windows import pad
from postern.inference.tokenizer import Tokenizer
from tokenizers import Tokenizer as HubTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification

from model_training.data.rows import Row
from model_training.evaluation.publish import publish
from model_training.recipe.behaviour import BehaviourConfig
from model_training.recipe.config import DistilConfig, ExportConfig, RunConfig
from model_training.student.export import export_student
from tests.made_once import made_once

Quantization = Literal["none", "static", "weight_only"]

TINY_NAME = "tiny"
TINY_VERSION = "0.0.1"
HARMFUL_WORDS = ("bomb", "poison", "weapon")
_TEXT = (
    "a the how to make bake cake garden kill time python process tell me story about cat dog "
    "help my write poem sea please what is best way train plane read book learn music sure here "
    "you can use some water flour and sugar first then build house of sand with friends"
)
HARMLESS_WORDS = tuple(_TEXT.split())
_WINDOW_TOKENS = 64


def build_tiny_student(folder: Path) -> Path:
    """Writes an HF folder (config.json, model.safetensors, tokenizer.json); returns it."""
    shutil.copytree(made_once("student", _train_student), folder, dirs_exist_ok=True)
    return folder


def build_tiny_artifact(folder: Path, *, quantization: Quantization = "none") -> Path:
    """Exports and publishes a tiny student below `folder`; returns the folder of the version."""
    made = made_once(f"artifact-{quantization}", lambda place: _publish(place, quantization))
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder / "artifacts" / TINY_NAME / TINY_VERSION


def _publish(folder: Path, quantization: Quantization) -> None:
    config = tiny_config(quantization)
    candidate = folder / "candidate"
    export_student(
        build_tiny_student(folder / "student"),
        candidate,
        config,
        rows=tiny_rows(200, seed=1),
        validation=tiny_rows(200, seed=2),
    )
    publish(candidate, tiny_policy(), config, artifacts=folder / "artifacts", commit="0" * 40)


def tiny_config(quantization: Quantization = "none") -> RunConfig:
    return RunConfig(
        name=TINY_NAME,
        version=TINY_VERSION,
        distil=DistilConfig(base="tiny", window_tokens=_WINDOW_TOKENS, overlap_tokens=8),
        export=ExportConfig(quantization=quantization, calibration_rows=64),
        behaviour=BehaviourConfig(cases=4),
    )


def tiny_policy() -> Policy:
    """Hand-made: harmful from 0.5; probabilities between 0.4 and 0.6 go to a teacher."""
    thresholds = {"strict": 0.3, "balanced": 0.5, "permissive": 0.7}
    return Policy(
        calibration={slice_: Calibration(temperature=1.0) for slice_ in SLICES},
        operating_points={
            name: {
                slice_: OperatingPoint(
                    threshold=threshold, deferral_band=(threshold - 0.1, threshold + 0.1)
                )
                for slice_ in SLICES
            }
            for name, threshold in thresholds.items()
        },
        default_operating_point="balanced",
    )


def tiny_rows(count: int, *, seed: int) -> list[Row]:
    """Half harmful, half pairs; of several sources. In a pair the response alone decides."""
    rng = np.random.default_rng(seed)
    return [_tiny_row(index, rng) for index in range(count)]


def _tiny_row(index: int, rng: np.random.Generator) -> Row:
    label = index % 2
    text = _sentence(rng, harmful=bool(label))
    source = f"tiny_{index % 3}"
    if index % 4 < 2:
        return Row(source=source, prompt=text, response=None, label=label)
    return Row(source=source, prompt=_sentence(rng, harmful=False), response=text, label=label)


def _sentence(rng: np.random.Generator, *, harmful: bool) -> str:
    words = list(rng.choice(HARMLESS_WORDS, size=int(rng.integers(3, 24))))
    if harmful:
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice(HARMFUL_WORDS)))
    return " ".join(words)


def tiny_hub_tokenizer() -> HubTokenizer:
    """WordPiece over the words above and single characters, with BERT's frame and type ids."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [
        *("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
        *characters,
        *(f"##{character}" for character in characters),
        *(word for word in HARMLESS_WORDS + HARMFUL_WORDS if len(word) > 1),
    ]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    hub = HubTokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    hub.normalizer = normalizers.BertNormalizer(lowercase=True)
    hub.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    hub.decoder = decoders.WordPiece()
    hub.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    hub.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return hub


def _train_student(folder: Path) -> None:
    """A fixed seed, 120 small steps."""
    torch.manual_seed(0)
    hub = tiny_hub_tokenizer()
    model = _untrained_model(hub)
    _train(model, hub)
    _save(model, hub, folder)


def build_untrained_base(folder: Path) -> Path:
    """A base for a recipe to start from: the same encoder with random weights."""
    torch.manual_seed(0)
    hub = tiny_hub_tokenizer()
    return _save(_untrained_model(hub), hub, folder)


def _save(model: BertForSequenceClassification, hub: HubTokenizer, folder: Path) -> Path:
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(hub.to_str())
    return folder


def _untrained_model(hub: HubTokenizer) -> BertForSequenceClassification:
    # Two of these are read by every configuration, and declared by none.
    settings: dict[str, Any] = {"num_labels": 2, "attn_implementation": "eager"}
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=hub.get_vocab_size(),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=128,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            id2label={0: "unharmful", 1: "harmful"},
            label2id={"unharmful": 0, "harmful": 1},
            **settings,
        )
    )


def _train(model: BertForSequenceClassification, hub: HubTokenizer) -> None:
    tokenizer = Tokenizer(hub.to_str().encode(), window_tokens=_WINDOW_TOKENS, overlap_tokens=8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices this small only wait for each other on several cores
    for step in range(120):
        rows = tiny_rows(32, seed=1000 + step)
        windows = [tokenizer.encode(segments(row.exchange)).windows[0] for row in rows]
        ids, mask, types = (torch.from_numpy(part) for part in pad(windows, pad_id=0))
        logits = model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits
        labels = torch.tensor([row.label for row in rows])
        loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.05)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    model.eval()  # type: ignore[no-untyped-call]
    torch.set_num_threads(threads)
