"""Remembers the ids of what passed here, so that a chat may go on from what the upstream keeps.

Ids are kept as keyed hashes that differ between callers. An id that another caller got is unknown.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable


class PassedIds:
    """Keeps at most `entries` ids and forgets the least recently used. For one event loop."""

    def __init__(self, *, entries: int) -> None:
        self._limit = entries
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, ids: Iterable[str], *, caller: int) -> None:
        for one in ids:
            key = self._key(one, caller)
            self._kept[key] = None
            self._kept.move_to_end(key)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def knows(self, one: str, *, caller: int) -> bool:
        key = self._key(one, caller)
        if key not in self._kept:
            return False
        self._kept.move_to_end(key)
        return True

    def _key(self, one: str, caller: int) -> bytes:
        text = f"{caller}:{one}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._secret, digest_size=16).digest()
