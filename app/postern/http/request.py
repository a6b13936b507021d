"""What every endpoint reads from a request: identity, deadline, body. Limited in bytes and time."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from postern.contract.callers import set_caller
from postern.contract.errors import (
    BodyTooLarge,
    BodyTooSlow,
    InvalidHeader,
    Unauthorized,
    UnsupportedMediaType,
)
from postern.http.throttle import Throttle

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# A client that is still sending cannot read a reply, so what it sends is discarded first. These
# limit how much and how long.
_DISCARD_BYTES = 256 << 20
_DISCARD_S = 5.0

JSON_TYPE: Final = "application/json"

Answer = TypeVar("Answer")


class ClientLeft(Exception):
    """The client closed its connection; nobody reads the reply."""


def header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def request_id_of(scope: Scope) -> str:
    """The caller's X-Request-Id if it is safe to log, else a new one."""
    given = header(scope, b"x-request-id")
    return given if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


@dataclass(frozen=True)
class Keys:
    """Accepted API keys, hashed, so that comparing takes the same time whatever their length."""

    digests: tuple[bytes, ...]
    throttle: Throttle = field(default_factory=Throttle, compare=False)

    @classmethod
    def of(cls, keys: Sequence[str]) -> Keys:
        return cls(tuple(hashlib.sha256(key.encode()).digest() for key in keys))

    def check(self, scope: Scope) -> None:
        """Passes if no key is set or the request carries one of them.

        Raises Unauthorized, or TooManyWrongKeys if there were wrong ones from the same address.
        """
        if self.digests:
            self.check_key(_key_of(scope), scope)

    def check_key(self, given: str | None, scope: Scope) -> None:
        """Like `check`, for a key from headers other than ours."""
        if not self.digests:
            return
        address = _address_of(scope)
        digest = _digest(given)
        self.throttle.check(address, digest)
        number = self._number(given, digest)
        if number is None:
            if given:
                self.throttle.wrong(address)
            raise Unauthorized
        self.throttle.right(address, digest)
        set_caller(number)

    def recognize(self, scope: Scope) -> None:
        """`check` for looking ahead: nothing is counted. Raises Unauthorized, TooManyWrongKeys.

        It compares no key that `check` would not: its answer would tell a guesser the right one.
        """
        if self.digests:
            given = _key_of(scope)
            digest = _digest(given)
            self.throttle.check(_address_of(scope), digest)
            number = self._number(given, digest)
            if number is None:
                raise Unauthorized
            set_caller(number)

    def _number(self, given: str | None, digest: bytes) -> int | None:
        matches = [hmac.compare_digest(digest, accepted) for accepted in self.digests]
        return 1 + matches.index(True) if given is not None and any(matches) else None


def _key_of(scope: Scope) -> str | None:
    given = header(scope, b"x-api-key")
    authorization = header(scope, b"authorization") or ""
    if given is None and authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return given


def _address_of(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _digest(given: str | None) -> bytes:
    return hashlib.sha256((given or "").encode("utf-8", "surrogatepass")).digest()


def deadline_of(scope: Scope, *, timeout_ms: int) -> float:
    """Absolute deadline in seconds on the monotonic clock. The caller can only shorten it.

    Raises InvalidHeader.
    """
    given = header(scope, b"x-request-timeout-ms")
    if given is not None:
        if not (given.isascii() and given.isdigit() and len(given) <= 9 and int(given) > 0):
            raise InvalidHeader("X-Request-Timeout-Ms", "a whole number of milliseconds above 0")
        timeout_ms = min(timeout_ms, int(given))
    arrived: float = scope["state"]["arrived"]
    return arrived + timeout_ms / 1000.0


def has_body(scope: Scope) -> bool:
    length = header(scope, b"content-length")
    return length not in (None, "0") or header(scope, b"transfer-encoding") is not None


async def read_json_body(request: Request, *, limit_bytes: int, timeout_s: float) -> bytes:
    """Read a body of JSON. Raises what `read_body` raises."""
    return await read_body(request, (JSON_TYPE,), limit_bytes=limit_bytes, timeout_s=timeout_s)


def media_type_of(scope: Scope) -> str:
    """The Content-Type without its parameters; "" if there is none."""
    return (header(scope, b"content-type") or "").partition(";")[0].strip().lower()


async def read_body(
    request: Request, media_types: Collection[str], *, limit_bytes: int, timeout_s: float
) -> bytes:
    """Read the whole body, with never more than `limit_bytes` of it in memory.

    Raises UnsupportedMediaType, BodyTooLarge, BodyTooSlow, ClientLeft.
    """
    encoding = header(request.scope, b"content-encoding")
    length = header(request.scope, b"content-length")
    try:
        if encoding is not None and encoding.strip().lower() != "identity":
            # No decompression, so no bombs.
            await _discard(request)
            raise UnsupportedMediaType(
                "a Content-Encoding is not accepted; send plain JSON", is_encoded=True
            )
        if media_type_of(request.scope) not in media_types:
            await _discard(request)
            known = " or ".join(media_types)
            raise UnsupportedMediaType(f"the Content-Type must be {known}")
        if length is not None and int(length) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        async with asyncio.timeout(timeout_s):
            return await _read(request, limit_bytes)
    except BodyTooLarge:
        await _discard(request)  # outside the time limit for a body: it is certainly too large
        raise
    except TimeoutError:
        raise BodyTooSlow from None
    except ClientDisconnect:
        raise ClientLeft from None


async def _read(request: Request, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        chunks.append(chunk)
    # Some Windows clients begin with a byte order mark, which a parser may skip (RFC 8259, 8.1).
    return b"".join(chunks).removeprefix(codecs.BOM_UTF8)


async def _discard(request: Request) -> None:
    if header(request.scope, b"expect") is not None:
        return  # the client waits for status 100 before it sends
    size = 0
    try:
        async with asyncio.timeout(_DISCARD_S):
            while size < _DISCARD_BYTES:
                message = await request.receive()
                size += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


async def unless_client_leaves(receive: Receive, work: Awaitable[Answer]) -> Answer:
    """The result of `work`. Cancels it and raises ClientLeft if the client leaves first.

    receive: of a request whose body has been read. `work` has ended when this returns. It runs in
    the current task, as within `asyncio.timeout`.
    """
    here = cast("asyncio.Task[Any]", asyncio.current_task())
    cancelled_before = here.cancelling()
    left = False

    def stop(leaving: asyncio.Future[None]) -> None:
        nonlocal left
        if not leaving.cancelled():
            leaving.exception()  # read, so that nobody logs it as lost
            left = True
            here.cancel()

    leaving = asyncio.ensure_future(_disconnected(receive))
    leaving.add_done_callback(stop)
    try:
        answer = await work
    except (asyncio.CancelledError, Exception) as exc:
        others = left and here.uncancel() > cancelled_before
        if left and not (others and isinstance(exc, asyncio.CancelledError)):
            raise ClientLeft from None
        raise
    finally:
        leaving.remove_done_callback(stop)
        leaving.cancel()
    if left:  # the work has ignored it
        here.uncancel()
        raise ClientLeft
    return answer


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
