"""Wherever a stream of responses is cut, its client has a whole response, of what was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from postern.chat_guard.responses.sent import Sent
from postern.contract.errors import UpstreamInvalid
from pydantic import TypeAdapter

from tests.scripted_responses import Script, function_call, message, reasoning

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ITEMS = [
    reasoning("think of it", "and of more"),
    message("Once upon a time", "there was"),
    function_call('{"q": "a story"}'),
    message("The end."),
]


def script() -> list[dict[str, Any]]:
    written = Script(size=5)
    for number, item in enumerate(ITEMS):
        written.item(item | {"id": f"it_{number}"})
    return written.end().contents


CONTENTS = script()


def cut_after(count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(the events that a client has in the end, the items of its last one)."""
    sent = Sent()
    for content in CONTENTS[:count]:
        sent.add(content, has_text=False)
    ends = list(sent.ends())
    items = sent.items()
    return [*CONTENTS[:count], *ends, sent.numbered("response.incomplete")], items


@given(count=st.integers(2, len(CONTENTS) - 1))
def test_every_cut_ends_what_was_begun_and_says_no_more(count: int) -> None:
    contents, items = cut_after(count)
    numbers = [one["sequence_number"] for one in contents]
    assert numbers == list(range(len(contents)))
    kinds = [one["type"] for one in contents]
    for begun in ("output_item", "content_part", "reasoning_summary_part"):
        assert kinds.count(f"response.{begun}.added") == kinds.count(f"response.{begun}.done")
    pieces: dict[Any, str] = {}
    for one in contents[:-1]:
        key = tuple(one.get(name) for name in ("output_index", "content_index", "summary_index"))
        if "delta" in one:
            pieces[key] = pieces.get(key, "") + one["delta"]
        elif one["type"].endswith(("_text.done", "arguments.done")):
            assert (one.get("text") or one.get("arguments")) == pieces[key]
    said: dict[Any, str] = {}
    for index, item in enumerate(items):
        for number, part in enumerate(item.get("content", [])):
            said[index, number, None] = part["text"]
        for number, part in enumerate(item.get("summary", [])):
            said[index, None, number] = part["text"]
        if "arguments" in item:
            said[index, None, None] = item["arguments"]
    assert {key: text for key, text in said.items() if text} == pieces


@given(count=st.integers(2, len(CONTENTS) - 1))
def test_openai_s_client_follows_every_cut(count: int) -> None:
    contents, items = cut_after(count)
    contents[-1]["response"] = CONTENTS[0]["response"] | {"output": items, "status": "incomplete"}
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    (last,) = [state.handle_event(EVENT.validate_python(content)) for content in contents][-1]
    assert [item.type for item in last.response.output] == [item["type"] for item in items]


def test_an_item_that_was_not_announced_becomes_a_message() -> None:
    sent = Sent()
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    sent.add({"type": "response.output_text.delta", "delta": "Once", **at}, has_text=True)
    assert list(sent.ends()) == []
    (item,) = sent.items()
    assert item["content"] == [{"type": "output_text", "text": "Once", "annotations": []}]


def test_numbers_of_the_upstream_cost_no_memory() -> None:
    sent = Sent()
    at = {"item_id": "msg_1", "output_index": 10**9, "content_index": 10**9}
    sent.add({"type": "response.output_text.delta", "delta": "Once", **at}, has_text=True)
    assert sent.items()[0]["type"] == "message"
    assert sent.next_index == 10**9 + 1


def test_empty_items_without_end_are_refused() -> None:
    sent = Sent()

    def begin(index: int) -> None:
        at = {"item_id": "msg_1", "output_index": index, "content_index": 0}
        sent.add({"type": "response.output_text.delta", "delta": "", **at}, has_text=False)

    for index in range(4096):
        begin(index)
    with pytest.raises(UpstreamInvalid, match="too many"):
        begin(4096)
