"""Whole replies of the upstream: what is a completion, what is an error, what is neither."""

from __future__ import annotations

import json
from typing import Any, Final

from postern.chat_guard.replies import (
    FIELD,
    JSON,
    Whole,
)
from postern.chat_guard.sse import to_json
from postern.contract.errors import UpstreamInvalid
from postern.http.upstream import UpstreamReply

_MAX_ERROR_BYTES: Final = 64 << 10
_PASSED_HEADERS: Final = ("retry-after", "openai-", "x-ratelimit-")


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises UpstreamInvalid."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise UpstreamInvalid("the upstream answers with something that is not JSON") from None
    if not isinstance(value, dict):
        raise UpstreamInvalid("the upstream answers with something other than an object")
    return value


def completion(body: bytes) -> dict[str, Any]:
    """A whole chat completion. A verdict in it is not ours, so it goes. Raises UpstreamInvalid."""
    answer = parsed(body)
    answer.pop(FIELD, None)
    choices = answer.get("choices")
    whole = isinstance(choices, list) and all(
        isinstance(one, dict) and isinstance(one.get("message"), dict) for one in choices
    )
    if not whole or not choices:
        raise UpstreamInvalid("the upstream answers with something other than a completion")
    return answer


async def refusal_of_upstream(reply: UpstreamReply) -> Whole:
    """An error of the upstream, as it told it, where it told it in JSON."""
    headers = {
        **passed_headers(reply),
        "X-Postern-Verdict": "none",
        "X-Postern-Origin": "upstream",
    }
    try:
        told = parsed(await reply.read(_MAX_ERROR_BYTES))
    except UpstreamInvalid:
        told = {
            "error": {
                "message": f"the upstream answered with status {reply.status}",
                "type": "upstream_error",
                "param": None,
                "code": "upstream_error",
            }
        }
    return Whole(reply.status, to_json(told), headers, JSON)


def passed_headers(reply: UpstreamReply) -> dict[str, str]:
    """What an upstream tells its clients about limits and itself; no cookies, nothing of ours."""
    return {
        name: value
        for name, value in reply.headers.items()
        if name.lower().startswith(_PASSED_HEADERS)
    }
