"""What was judged before and found unharmful: a chat that goes on is not judged from its beginning.

A harmful verdict is never kept, nor one of a policy that had to stand in for the teacher. Keys are
keyed hashes that differ between callers, so that no caller learns from the time of an answer what
another has sent.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import replace

from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged


class JudgedBefore:
    """At most `entries` verdicts, the least recently used of which goes first. One event loop."""

    def __init__(self, *, entries: int) -> None:
        self._limit = entries
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, Judged] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def key(self, exchange: Exchange, *, caller: int) -> bytes:
        prompt = exchange.prompt.encode("utf-8", "surrogatepass")
        response = (
            b"" if exchange.response is None else exchange.response.encode("utf-8", "surrogatepass")
        )
        # Lengths first, so that no text can be moved from one part to the next.
        frame = f"{caller}:{len(prompt)}:{exchange.response is None}:".encode()
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
