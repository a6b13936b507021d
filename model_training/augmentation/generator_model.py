"""The generator's model: random initialization, inputs, and the folder that `generate` reads."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from model_training.augmentation.generator_text import Encoded, Example
from model_training.data.rows import dump_json, write_atomically
from model_training.recipe.generator import GENERATOR, GeneratorConfig
from model_training.student.checkpoints import writing_weights

REPORT: Final = "generator.json"
NOT_LEARNT: Final = -100
# For texts this short, the fused kernel's backward pass takes longer than the plain products.
_ATTENTION: Final[dict[str, Any]] = {"attn_implementation": "eager"}


def untrained(config: GeneratorConfig, tokenizer: Any) -> Any:
    """A small GPT-2 with random weights, for the tokenizer's vocabulary."""
    # GPT-2 has one fused kernel each for norm, activation and attention. Newer models make many
    # passes over memory instead, which on a CPU take longer than the products.
    make: Any = GPT2Config
    settings = make(
        vocab_size=len(tokenizer),
        n_positions=config.longest_tokens,
        n_embd=config.hidden,
        n_layer=config.layers,
        n_head=config.heads,
        activation_function="gelu_pytorch_tanh",
        embd_pdrop=config.dropout,
        resid_pdrop=0.0,
        attn_pdrop=0.0,
        # Untied, because the checkpoint stores each tensor once.
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **_ATTENTION,
    )
    return GPT2LMHeadModel(settings)


def tensors(chosen: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    """Token ids and training targets, (rows, longest) int64, padded on the right."""
    longest = max(len(one.ids) for one in chosen)
    ids = torch.zeros((len(chosen), longest), dtype=torch.int64)
    wanted = torch.full_like(ids, NOT_LEARNT)
    for row, one in enumerate(chosen):
        length = len(one.ids)
        ids[row, :length] = torch.tensor(one.ids)
        wanted[row, one.start : length] = torch.tensor(one.ids[one.start :])
    return ids, wanted


def composition(examples: Sequence[Example], encoded: Sequence[Encoded]) -> dict[str, Any]:
    """Training data in numbers: prompts, tokens, and prompts of each source and category."""
    counts = Counter((one.intent, one.source) for one in examples)
    families = Counter((one.intent, one.category or "none") for one in examples)
    return {
        "prompts": dict(Counter(one.intent for one in examples)),
        "tokens": sum(len(one.ids) - one.start for one in encoded),
        "sources": _nested(counts),
        "categories": _nested(families),
    }


def _nested(counts: Counter[Any]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (outer, inner), count in sorted(counts.items()):
        found.setdefault(outer, {})[inner] = count
    return found


def publish(model: Any, tokenizer: Any, report: Mapping[str, Any], run: Path) -> Path:
    """Write beside the folder, then rename: no reader sees a partial model."""
    folder, partial = run / GENERATOR, run / f".{GENERATOR}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with writing_weights(partial):
        model.eval().save_pretrained(partial)
        tokenizer.save_pretrained(partial)
    parameters = sum(weights.numel() for weights in model.parameters())
    write_atomically(partial / REPORT, dump_json({"parameters": parameters, **report}))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def is_published(run: Path, recipe: str) -> bool:
    """Whether the folder contains the generator of this recipe and these rows."""
    try:
        found = json.loads((run / GENERATOR / REPORT).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("recipe") == recipe
