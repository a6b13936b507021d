"""Errors from the upstream: they pass with their status, and with their words if harmless."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from postern.chat_guard.answers import parsed
from postern.chat_guard.judge import Judge
from postern.chat_guard.replies import JSON, Whole
from postern.chat_guard.shape import Request, Shape
from postern.chat_guard.sse import to_json
from postern.chat_guard.told import status_of, words_of
from postern.contract.errors import PosternError, UpstreamInvalid, UpstreamTold
from postern.contract.exchange import Exchange
from postern.http.passing_headers import passed_headers
from postern.http.upstream import UpstreamReply

_MAX_ERROR_BYTES: Final = 64 << 10
_MARKS: Final = {"X-Postern-Verdict": "none", "X-Postern-Origin": "upstream"}


class TellsErrors:
    """The words of an error are foreign text, and may repeat what a user wrote."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    async def of_reply(
        self, shape: Shape[Request], reply: UpstreamReply, *, timeout_s: float
    ) -> Whole:
        """Raises UpstreamFailed if the headers cannot pass."""
        headers = passed_headers(reply.headers)
        try:
            told: Any = parsed(await reply.read(_MAX_ERROR_BYTES))
        except UpstreamInvalid:
            told = None
        return await self._told(shape, reply.status, told, headers, timeout_s)

    async def of_event(
        self,
        shape: Shape[Request],
        told: UpstreamTold,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> Whole:
        content = shape.told(told.error)
        return await self._told(shape, status_of(told.error), content, headers, timeout_s)

    async def _told(
        self,
        shape: Shape[Request],
        status: int,
        told: Any,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Whole:
        if told is None or not await self._passes(words_of(told), timeout_s):
            told = shape.told_nothing(status)
        return Whole(status, to_json(told), {**headers, **_MARKS}, JSON)

    async def _passes(self, words: str | None, timeout_s: float) -> bool:
        if words is None:
            return True
        try:
            judgement = await self._judge.judge(
                "response", [None], [Exchange(words)], timeout_s=timeout_s, remember=True
            )
        except PosternError:
            # without a verdict nothing passes; the client still learns that there was an error
            return False
        return not judgement.blocks
