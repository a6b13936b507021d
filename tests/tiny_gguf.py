"""A tiny Llama in GGUF, random weights and a token for each byte, written by hand.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

import numpy as np

_WIDTH, _LAYERS, _HEADS, _INNER, _CONTEXT = 32, 1, 2, 64, 2048
_CONTROL: Final = ("<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' "
    "+ message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_UINT32, _INT32, _FLOAT32, _STRING, _ARRAY = 4, 5, 6, 8, 9


def tiny_gguf(path: Path, *, merged: bool = False) -> Path:
    """Writes the file; it begins to write whatever its random weights say, and never ends.

    merged: also has the token that its merge makes, which transformers insists on.
    """
    plain = [*_bytes_as_text(), *(["ab"] if merged else [])]
    tokens = [*plain, *_CONTROL]
    prefix = "llama."
    settings: dict[str, tuple[int, Any]] = {
        "general.architecture": (_STRING, "llama"),
        f"{prefix}context_length": (_UINT32, _CONTEXT),
        f"{prefix}embedding_length": (_UINT32, _WIDTH),
        f"{prefix}block_count": (_UINT32, _LAYERS),
        f"{prefix}feed_forward_length": (_UINT32, _INNER),
        f"{prefix}attention.head_count": (_UINT32, _HEADS),
        f"{prefix}attention.layer_norm_rms_epsilon": (_FLOAT32, 1e-5),
        f"{prefix}rope.dimension_count": (_UINT32, _WIDTH // _HEADS),
        "tokenizer.ggml.model": (_STRING, "gpt2"),
        "tokenizer.ggml.pre": (_STRING, "default"),
        "tokenizer.ggml.tokens": (_ARRAY, (_STRING, tokens)),
        "tokenizer.ggml.token_type": (_ARRAY, (_INT32, [1] * len(plain) + [3] * len(_CONTROL))),
        "tokenizer.ggml.merges": (_ARRAY, (_STRING, ["a b"])),
        "tokenizer.ggml.bos_token_id": (_UINT32, len(plain)),
        "tokenizer.ggml.eos_token_id": (_UINT32, len(plain) + 1),
        "tokenizer.chat_template": (_STRING, CHAT_TEMPLATE),
    }
    tensors = _tensors(len(tokens))
    content = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(settings)))
    for name, (kind, value) in settings.items():
        content += _value(_STRING, name) + struct.pack("<I", kind) + _value(kind, value)
    at = 0
    for name, tensor in tensors.items():
        content += _value(_STRING, name) + struct.pack("<I", tensor.ndim)
        content += struct.pack(f"<{tensor.ndim}Q", *reversed(tensor.shape))
        content += struct.pack("<IQ", 0, at)  # float32
        at += -(-tensor.nbytes // 32) * 32
    for tensor in tensors.values():
        content += b"\0" * (-len(content) % 32) + tensor.tobytes()
    path.write_bytes(content)
    return path


def _tensors(n_tokens: int) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (n_tokens, _WIDTH),
        "output_norm.weight": (_WIDTH,),
        "output.weight": (n_tokens, _WIDTH),
        **{f"blk.0.{name}_norm.weight": (_WIDTH,) for name in ("attn", "ffn")},
        **{f"blk.0.attn_{name}.weight": (_WIDTH, _WIDTH) for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}.weight": (_INNER, _WIDTH) for name in ("gate", "up")},
        "blk.0.ffn_down.weight": (_WIDTH, _INNER),
    }
    made = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    made["output.weight"][128:] = -made["output.weight"][:1]  # letters and control tokens: rarely
    return made


def _value(kind: int, value: Any) -> bytes:
    match kind:
        case 4:
            return struct.pack("<I", value)
        case 5:
            return struct.pack("<i", value)
        case 6:
            return struct.pack("<f", value)
        case 8:
            encoded: bytes = value.encode()
            return struct.pack("<Q", len(encoded)) + encoded
        case _:
            inner, items = value
            head = struct.pack("<IQ", inner, len(items))
            return head + b"".join(_value(inner, item) for item in items)


def _bytes_as_text() -> list[str]:
    """GPT-2's letters for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {byte: chr(byte) for byte in plain}
    others = [byte for byte in range(256) if byte not in names]
    names |= {byte: chr(256 + place) for place, byte in enumerate(others)}
    return [names[byte] for byte in range(256)]
