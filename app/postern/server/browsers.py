"""The headers for browsers on every page that is served from here."""

from __future__ import annotations

from collections.abc import Mapping


def policy_headers(*directives: str) -> Mapping[str, str]:
    """Allow to load or frame only what the directives allow."""
    policy = (
        "default-src 'none'",
        *directives,
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        # A new release must be seen at once; the files are small.
        "Cache-Control": "no-cache",
    }
