"""Messages and their streams as Anthropic's API writes them, for an upstream that is played."""

from __future__ import annotations

import json
from typing import Any

from tests.scripted_upstream import Step, streamed

USAGE = {"input_tokens": 7, "output_tokens": 3, "service_tier": "standard"}
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def message(*blocks: dict[str, Any] | str, **fields: Any) -> dict[str, Any]:
    """A whole message. Strings are blocks of text."""
    content = [{"type": "text", "text": one} if isinstance(one, str) else one for one in blocks]
    return {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": "stub-1",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    } | fields


def sse(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind} | fields)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def begin(**fields: Any) -> bytes:
    told = message(**{"stop_reason": None} | fields)
    return sse("message_start", message=told)


def block(index: int, block: dict[str, Any]) -> bytes:
    return sse("content_block_start", index=index, content_block=block)


def delta(index: int, /, **fields: Any) -> bytes:
    return sse("content_block_delta", index=index, delta=fields)


def close(index: int) -> bytes:
    return sse("content_block_stop", index=index)


def finish(reason: str = "end_turn", **fields: Any) -> list[bytes]:
    ended = {"stop_reason": reason, "stop_sequence": None}
    usage = {"output_tokens": 12}
    return [sse("message_delta", delta=ended, usage=usage, **fields), sse("message_stop")]


def text_block(index: int, *pieces: str) -> list[bytes]:
    """A block of text in these pieces."""
    deltas = [delta(index, type="text_delta", text=piece) for piece in pieces]
    return [block(index, {"type": "text", "text": ""}), *deltas, close(index)]


def thought(index: int, text: str, signature: str = "c2lnbg==") -> list[bytes]:
    return [
        block(index, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(index, type="thinking_delta", thinking=text),
        delta(index, type="signature_delta", signature=signature),
        close(index),
    ]


def tool_call(index: int, *pieces: str, name: str = "get_weather") -> list[bytes]:
    started = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    deltas = [delta(index, type="input_json_delta", partial_json=piece) for piece in pieces]
    return [block(index, started), *deltas, close(index)]


def said(*texts: str) -> list[Step]:
    """A well-behaved stream of these pieces of text."""
    return streamed([begin(), PING, *text_block(0, *texts), *finish()])
