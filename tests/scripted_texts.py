"""Answers of OpenAI's older completions and of its embeddings, for `scripted_upstream`."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from typing import Any

from tests.scripted_upstream import DONE, Step, streamed

VECTOR = tuple(0.01 * n - 0.1 for n in range(24))


def text_completion(*texts: str, **choice: Any) -> dict[str, Any]:
    """A whole answer with a choice for each text. choice: further fields of the first choice."""
    choices: list[dict[str, Any]] = [
        {"text": text, "index": n, "logprobs": None, "finish_reason": "stop"}
        for n, text in enumerate(texts)
    ]
    choices[0] |= choice
    return {
        "id": "cmpl-stub",
        "object": "text_completion",
        "created": 1700000000,
        "model": "stub-1",
        "choices": choices,
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }


def text_chunk(
    text: str, *, index: int = 0, finish: str | None = None, beside: Any = None, **choice: Any
) -> bytes:
    """One event of a streamed answer. beside: fields of the chunk; choice: of its choice."""
    made = {"text": text, "index": index, "logprobs": None, "finish_reason": finish} | choice
    frame = {"id": "cmpl-stub", "object": "text_completion", "created": 1, "model": "stub-1"}
    data = frame | {"choices": [made]} | (beside or {})
    return f"data: {json.dumps(data)}\n\n".encode()


def text_stream(*texts: str) -> list[Step]:
    return streamed([*map(text_chunk, texts), text_chunk("", finish="stop"), DONE])


def in_base64(vector: Sequence[float] = VECTOR) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def embeddings(*vectors: Any, **fields: Any) -> dict[str, Any]:
    """Embeddings with these values, lists or base64. fields: of the first one."""
    data: list[dict[str, Any]] = [
        {"object": "embedding", "index": n, "embedding": one} for n, one in enumerate(vectors)
    ]
    data[0] |= fields
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return {"object": "list", "data": data, "model": "stub-1", "usage": usage}
