"""Which headers pass between a client and the upstream, in both directions; no others do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from postern.contract.errors import InvalidHeader, UpstreamInvalid
from postern.tracing.names import ANTHROPIC, AZURE_OPENAI, OPENAI

_UPSTREAM_REQUEST_ID: Final = "X-Upstream-Request-Id"


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """Which of a client's headers the upstream of one API gets.

    listed: about the caller. Never a key of ours, never a cookie. credentials: where a client puts
    its key for the upstream, and the name under which that is sent; the first one counts. A client
    whose key for this server takes the plain name uses the other. beside: credentials that are sent
    as well. key_name: for the server's own key. provider: whose API it is, for traces.
    """

    listed: tuple[str, ...]
    credentials: tuple[tuple[str, str], ...]
    beside: tuple[str, ...] = ()
    key_name: Literal["authorization", "x-api-key", "api-key"] = "authorization"
    provider: str = OPENAI

    def key(self, api_key: str) -> str:
        """The value that carries the server's own key."""
        return f"Bearer {api_key}" if self.key_name == "authorization" else api_key


_AUTHORIZATION: Final = ("x-upstream-authorization", "authorization")
_EVERYWHERE: Final = ("idempotency-key", "http-referer", "x-title", "traceparent", "tracestate")
OPENAI_HEADERS: Final = HeaderRules(
    listed=("openai-organization", "openai-project", "openai-beta", *_EVERYWHERE),
    credentials=(_AUTHORIZATION,),
    beside=("api-key",),  # Azure's name for a key
)
AZURE_HEADERS: Final = HeaderRules(
    listed=OPENAI_HEADERS.listed,
    credentials=(("x-upstream-api-key", "api-key"), _AUTHORIZATION),
    key_name="api-key",
    provider=AZURE_OPENAI,
)
ANTHROPIC_HEADERS: Final = HeaderRules(
    listed=("anthropic-version", "anthropic-beta", *_EVERYWHERE),
    credentials=(("x-upstream-api-key", "x-api-key"), _AUTHORIZATION),
    key_name="x-api-key",
    provider=ANTHROPIC,
)
_TOLD: Final = ("retry-after", "openai-", "anthropic-", "x-ratelimit-")
_REQUEST_IDS: Final = frozenset({"x-request-id", "request-id"})
_ABOUT_BODY: Final = ("content-type", "content-encoding")
_LONGEST: Final = 8192


def sent_headers(
    given: Iterable[tuple[bytes, bytes]],
    rules: HeaderRules,
    *,
    own_keys: bool,
    upstream_key: bool,
) -> dict[str, str]:
    """The client's headers to send on, in lower case, each once.

    own_keys: whether the plain credentials hold a key for this server; the client's key for the
    upstream then has a name of its own. upstream_key: whether the server has its own key, which
    wins. Raises InvalidHeader.
    """
    found = {str(name, "latin-1").lower(): str(value, "latin-1") for name, value in given}
    sent = {name: _checked(name, found[name]) for name in rules.listed if name in found}
    if upstream_key:
        return sent
    sent |= {name: _checked(name, found[name]) for name in rules.beside if name in found}
    places = list(rules.credentials)
    if not own_keys:
        # This server needs no key, so the key is for the upstream.
        places += [(name, name) for _, name in rules.credentials]
    for place, name in places:
        if place in found:
            return sent | {name: _checked(place, found[place])}
    return sent


def _checked(name: str, value: str) -> str:
    if not _is_plain(value):
        raise InvalidHeader(name, f"printable ASCII of at most {_LONGEST} characters")
    return value


def passed_headers(told: Mapping[str, str]) -> dict[str, str]:
    """The upstream's headers about limits and itself, without cookies.

    Its request id passes next to ours, under another name. Raises UpstreamInvalid.
    """
    passed: dict[str, str] = {}
    for name, value in told.items():
        lower = name.lower()
        if lower in _REQUEST_IDS:
            passed[_UPSTREAM_REQUEST_ID] = value
        elif lower.startswith(_TOLD):
            passed[name] = value
    if not all(map(_is_plain, passed.values())):
        raise UpstreamInvalid("a header of the upstream holds more than printable ASCII")
    return passed


def unchanged_headers(told: Mapping[str, str]) -> dict[str, str]:
    """`passed_headers`, and those without which the bytes of an unchanged body mean nothing.

    Headers that cannot pass are left out instead of failing.
    """
    plain = {name: value for name, value in told.items() if _is_plain(value)}
    body = {name: value for name, value in plain.items() if name.lower() in _ABOUT_BODY}
    return passed_headers(plain) | body


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= _LONGEST
