"""What counts as the same prompt, and on which side of a split it stands. Pure."""

from __future__ import annotations

import hashlib
import unicodedata


def normalized_key(text: str) -> str:
    """Text without case, punctuation and white space: what counts as the same prompt."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    key = "".join(char for char in folded if char.isalnum())
    return key or folded  # emoji and punctuation alone must not all count as one prompt


def prompt_hash(prompt: str, *, salt: str = "") -> int:
    """64 bits of a stable hash of the normalized prompt; a split depends on nothing else.

    salt: makes a split that is independent of those without it.
    """
    digest = hashlib.sha256((salt + normalized_key(prompt)).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big")
