"""JSON over HTTP to model servers: bounded, retried, respects rate limits, follows no redirects."""

from __future__ import annotations

import asyncio
import email.utils
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from model_training.errors import RecipeInvalid, ServerUnavailable, ServerUnusable
from model_training.recipe.augmentation import GuardServer, Http, PosternTeacher, ServerConfig

_MAX_REPLY_BYTES: Final = 8 << 20
_CONNECT_S: Final = 10.0
_FIRST_BACKOFF_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 30.0
# The server processed this call and will not answer it, now or later.
_REFUSED: Final = frozenset({400, 413, 422})
_TRY_AGAIN: Final = frozenset({408, 409, 425, 429, *range(500, 600)})

HttpConfig = ServerConfig | GuardServer | PosternTeacher


@dataclass(frozen=True)
class Refused:
    """The server will not answer this call. status: of HTTP, such as 400 for text that is too
    long."""

    status: int


class Stopped(Exception):
    """Another call has failed for good: no more tries."""


class _NoReply(Exception):
    """A failed try; `wait_s`: requested by the server, None if it did not say."""

    def __init__(self, reason: str, *, wait_s: float | None = None, limited: bool = False) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.limited = limited


class JsonClient:
    """Posts JSON to one server. Use as an asynchronous context manager.

    `read` converts a decoded reply into what the caller wants and raises ValueError for nonsense,
    which is retried like a failure. Proxy variables are ignored and redirects not followed: text
    must go only to the server in the recipe.
    """

    def __init__(self, config: Http) -> None:
        self._config = config
        self._where = config.base_url.rstrip("/")
        _check_address(self._where)
        self._resume_at = 0.0
        self._stop = asyncio.Event()
        self._rng = random.Random()
        self._client = httpx.AsyncClient(
            headers=_authorization(config.api_key_file),
            timeout=httpx.Timeout(config.timeout_s, connect=_CONNECT_S),
            limits=httpx.Limits(max_connections=config.concurrency),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> JsonClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def stop(self) -> None:
        """End all waiting: calls between two tries raise Stopped."""
        self._stop.set()

    async def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[Any], Any]
    ) -> Any | Refused:
        """The result of `read`. Raises ServerUnavailable, ServerUnusable, Stopped."""
        tries = 0
        waited_s = 0.0
        while True:
            waited_s += await self._wait(max(0.0, self._resume_at - time.monotonic()))
            try:
                return await self._try(path, body, read)
            except _NoReply as exc:
                tries += not exc.limited
                wait_s = self._backoff_s(max(1, tries)) if exc.wait_s is None else exc.wait_s
                if tries >= self._config.attempts:
                    raise ServerUnavailable(f"{self._where}/{path}: {exc}, {tries} times") from exc
                if waited_s + wait_s > self._config.patience_s:
                    raise ServerUnavailable(
                        f"{self._where}/{path}: {exc}; waiting longer than "
                        f"{self._config.patience_s:g} s was asked for"
                    ) from exc
                if exc.wait_s is not None:  # it applies to all calls to this server
                    self._resume_at = max(self._resume_at, time.monotonic() + exc.wait_s)
                waited_s += await self._wait(wait_s)

    async def _try(self, path: str, body: Mapping[str, Any], read: Callable[[Any], Any]) -> Any:
        try:
            # httpx limits single reads, so a server that drips bytes would hold the call for ever.
            async with asyncio.timeout(self._config.timeout_s):
                status, headers, content = await self._send(path, body)
        except (httpx.HTTPError, TimeoutError) as exc:  # includes a body that cannot be decoded
            reason = "no answer in time" if isinstance(exc, TimeoutError) else type(exc).__name__
            raise _NoReply(reason) from exc
        if status in _REFUSED:
            return Refused(status)
        if status in _TRY_AGAIN:
            wait_s = retry_after_s(headers.get("retry-after"), now=time.time())
            # If the server asks for no wait, or for one that is past by our clock, we choose the
            # wait. Otherwise a server in trouble would be asked thousands of times.
            wait_s = wait_s or None
            limited = status in (429, 503) and wait_s is not None
            raise _NoReply(f"status {status}", wait_s=wait_s, limited=limited)
        if status != 200:
            raise ServerUnusable(f"{self._where}/{path}: {_explain(status)}")
        try:
            return read(json.loads(content))
        except (ValueError, RecursionError) as exc:
            raise _NoReply("a reply of an unexpected form") from exc

    async def _send(self, path: str, body: Mapping[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        async with self._client.stream("POST", f"{self._where}/{path}", json=body) as reply:
            content = bytearray()
            async for piece in reply.aiter_bytes():
                content += piece
                if len(content) > _MAX_REPLY_BYTES:
                    raise _NoReply("a reply without end")
            return reply.status_code, reply.headers, bytes(content)

    def _backoff_s(self, tries: int) -> float:
        """Exponential with full jitter, so that calls that failed together do not return
        together."""
        highest = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(tries - 1, 16))
        return highest * (0.5 + 0.5 * self._rng.random())

    async def _wait(self, seconds: float) -> float:
        if self._stop.is_set():
            raise Stopped
        if seconds <= 0:
            return 0.0
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return seconds
        raise Stopped


def retry_after_s(value: str | None, *, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3); None if it gives none.

    now: seconds since 1970.
    """
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip())
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now)


def _explain(status: int) -> str:
    kinds: dict[int, Literal["the key", "the path", "a redirect"]] = {
        401: "the key",
        403: "the key",
        404: "the path",
    }
    match kinds.get(status, "a redirect" if 300 <= status < 400 else None):
        case "the key":
            return f"status {status}: the key is missing or not accepted (api_key_file)"
        case "the path":
            return f"status {status}: no such path or model (base_url, model)"
        case "a redirect":
            return f"status {status}: a redirect, which is not followed"
        case _:
            return f"status {status}"


def _check_address(address: str) -> None:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as exc:
        raise RecipeInvalid(f"base_url: {exc}") from exc
    if not url.host or not 0 < (url.port or 80) < 1 << 16:
        raise RecipeInvalid("base_url: names no host, or a port beyond 65535")


def _authorization(key_file: Path | None) -> dict[str, str]:
    if key_file is None:
        return {}
    try:
        key = key_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise RecipeInvalid(f"{key_file}: the key cannot be read") from exc
    if not key or not key.isascii() or not key.isprintable():
        raise RecipeInvalid(f"{key_file}: contains no key")
    return {"Authorization": f"Bearer {key}"}
