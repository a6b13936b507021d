"""Which web pages may call this server from a browser: none, unless the operator lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Scope

from postern.http.request import header

_METHODS: Final = "GET, HEAD, POST, OPTIONS"
_SENT: Final = ", ".join(
    (
        *("Authorization", "Content-Type", "X-API-Key", "X-Request-Id", "X-Request-Timeout-Ms"),
        *("X-Postern-Operating-Point", "X-Postern-Images", "X-Postern-Timings"),
        *("OpenAI-Organization", "OpenAI-Project", "OpenAI-Beta", "Idempotency-Key"),
    )
)
_SHOWN: Final = "X-Request-Id, Retry-After, Server-Timing, X-Postern-Harmful, X-Postern-Verdict"
_PREFLIGHT_S: Final = "600"


class Cors:
    """origins: as browsers send them, `https://app.example.org`; `*` for all.

    Never with cookies: the server has none.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a browser's preflight request; None for all other requests."""
        if scope["method"] != "OPTIONS" or not self._origins:
            return None
        if header(scope, b"access-control-request-method") is None:
            return None
        allowed = self._allowed(scope)
        if allowed is None:
            return None
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": _METHODS,
                "Access-Control-Allow-Headers": _SENT,
                "Access-Control-Max-Age": _PREFLIGHT_S,
            },
        )

    def add_to(self, headers: MutableHeaders, scope: Scope) -> None:
        """Add the headers that let the browser show an answer to the page."""
        if not self._origins:
            return
        headers.add_vary_header("Origin")
        allowed = self._allowed(scope)
        if allowed is not None:
            headers["Access-Control-Allow-Origin"] = allowed
            headers["Access-Control-Expose-Headers"] = _SHOWN
            # The page's own files say `same-origin`; an answer to an allowed page must not.
            if "Cross-Origin-Resource-Policy" in headers:
                headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    def _allowed(self, scope: Scope) -> str | None:
        origin = header(scope, b"origin")
        if origin is None:
            return None
        return origin if origin in self._origins or "*" in self._origins else None
