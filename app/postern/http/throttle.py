"""Slows down guessing of keys: after a few wrong ones, an address cannot try new keys for a while.

A key that was right from that address is still accepted. So clients that share an address with a
guesser, behind a proxy or a gateway, are not locked out. All state is bounded.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from postern.contract.errors import TooManyWrongKeys

_TRIES: Final = 10.0
_SECONDS_PER_TRY: Final = 6.0
_ADDRESSES: Final = 4096
_KNOWN: Final = 4096


class Throttle:
    """Tries left for each address: ten, plus one more every six seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By address: tries left, and when that was counted. The address unseen for longest is
        # evicted first.
        self._tries: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def check(self, client: str, digest: bytes) -> None:
        """Call before comparing a key. Raises TooManyWrongKeys."""
        if not self._tries:
            return
        address = _group(client)
        left = self._left(address)
        if left < 1.0 and (address, digest) not in self._known:
            raise TooManyWrongKeys(retry_after_s=(1.0 - left) * _SECONDS_PER_TRY)

    def wrong(self, client: str) -> None:
        address = _group(client)
        self._tries[address] = (self._left(address) - 1.0, self._clock())
        self._tries.move_to_end(address)
        if len(self._tries) > _ADDRESSES:
            self._tries.popitem(last=False)

    def right(self, client: str, digest: bytes) -> None:
        known = (_group(client), digest)
        if known not in self._known:
            self._known[known] = None
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)

    def _left(self, address: str) -> float:
        found = self._tries.get(address)
        if found is None:
            return _TRIES
        left, counted = found
        return min(_TRIES, left + (self._clock() - counted) / _SECONDS_PER_TRY)


def _group(client: str) -> str:
    """The address, or its /64 for IPv6, because one subscriber has a whole /64."""
    if ":" not in client:
        return client
    try:
        packed = ipaddress.IPv6Address(client.partition("%")[0]).packed
    except ValueError:
        return client
    return packed[:8].hex()
