"""A field with one text or several, as OpenAI's completions and embeddings have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postern.chat_guard.walk import mismatch
from postern.contract.proxy_errors import UnreadableTokens


def read_texts(body: Mapping[str, Any], name: str) -> list[str]:
    """At least one text. Raises BodyMismatch; UnreadableTokens if they are ids of tokens."""
    given = body.get(name)
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        mismatch(name, "must be a string or a list of at least one string")
    if any(_is_tokens(one) for one in given):
        raise UnreadableTokens(name)
    for place, one in enumerate(given):
        if not isinstance(one, str):
            mismatch(f"{name}.{place}", "must be a string")
    return given


def _is_tokens(value: Any) -> bool:
    """Whether a value is an id of a token, or a list with one."""
    return is_id(value) or (isinstance(value, list) and any(map(is_id, value)))


def is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
