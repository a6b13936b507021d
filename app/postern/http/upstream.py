"""The HTTP client for the upstream: one fixed address, no redirects, proxies or cookies, all
limited."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import parse_qs, urlencode

import httpx2

from postern.contract.errors import (
    SettingsInvalid,
    UpstreamFailed,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from postern.http.passing_headers import OPENAI_HEADERS, HeaderRules
from postern.tracing.names import OPERATIONS, Attribute, Step
from postern.tracing.spans import NOTHING, W3C, Span, current

_CLOSE_S: Final = 5.0
_V1: Final = "/v1"
_HIGHEST_STATUS: Final = 599
# Path from a response to the parser of its connection's bytes. None of it is public: if it differs,
# connections are not used again.
_TO_PARSER: Final = ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state")


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """Seconds and bytes. idle_s: between pieces of a stream; total_s: from asking to the end."""

    connect_s: float
    idle_s: float
    total_s: float
    max_response_bytes: int
    max_connections: int


class Answering(Protocol):
    """The body of a reply."""

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes in."""
        ...

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body. Raises UpstreamInvalid if it is too large."""
        ...


class UpstreamReply:
    """A reply whose body has not been read yet. The caller that opened it must close it."""

    def __init__(
        self,
        response: httpx2.Response,
        *,
        deadline: float,
        clock: Callable[[], float],
        span: Span = NOTHING,
    ) -> None:
        """span: ends when the reply is closed."""
        self.status = response.status_code
        self.media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._deadline = deadline
        self._clock = clock
        self._span = span
        span.set(Attribute.STATUS, self.status)
        if self.status >= HTTPStatus.BAD_REQUEST:
            span.fail(str(self.status))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes in. Raises UpstreamTimeout, UpstreamUnreachable, UpstreamInvalid."""
        if self.is_encoded:
            raise UpstreamInvalid("the upstream sends a Content-Encoding that nobody asked for")
        async with aclosing(self.raw()) as pieces:
            async for piece in pieces:
                yield piece

    @property
    def is_encoded(self) -> bool:
        """Whether the body has a Content-Encoding, so that nobody here can read it."""
        return self.headers.get("content-encoding", "identity").strip().lower() != "identity"

    async def raw(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes in, encoded or not. Raises UpstreamTimeout, UpstreamUnreachable."""
        stream = self._response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101 - of an async client
        # Not `aiter_raw`, which hands the connection back by itself, before it was looked at.
        raw = aiter(stream)
        while True:
            try:
                async with asyncio.timeout(max(0.0, self._deadline - self._clock())):
                    chunk = await anext(raw)
            except StopAsyncIteration:
                return
            except (TimeoutError, httpx2.HTTPError) as exc:
                failure = _failure(exc)
                self._span.fail(type(failure).__name__)
                raise failure from exc
            yield chunk

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body. Raises UpstreamInvalid if it is too large."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit_bytes:
                raise UpstreamInvalid("the answer of the upstream is too large")
        return bytes(body)

    async def close(self) -> None:
        """Break off the connection, unless the body was read to its end."""
        self._span.end()
        with suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(_CLOSE_S):
                if _has_surplus(self._response):
                    await self._response.extensions["network_stream"].aclose()
                await self._response.aclose()


class Upstream:
    """Asks one server, whichever API is guarded."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        limits: UpstreamLimits,
        ca_file: Path | None,
        clock: Callable[[], float],
        step: Step = Step.UPSTREAM,
    ) -> None:
        """step: as which its calls are traced. Raises SettingsInvalid if the certificates cannot be
        read."""
        self._url, _, query = url.partition("?")
        self._query = f"?{query}" if query else ""
        self._api_key = api_key
        self._limits = limits
        self._verify = _certificates(url, ca_file)
        self._clock = clock
        self._step = step
        self._client: httpx2.AsyncClient | None = None

    def start(self) -> None:
        """Open the pool of connections."""
        limits = self._limits
        # Cookies set by one user's answer must not travel with another's question.
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
        rules: HeaderRules = OPENAI_HEADERS,
        stream: bool,
        query: Mapping[str, str] | None = None,
        beside_v1: bool = False,
        api: str = "",
    ) -> UpstreamReply:
        """Send a request, and return when status and headers have arrived.

        headers: from the caller, without credentials if there is a key for the upstream. rules:
        where that key is put. query: from the caller; what the upstream's own URL says wins.
        beside_v1: leave out the /v1 at the end of that URL. api: by which a model is asked;
        "" if none is. Raises UpstreamTimeout, UpstreamUnreachable, UpstreamInvalid.
        """
        if self._client is None:
            raise UpstreamUnreachable
        limits = self._limits
        deadline = self._clock() + limits.total_s
        sent = {name.lower(): value for name, value in headers.items()}
        sent["accept-encoding"] = "identity"
        if self._api_key is not None:
            sent[rules.key_name] = rules.key(self._api_key)
        if body is not None:
            sent["content-type"] = "application/json"
        span = current().child(self._step, kind="client")
        span.set(Attribute.METHOD, method)
        if api:
            span.set(Attribute.OPERATION, OPERATIONS[api])
            span.set(Attribute.PROVIDER, rules.provider)
        if stream:
            span.set(Attribute.STREAM, True)
        if context := span.headers():
            # In place of the caller's, of whose span ours is a child.
            sent = {**{name: sent[name] for name in sent if name not in W3C}, **context}
        # A whole answer may be silent for minutes. A stream that is silent is stuck.
        silence_s = limits.idle_s if stream else limits.total_s
        timeout = httpx2.Timeout(silence_s, connect=limits.connect_s)
        base = self._url.removesuffix(_V1) if beside_v1 else self._url
        url = base + path + self._query_with(query or {})
        request = self._client.build_request(
            method, url, content=body, headers=sent, timeout=timeout
        )
        try:
            async with asyncio.timeout(limits.total_s):
                response = await self._client.send(request, stream=True)
        except (TimeoutError, httpx2.HTTPError) as exc:
            failure = _failure(exc)
            _broken(span, failure)
            raise failure from exc
        except BaseException as exc:  # cancelled
            _broken(span, exc)
            raise
        reply = UpstreamReply(response, deadline=deadline, clock=self._clock, span=span)
        is_error = HTTPStatus.BAD_REQUEST <= reply.status <= _HIGHEST_STATUS
        if not (reply.status == HTTPStatus.OK or is_error):
            await reply.close()
            raise UpstreamInvalid("the upstream answers with neither a completion nor an error")
        return reply

    def _query_with(self, given: Mapping[str, str]) -> str:
        own = parse_qs(self._query.removeprefix("?"), keep_blank_values=True)
        more = urlencode({name: value for name, value in given.items() if name not in own})
        return self._query + (f"{'&' if self._query else '?'}{more}" if more else "")


def _certificates(url: str, ca_file: Path | None) -> ssl.SSLContext | bool:
    if not url.startswith("https:"):
        # without encryption no certificates are needed, and loading them takes a while
        return False
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


def _broken(span: Span, exc: BaseException) -> None:
    span.fail(type(exc).__name__)
    span.end()


def _has_surplus(response: httpx2.Response) -> bool:
    """Whether bytes came after the reply, or this cannot be determined."""
    parser: object = response.stream
    for name in _TO_PARSER:
        parser = getattr(parser, name, None)
    left_over = getattr(parser, "trailing_data", None)
    return left_over is None or bool(left_over[0])
