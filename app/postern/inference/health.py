"""Liveness and readiness, judged by actual progress."""

from __future__ import annotations

import time
from collections.abc import Callable

from postern.contract.errors import NotReady, PosternError
from postern.contract.windows import Encoding
from postern.inference.batcher import Batcher

_FRESH_S = 1.0
_PROGRESS_S = 5.0
_CANARY_S = 2.0


class Health:
    """Checks the real queue and the real model. Times in seconds."""

    def __init__(
        self,
        batcher: Batcher,
        canary: Encoding,
        *,
        stall_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batcher = batcher
        self._canary = canary
        self._stall_s = stall_s
        self._clock = clock
        self.unready = False
        """A signal came: /readyz says 503, requests are still taken."""
        self.draining = False
        """The drain delay is over: new requests are refused, accepted ones finish."""

    def check_alive(self) -> None:
        """Raises NotReady if a batch has been running for longer than the stall limit."""
        if self._batcher.stalled_s() > self._stall_s:
            raise NotReady("inference makes no progress")

    async def check_ready(self) -> None:
        """Raises NotReady unless a forward pass goes, or has just gone, through the queue.

        Traffic counts as proof, so probes add no load, and an overloaded server that answers as
        fast as it can stays ready.
        """
        if self.unready:
            raise NotReady("the server is shutting down")
        if self._clock() - self._batcher.last_success < _FRESH_S:
            return
        try:
            await self._batcher.submit([self._canary], deadline=self._clock() + _CANARY_S)
        except PosternError as exc:
            if self._clock() - self._batcher.last_success > _PROGRESS_S:
                raise NotReady("no forward pass came through") from exc
