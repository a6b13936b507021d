"""Which headers pass between a client and the upstream, in both directions; no others do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from postern.contract.errors import InvalidHeader, UpstreamInvalid

UPSTREAM_AUTHORIZATION: Final = "x-upstream-authorization"
_UPSTREAM_REQUEST_ID: Final = "X-Upstream-Request-Id"

# What an upstream may want to know of its caller. Never a key of ours, never a cookie.
SENT_ON: Final[tuple[str, ...]] = (
    *("openai-organization", "openai-project", "openai-beta", "idempotency-key"),
    *("http-referer", "x-title", "traceparent", "tracestate"),
)
_TOLD: Final = ("retry-after", "openai-", "x-ratelimit-")
_LONGEST: Final = 8192


def sent_headers(
    given: Iterable[tuple[bytes, bytes]], *, own_keys: bool, upstream_key: bool
) -> dict[str, str]:
    """What is sent on of a client's headers, in lower case, each once.

    own_keys: whether `Authorization` holds a key for this server; the client's key for the upstream
    then stands in `X-Upstream-Authorization`. upstream_key: whether the server has one of its own,
    which wins. Raises InvalidHeader.
    """
    found = {str(name, "latin-1").lower(): str(value, "latin-1") for name, value in given}
    sent = {name: _checked(name, found[name]) for name in SENT_ON if name in found}
    if upstream_key:
        return sent
    if UPSTREAM_AUTHORIZATION in found:
        value = _checked("X-Upstream-Authorization", found[UPSTREAM_AUTHORIZATION])
        sent["authorization"] = value
    elif not own_keys and "authorization" in found:
        # Nobody's key for this server, so it is meant for the upstream.
        sent["authorization"] = _checked("Authorization", found["authorization"])
    if "api-key" in found:  # Azure's name for a key
        sent["api-key"] = _checked("api-key", found["api-key"])
    return sent


def _checked(name: str, value: str) -> str:
    if not _is_plain(value):
        raise InvalidHeader(name, f"printable ASCII of at most {_LONGEST} characters")
    return value


def passed_headers(told: Mapping[str, str]) -> dict[str, str]:
    """What an upstream tells its clients about limits and itself; no cookies, nothing of ours.

    Its id of the request stands beside ours, under another name. Raises UpstreamInvalid.
    """
    passed: dict[str, str] = {}
    for name, value in told.items():
        lower = name.lower()
        if lower == "x-request-id":
            passed[_UPSTREAM_REQUEST_ID] = value
        elif lower.startswith(_TOLD):
            passed[name] = value
    if not all(map(_is_plain, passed.values())):
        raise UpstreamInvalid("a header of the upstream holds more than printable ASCII")
    return passed


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= _LONGEST
