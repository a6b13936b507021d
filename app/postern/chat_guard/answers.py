"""Whole replies of the upstream: a completion, an error, or neither."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from postern.chat_guard.bounds import ANSWER, MAX_CHOICES, JsonBounds, check_json, strict_json
from postern.chat_guard.readable import (
    SAID,
    fragments,
    has_media,
    in_order,
    is_harmless_label,
    opened,
    texts,
)
from postern.chat_guard.replies import FIELD
from postern.chat_guard.shape import Answer
from postern.contract.errors import ExchangeTooLong, UpstreamInvalid

# Larger bodies are parsed in a thread of their own, so that the event loop is not blocked.
_INLINE_BYTES: Final = 16 << 10


async def read_answer(body: bytes, read: Callable[[bytes], Answer]) -> Answer:
    """Read a whole answer in its API's shape. Raises UpstreamInvalid."""
    if len(body) <= _INLINE_BYTES:
        return read(body)
    return await asyncio.to_thread(read, body)


def parsed(body: bytes, bounds: JsonBounds = ANSWER) -> dict[str, Any]:
    """Parse a JSON object. Raises UpstreamInvalid."""
    try:
        value = strict_json(body)
        check_json(value, bounds)
    except ValueError:
        raise UpstreamInvalid("the upstream answers with something that is not JSON") from None
    except ExchangeTooLong:
        raise UpstreamInvalid("the answer of the upstream is too large") from None
    if not isinstance(value, dict):
        raise UpstreamInvalid("the upstream answers with something other than an object")
    return value


def read_completion(body: bytes, said: str = "message", kind: type[object] = dict) -> Answer:
    """said, kind: the field of a choice with what the model says. Raises UpstreamInvalid."""
    content = parsed(body)
    content.pop(FIELD, None)  # a verdict in it is not ours
    choices = content.get("choices")
    whole = isinstance(choices, list) and all(
        isinstance(one, dict) and isinstance(one.get(said), kind) for one in choices
    )
    if not choices or not whole or len(choices) > MAX_CHOICES:
        raise UpstreamInvalid("the upstream answers with something other than a completion")
    fields = {name: value for name, value in content.items() if name != "choices"}
    return Answer(
        content,
        said=list(map(_said, choices)),
        beside="\n".join(map(opened, in_order(texts(fields, labels=True)))),
        media=any(has_media([one.get(name) for name in SAID]) for one in choices),
    )


def _said(choice: dict[str, Any]) -> str:
    found = [
        (one.path[1:] if one.path[:1] == ("message",) else one.path, one.text)
        for one in fragments(choice)
        if not is_harmless_label(one)
    ]
    return "\n".join(map(opened, in_order(found)))
