"""The upstream over HTTP: one fixed address, no redirects, no proxies, no cookies, bounded."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final

import httpx2

from postern.contract.errors import (
    SettingsInvalid,
    UpstreamFailed,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)

_CLOSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """Seconds and bytes. idle_s: between pieces of a stream; total_s: from asking to the end."""

    connect_s: float
    idle_s: float
    total_s: float
    max_response_bytes: int
    max_connections: int


class UpstreamReply:
    """A reply whose body has yet to be read. To be closed by whoever opened it."""

    def __init__(
        self, response: httpx2.Response, *, deadline: float, clock: Callable[[], float]
    ) -> None:
        self.status = response.status_code
        self.media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._deadline = deadline
        self._clock = clock

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes in. Raises UpstreamTimeout, UpstreamUnreachable, UpstreamInvalid."""
        if self.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise UpstreamInvalid("the upstream sends a Content-Encoding that nobody asked for")
        raw = aiter(self._response.aiter_raw())
        while True:
            try:
                async with asyncio.timeout(max(0.0, self._deadline - self._clock())):
                    chunk = await anext(raw)
            except StopAsyncIteration:
                return
            except (TimeoutError, httpx2.HTTPError) as exc:
                raise _failure(exc) from exc
            yield chunk

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body. Raises UpstreamInvalid when it is larger."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit_bytes:
                raise UpstreamInvalid("the answer of the upstream is too large")
        return bytes(body)

    async def close(self) -> None:
        """Breaks the connection off unless the body was read to its end."""
        with suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(_CLOSE_S):
                await self._response.aclose()


class Upstream:
    """Asks an OpenAI-compatible API."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        limits: UpstreamLimits,
        ca_file: Path | None,
        clock: Callable[[], float],
    ) -> None:
        """Raises SettingsInvalid when the certificates cannot be read."""
        self._url = url
        self._api_key = api_key
        self._limits = limits
        self._verify = _certificates(url, ca_file)
        self._clock = clock
        self._client: httpx2.AsyncClient | None = None

    def start(self) -> None:
        """Opens the pool of connections."""
        limits = self._limits
        # What one user's answer sets must not travel with another's question.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx2.AsyncClient(
            verify=self._verify,
            trust_env=False,
            follow_redirects=False,
            cookies=no_cookies,
            limits=httpx2.Limits(
                max_connections=limits.max_connections, max_keepalive_connections=32
            ),
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        stream: bool,
    ) -> UpstreamReply:
        """Sends a request; returns when status and headers are there.

        headers: of the caller; the upstream's key replaces their Authorization. Raises
        UpstreamTimeout, UpstreamUnreachable, UpstreamInvalid.
        """
        if self._client is None:
            raise UpstreamUnreachable
        limits = self._limits
        deadline = self._clock() + limits.total_s
        sent = {**headers, "Accept-Encoding": "identity"}
        if self._api_key is not None:
            sent["Authorization"] = f"Bearer {self._api_key}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        # A whole answer may be minutes of silence; a stream that is silent is stuck.
        silence_s = limits.idle_s if stream else limits.total_s
        timeout = httpx2.Timeout(silence_s, connect=limits.connect_s)
        request = self._client.build_request(
            method, self._url + path, content=body, headers=sent, timeout=timeout
        )
        try:
            async with asyncio.timeout(limits.total_s):
                response = await self._client.send(request, stream=True)
        except (TimeoutError, httpx2.HTTPError) as exc:
            raise _failure(exc) from exc
        reply = UpstreamReply(response, deadline=deadline, clock=self._clock)
        if not (reply.status == HTTPStatus.OK or reply.status >= HTTPStatus.BAD_REQUEST):
            await reply.close()
            raise UpstreamInvalid("the upstream answers with neither a completion nor an error")
        return reply


def _certificates(url: str, ca_file: Path | None) -> ssl.SSLContext | bool:
    if not url.startswith("https:"):
        return False  # nothing is encrypted, and loading them takes a while
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as exc:
        raise SettingsInvalid("upstream_ca_file cannot be read") from exc


def _failure(exc: Exception) -> UpstreamFailed:
    if isinstance(exc, TimeoutError | httpx2.TimeoutException):
        return UpstreamTimeout()
    return UpstreamUnreachable()
