"""Refuses overload by the headers alone, before a body is read, parsed or tokenized.

`Batcher.submit` would refuse these requests anyway, at many times the cost, and that cost would be
taken from requests that can still be answered in time.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final

from starlette.types import Scope

from postern.clock import now
from postern.contract.callers import current_caller
from postern.contract.errors import Overloaded, PosternError
from postern.http.request import Keys, deadline_of, header
from postern.inference.batch_queue import Sums
from postern.inference.batcher import Batcher

# Share of the remaining time that is kept for the reply and for errors of the estimate, so that a
# request that passes here is hardly ever refused later.
RESERVE: Final = 0.05
# A request this many requests ago has the weight 1/e.
_MEMORY: Final = 200.0


class FirstLook:
    """Estimates tokens from bytes, at the rate of recently answered requests.

    paths: of the endpoints whose whole work is a verdict. keys: requests with these are looked at;
    others go on to their 401. timeout_ms: the longest deadline. max_body_bytes: longer ones go on
    to their 413, for no later try would succeed. turn_s: duration of a turn of the event loop.
    """

    def __init__(
        self,
        batcher: Batcher,
        *,
        paths: Container[str],
        keys: Keys,
        timeout_ms: int,
        max_body_bytes: int,
        window_tokens: int,
        turn_s: Callable[[], float],
        clock: Callable[[], float] = now,
        audits: Callable[[str, int], bool] = lambda path, caller: False,
    ) -> None:
        """audits: whether a path blocks nothing for a caller, so that it may not be refused."""
        self._batcher = batcher
        self._paths = paths
        self._keys = keys
        self._timeout_ms = timeout_ms
        self._max_body_bytes = max_body_bytes
        self._window_tokens = window_tokens
        self._turn_s = turn_s
        self._clock = clock
        self._audits = audits
        self._bytes = 0.0
        self._tokens = 0.0

    def refusal(self, scope: Scope) -> Overloaded | None:
        """None if the request should go on, even if it will be refused for another reason."""
        if (
            not self._batcher.is_busy
            or scope["path"] not in self._paths
            or scope["method"] != "POST"
        ):
            return None
        length = _length_of(scope)
        if length is not None and length > self._max_body_bytes:
            return None
        try:
            self._keys.recognize(scope)
            deadline = deadline_of(scope, timeout_ms=self._timeout_ms)
        except PosternError:
            return None
        if self._audits(scope["path"], current_caller()):
            return None
        # The bytes may have waited for a turn of the loop, and the reply may wait for another.
        reserve_s = max(RESERVE * (deadline - self._clock()), self._turn_s())
        tokens = self._tokens_of(length)
        try:
            self._batcher.check_room(
                Sums(tokens, tokens * min(tokens, self._window_tokens)),
                deadline=deadline - reserve_s,
                caller=current_caller(),
            )
        except Overloaded as refusal:
            return refusal
        return None

    def learn(self, n_bytes: int, tokens: int) -> None:
        """Learn that a body of that many bytes had that many tokens."""
        keep = 1.0 - 1.0 / _MEMORY
        self._bytes = keep * self._bytes + n_bytes
        self._tokens = keep * self._tokens + tokens

    def _tokens_of(self, length: int | None) -> int:
        """Estimated token count; 1 if the body length is unknown."""
        if length is None or not self._bytes:
            return 1
        return max(1, round(length * self._tokens / self._bytes))


def _length_of(scope: Scope) -> int | None:
    length = header(scope, b"content-length")
    if length is None or not (length.isascii() and length.isdigit()):
        return None
    return int(length)
