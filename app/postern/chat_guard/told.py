"""What an upstream says instead of an answer: its status, and its words if these may pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from postern.chat_guard.readable import text_of
from postern.contract.text import is_visible

_LOWEST, _HIGHEST = 400, 599
_STATUS_NAMES: Final = ("code", "status", "status_code", "http_status")
# Used if no number is given; after OpenAI's and Anthropic's kinds of errors.
_STATUSES: Final = {
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 503,
    "server_error": 500,
    "api_error": 500,
}
_UNKNOWN_STATUS: Final = 502


def told_error(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The error in an event: OpenAI's and OpenRouter's object, or vLLM's older flat one."""
    error = content.get("error")
    if isinstance(error, Mapping):
        return dict(error)
    if error:
        return {"message": error if isinstance(error, str) else "", "type": "upstream_error"}
    if content.get("object") == "error":
        return {name: value for name, value in content.items() if name != "object"}
    return None


def status_of(error: Mapping[str, Any]) -> int:
    for name in _STATUS_NAMES:
        value = error.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and _LOWEST <= value <= _HIGHEST:
            return int(value)
    for name in ("type", "code"):
        value = error.get(name)
        if isinstance(value, str) and value in _STATUSES:
            return _STATUSES[value]
    return _UNKNOWN_STATUS


def words_of(told: Any) -> str | None:
    """What an error says to a reader; None if it says nothing."""
    text = text_of(told, labels=True)
    return text if is_visible(text) else None
