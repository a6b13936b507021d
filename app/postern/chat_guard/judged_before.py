"""Remembers unharmful verdicts, so that a continued chat is not judged again from its beginning.

Harmful verdicts are never kept, nor those of a policy that stood in for the teacher. Keys are keyed
hashes that differ between callers, so that no caller learns from response times what another has
sent.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import replace

from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged


class JudgedBefore:
    """Keeps at most `entries` verdicts and evicts the least recently used. For one event loop."""

    def __init__(self, *, entries: int) -> None:
        self._limit = entries
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, Judged] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def key(self, exchange: Exchange, *, caller: int, policy: str = "") -> bytes:
        """policy: the fingerprint of the caller's policy, which other verdicts do not outlive."""
        prompt = exchange.prompt.encode("utf-8", "surrogatepass")
        response = (
            b"" if exchange.response is None else exchange.response.encode("utf-8", "surrogatepass")
        )
        # Lengths come first, so that moving text from one part to the next changes the key.
        frame = f"{caller}:{policy}:{len(prompt)}:{exchange.response is None}:".encode()
        found = hashlib.blake2b(frame, key=self._secret, digest_size=16)
        found.update(prompt)
        found.update(response)
        return found.digest()

    def find(self, key: bytes) -> Judged | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: bytes, judged: Judged) -> None:
        if not self._limit or judged.verdict.harmful or judged.verdict.degraded:
            return
        self._kept[key] = replace(judged, worst_window=None)
        self._kept.move_to_end(key)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)
