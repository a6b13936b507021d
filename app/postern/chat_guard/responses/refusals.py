"""Responses of the proxy's own: a refusal in place of an answer, whole and as a stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from postern.chat_guard.identifiers import is_identifier
from postern.chat_guard.replies import is_count
from postern.chat_guard.responses.sent import Sent

CONTENT_FILTER: Final = "content_filter"
_RESPONSE_ID, _ITEM_ID = "resp_", "msg_"


def incomplete(output: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields of a response that was broken off, with what is left of its output."""
    return {
        "status": "incomplete",
        "incomplete_details": {"reason": CONTENT_FILTER},
        "output": output,
    }


def frame(like: Mapping[str, Any]) -> dict[str, Any]:
    """A response without text: id, time, model and usage of another, where they hold no words."""
    response_id, model = like.get("id"), like.get("model")
    created = like.get("created_at")
    return {
        "id": response_id if _names("id", response_id) else f"{_RESPONSE_ID}postern",
        "object": "response",
        "created_at": created if is_count(created) or isinstance(created, float) else 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": model if _names("model", model) else "",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": _usage(like.get("usage")),
    }


def refusal(like: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A message that refuses. like: the response that it becomes a part of."""
    return {
        "id": _ITEM_ID + str(like["id"]).removeprefix(_RESPONSE_ID),
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "refusal", "refusal": text}],
    }


def refusal_events(sent: Sent, index: int, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a message that refuses. index: of the message in the output."""
    (part,) = item["content"]
    at = {"item_id": item["id"], "output_index": index, "content_index": 0}
    begun = {**item, "status": "in_progress", "content": []}
    yield sent.numbered("response.output_item.added", output_index=index, item=begun)
    yield sent.numbered("response.content_part.added", **at, part={**part, "refusal": ""})
    yield sent.numbered("response.refusal.delta", **at, delta=part["refusal"])
    yield sent.numbered("response.refusal.done", **at, refusal=part["refusal"])
    yield sent.numbered("response.content_part.done", **at, part=part)
    yield sent.numbered("response.output_item.done", output_index=index, item=item)


def opening_events(sent: Sent, response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events with which a response begins."""
    yield sent.numbered("response.created", response=response)
    yield sent.numbered("response.in_progress", response=response)


def _names(name: str, value: Any) -> bool:
    return isinstance(value, str) and is_identifier(name, value)


def _usage(told: Any) -> dict[str, Any]:
    counts = told if isinstance(told, Mapping) else {}
    return {
        "input_tokens": _count(counts, "input_tokens"),
        "input_tokens_details": {
            "cached_tokens": _count(counts.get("input_tokens_details"), "cached_tokens")
        },
        "output_tokens": _count(counts, "output_tokens"),
        "output_tokens_details": {
            "reasoning_tokens": _count(counts.get("output_tokens_details"), "reasoning_tokens")
        },
        "total_tokens": _count(counts, "total_tokens"),
    }


def _count(counts: Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, Mapping) else None
    return value if isinstance(value, int) and is_count(value) else 0
