"""Overload is refused by the headers alone, before a body is read, parsed or tokenized.

What is refused here would be refused by `Batcher.submit` anyway, at many times the cost, and that
cost would be taken from the requests that can still be answered in time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.types import Scope

from postern.contract.callers import current_caller
from postern.contract.errors import (
    Overloaded,
    PosternError,
)
from postern.http.request import (
    Keys,
    deadline_of,
    header,
    now,
)
from postern.inference.batch_queue import Sums
from postern.inference.batcher import Batcher

PATHS: Final = frozenset(
    {
        *("/classify", "/v1/moderations", "/predict", "/beta/litellm_basic_guardrail_api"),
        "/v1alpha1/comments:analyze",
    }
)
"""Endpoints whose whole work is a verdict within the request's own deadline."""
# Of the time that is left, kept for the reply and for what the estimate misses: whoever is let in
# here is then hardly ever refused after all.
_RESERVE: Final = 0.05
# Of a request that lies this many requests back, the weight is 1/e.
_MEMORY: Final = 200.0


class FirstLook:
    """Guesses tokens from bytes, at the rate of the requests that were answered lately.

    keys: whose requests are looked at; others go on to their 401. timeout_ms: the longest deadline.
    turn_s: how long the event loop takes for a turn.
    """

    def __init__(
        self,
        batcher: Batcher,
        *,
        keys: Keys,
        timeout_ms: int,
        window_tokens: int,
        turn_s: Callable[[], float],
        clock: Callable[[], float] = now,
    ) -> None:
        self._batcher = batcher
        self._keys = keys
        self._timeout_ms = timeout_ms
        self._window_tokens = window_tokens
        self._turn_s = turn_s
        self._clock = clock
        self._bytes = 0.0
        self._tokens = 0.0

    def refusal(self, scope: Scope) -> Overloaded | None:
        """None where the request should go on, be it only to be refused for another reason."""
        if not self._batcher.is_busy or scope["path"] not in PATHS or scope["method"] != "POST":
            return None
        try:
            self._keys.recognize(scope)
            deadline = deadline_of(scope, timeout_ms=self._timeout_ms)
        except PosternError:
            return None
        # The bytes may have waited for a turn of the loop, and the reply may wait for another.
        reserve_s = max(_RESERVE * (deadline - self._clock()), self._turn_s())
        tokens = self._tokens_of(scope)
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
        """A body of so many bytes had so many tokens."""
        keep = 1.0 - 1.0 / _MEMORY
        self._bytes = keep * self._bytes + n_bytes
        self._tokens = keep * self._tokens + tokens

    def _tokens_of(self, scope: Scope) -> int:
        """Of a body of unknown length as of an empty one: one, as if it cost next to nothing."""
        length = header(scope, b"content-length")
        if not (self._bytes and length is not None and length.isascii() and length.isdigit()):
            return 1
        return max(1, round(int(length) * self._tokens / self._bytes))
