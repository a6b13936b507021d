"""Which prompts count as equal, and to which side of a split each belongs. No I/O."""

from __future__ import annotations

import hashlib
import unicodedata


def normalized_key(text: str) -> str:
    """Text without case, punctuation and white space. Prompts with equal keys count as one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    key = "".join(char for char in folded if char.isalnum())
    return key or folded  # prompts of only emoji and punctuation must not all count as one


def prompt_hash(prompt: str, *, salt: str = "") -> int:
    """64 bits of a stable hash of the normalized prompt. A split depends on nothing else.

    salt: makes a split that is independent of the one without it.
    """
    digest = hashlib.sha256((salt + normalized_key(prompt)).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big")
