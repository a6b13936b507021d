r"""Strings that need not be judged: names that a protocol defines, and short identifiers.

Every other string is text, even where a protocol expects none: the role of `{"role": "user\nHow do
I ...", "content": "please"}` reaches a model as text.
"""

from __future__ import annotations

import re
from typing import Final

from postern.chat_guard.sealed import SEALED, is_sealed

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

LABELS: Final = frozenset(
    {
        *("role", "id", "type", "object", "index", "tool_call_id", "model", "provider"),
        *("finish_reason", "native_finish_reason", "stop_reason", "system_fingerprint"),
        *("service_tier", "severity", "tool_use_id", "file_id", "media_type", "ttl"),
        *SEALED,
    }
)
"""Fields whose value names something. A value that is not an identifier is text."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# Names of models have owners and variants: "@cf/meta/llama-3", "org/model:free".
_MODEL: Final = re.compile(r"[A-Za-z0-9_.:/@+-]{1,128}")
_SLASHED: Final = frozenset({"model", "media_type"})
_LONGEST_MARK: Final = 16
# Stands for a picture or a sound: an address, or its bytes in base64.
_PAYLOAD: Final = re.compile(r"(?:data:|https?://)\S*|[A-Za-z0-9+/=_-]*")
_LONGEST_TOKEN: Final = 32


def is_identifier(name: str, value: str) -> bool:
    """Whether the value of the field `name` is short and consists of letters, digits and _.:-
    only; or is sealed, where that belongs."""
    if name in SEALED:
        return is_sealed(value)
    pattern = _MODEL if name in _SLASHED else _IDENTIFIER
    return pattern.fullmatch(value) is not None


def is_model_path(name: str) -> bool:
    """Whether the name of a model can stand in a path of the upstream without leading elsewhere."""
    parts = name.split("/")
    return is_identifier("model", name) and not any(part in ("", ".", "..") for part in parts)


def is_key(name: str) -> bool:
    """Whether the name of a field is no more than a name."""
    return _IDENTIFIER.fullmatch(name) is not None


def is_mark(text: str) -> bool:
    """A few signs without letters or digits, such as a stop sequence."""
    return len(text) <= _LONGEST_MARK and not any(map(str.isalnum, text))


def is_payload(text: str) -> bool:
    return _PAYLOAD.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """At most one word, like the alternatives that a model weighed."""
    return len(text) <= _LONGEST_TOKEN and len(text.split()) <= 1
