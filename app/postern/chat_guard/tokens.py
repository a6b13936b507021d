"""What a model would read and nobody else can: lists of tokens by number, and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# Where servers of models (OpenAI, vLLM, llama.cpp, SGLang, Ollama) take them instead of text.
TOKEN_FIELDS: Final = frozenset(
    {"prompt", "input", "input_ids", "token_ids", "prompt_token_ids", "tokens", "context"}
)
# Where text belongs, so that a single number is a token, too.
_TEXT_FIELDS: Final = frozenset({"prompt", "input"})
VECTOR_FIELDS: Final = frozenset({"prompt_embeds", "input_embeds", "inputs_embeds"})
UNREADABLE_FIELDS: Final = TOKEN_FIELDS | VECTOR_FIELDS


def unreadable_field(value: Any) -> str | None:
    """The name of a field in a JSON value that holds them; None if none does."""
    stack: list[tuple[Any, str | None]] = [(value, None)]
    while stack:
        current, tokens_of = stack.pop()
        if isinstance(current, list):
            stack += [(one, tokens_of) for one in current]
        elif isinstance(current, Mapping):
            for name, one in current.items():
                if name in VECTOR_FIELDS and one is not None:
                    return str(name)
                may_hold = name in TOKEN_FIELDS and (name in _TEXT_FIELDS or isinstance(one, list))
                stack.append((one, name if may_hold else None))
        elif tokens_of and isinstance(current, int | float):
            return tokens_of
    return None
