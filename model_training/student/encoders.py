"""The encoder that a recipe names: weights, tokenizer, and differences between families."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from postern.inference.tokenizer import Tokenizer
from tokenizers import Tokenizer as HubTokenizer
from torch.nn import Dropout, Embedding, Module, ModuleList
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from model_training.errors import RecipeInvalid
from model_training.recipe.config import DistilConfig, WindowConfig
from model_training.student.bags import PAD_MULTIPLE
from model_training.student.four_bits import BLOCK, rounded

LABELS = {0: "unharmful", 1: "harmful"}


def resolve_base(base: str) -> str:
    """A folder or hub id unchanged; for a bundled encoder package, the folder inside it."""
    if Path(base).is_dir() or "/" in base:
        return base
    spec = importlib.util.find_spec(base.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise RecipeInvalid(f"base {base!r} is no folder, no hub id and no installed package")
    return str(Path(next(iter(spec.submodule_search_locations))) / "model")


def read_tokenizer_json(base: str) -> bytes:
    """The base's own `tokenizer.json`, or one made from its SentencePiece model.

    Raises RecipeInvalid if it has no tokenizer, or one that runs only in Python.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(resolve_base(base))
        backend = tokenizer.backend_tokenizer
    except (OSError, ValueError, AttributeError) as exc:
        raise RecipeInvalid(
            f"base {base!r} has no tokenizer that can be served ({type(exc).__name__})"
        ) from exc
    backend.no_padding()
    backend.no_truncation()
    content: str = backend.to_str()
    return content.encode()


def load_base(settings: DistilConfig) -> Any:
    """The base with a fresh head of two labels, float32. Raises RecipeInvalid."""
    model = load_classifier(
        resolve_base(settings.base),
        num_labels=2,
        id2label=LABELS,
        label2id={name: index for index, name in LABELS.items()},
    )
    if settings.dropout != "base":
        for module in model.modules():
            # Dropout's random numbers take as long as the forward pass on CPU, and a small student
            # does not overfit a run of this length (docs/research/log.md).
            if isinstance(module, Dropout):
                module.p = settings.dropout
    if settings.frozen_embeddings:
        # Words that the train pool lacks keep their place relative to the words that it contains.
        model.get_input_embeddings().weight.requires_grad_(False)
    if settings.embedding_bits is not None:
        round_embeddings(model)
    if settings.frozen_layers:
        freeze_lowest(model, settings.frozen_layers)
    return model.float()


def round_embeddings(model: Any) -> None:
    """Round word embeddings to four bits, in place. Raises RecipeInvalid if they fit no blocks."""
    table = model.get_input_embeddings().weight
    if table.shape[1] % BLOCK:
        raise RecipeInvalid(f"embedding_bits: {table.shape[1]} columns are no multiple of {BLOCK}")
    with torch.no_grad():
        table.copy_(torch.from_numpy(rounded(table.float().numpy())))


def freeze_lowest(model: Any, n_layers: int) -> None:
    """Freeze the encoder, except for a pooler and the layers above the lowest `n_layers`.

    Parameters that all layers share, such as a position bias, are frozen too, because their
    gradients would pass through every layer. Raises RecipeInvalid if no layer would be left.
    """
    n_all = model.config.num_hidden_layers
    stacks = (one for one in model.base_model.modules() if isinstance(one, ModuleList))
    layers = next((one for one in stacks if len(one) == n_all), None)
    if layers is None or n_layers >= n_all:
        raise RecipeInvalid(f"frozen_layers = {n_layers}: the encoder has {n_all} layers")
    free = {id(p) for layer in layers[n_layers:] for p in layer.parameters()}
    for name, parameter in model.base_model.named_parameters():
        parameter.requires_grad_(id(parameter) in free or name.startswith("pooler."))


def load_classifier(source: str, **changed: Any) -> Any:
    """A sequence classifier of transformers, float32. Raises RecipeInvalid."""
    config = Path(source) / "config.json"
    if config.exists() and "auto_map" in config.read_text("utf-8"):
        raise RecipeInvalid(f"{source}: a config with auto_map would run foreign code")
    try:
        return AutoModelForSequenceClassification.from_pretrained(
            source,
            dtype=torch.float32,
            # On CPU, the backward pass of fused attention costs more than the whole eager layer:
            # 4,067 against 7,755 tokens/s on two cores in bf16 with 32 x 128 tokens. ONNX Runtime's
            # optimizer also recognizes no attention in a graph exported from sdpa.
            attn_implementation="eager",
            **changed,
        )
    except (OSError, ValueError) as exc:
        raise RecipeInvalid(
            f"{source}: cannot be loaded as a sequence classifier ({type(exc).__name__})"
        ) from exc


def pad_id_of(model: Any) -> int:
    """The id of padding, under a zero mask; RoBERTa counts positions by it."""
    return int(getattr(model.config, "pad_token_id", None) or 0)


def takes_types(model: Any) -> bool:
    """Whether the encoder distinguishes segments by `token_type_ids`."""
    return int(getattr(model.config, "type_vocab_size", 0) or 0) > 1


def position_limit(model: Module, pad_multiple: int = PAD_MULTIPLE) -> int | None:
    """The longest window for which the encoder has positions; None if positions are relative."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, Embedding):
            if module.padding_idx is not None:  # RoBERTa counts from there; padding has no position
                return module.num_embeddings - module.padding_idx - 1
            return module.num_embeddings // pad_multiple * pad_multiple
    return None


def check_fits(model: Any, tokenizer_json: bytes, windows: WindowConfig) -> Tokenizer:
    """The serving tokenizer. Raises RecipeInvalid if it does not fit the encoder."""
    tokenizer = Tokenizer(tokenizer_json, **windows.model_dump())
    limit = position_limit(model)
    if limit is not None and windows.window_tokens > limit:
        raise RecipeInvalid(
            f"the encoder has positions for windows of {limit} tokens, not {windows.window_tokens}"
        )
    n_known = model.get_input_embeddings().num_embeddings
    if (highest := _highest_id(tokenizer_json)) >= n_known:
        raise RecipeInvalid(f"the tokenizer has a token {highest}, the encoder {n_known} in all")
    return tokenizer


def _highest_id(tokenizer_json: bytes) -> int:
    """The highest id of a token that text can become; excludes special tokens such as a mask."""
    hub = HubTokenizer.from_buffer(tokenizer_json)
    added = hub.get_added_tokens_decoder()
    ids = hub.get_vocab(with_added_tokens=False).values()
    special = {place for place, token in added.items() if token.special}
    return max(*(set(ids) - special), *(set(added) - special), 0)


def decay_groups(model: Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups without decay on biases and normalization weights (one-dimensional ones)."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def use_bf16(settings: DistilConfig, device: torch.device) -> bool:
    """Whether the forward and backward passes compute in bfloat16; weights stay float32."""
    return computes_in_bf16(settings.precision, device)


def computes_in_bf16(precision: str, device: torch.device) -> bool:
    """precision: `bf16`, `fp32`, or `auto`, which is bfloat16 if the device has instructions for
    it.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
