"""What is new in an event of a Responses stream is text; what it repeats is not; all else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.chat_guard.responses.events import Event, Reader, parsed_event
from postern.chat_guard.responses.told import Told
from postern.contract.errors import UpstreamInvalid, UpstreamTold

from tests.scripted_responses import Script, function_call, message, reasoning


def reader(**body: Any) -> Reader:
    return Reader(lambda name: frozenset([body[name]] if name in body else []))


def read(*contents: dict[str, Any], **body: Any) -> list[Event]:
    one = reader(**body)
    return [one.read(parsed_event(json.dumps(content))) for content in contents]


def said(events: list[Event]) -> list[str]:
    return [found.text for event in events for found in event.found]


def test_a_text_is_found_once_however_often_a_stream_repeats_it() -> None:
    script = Script(size=4).item(reasoning("I think of it", "and more"))
    script.item(message("Once upon a time", "there was a gate"))
    script.item(function_call('{"q": "a story"}')).end()
    events = read(*script.contents)
    pieces = [event["delta"] for event in script.contents if "delta" in event]
    # The name of the function stands before its arguments.
    assert [text for text in said(events) if text != "read"] == pieces
    assert said(events).count("read") == 1
    assert [event.last for event in events] == [False] * (len(events) - 1) + [True]
    assert not any(event.media or event.beside for event in events)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("response.output_text.done", {"text": "other words"}),
        ("response.content_part.done", {"part": {"type": "output_text", "text": "other words"}}),
        ("response.output_item.done", {"item": message("other words")}),
        ("response.completed", {"response": {"output": [message("other words")]}}),
        ("response.incomplete", {"response": {"output": [message("other words")]}}),
        ("response.in_progress", {"response": {"output": [message("other words")]}}),
        ("response.output_text.delta", {"delta": "other words"}),
        ("response.output_text.annotation.added", {"annotation": {"title": "other words"}}),
        ("response.brand_new", {"words": ["other words"]}),
        ("response.brand_new.done", {"text": "other words"}),
        ("response.refusal.done", {"refusal": "other words"}),
        ("response.shell_call_output_content.delta", {"delta": {"stdout": "other words"}}),
        ("response.output_text.delta", {"delta": "", "x_new": "other words"}),
        ("response.output_text.delta", {"delta": "", "item_id": "other words"}),
        ("response.output_text.delta", {"delta": "", "sequence_number": "other words"}),
        ("response.output_text.delta", {"delta": "", "other words": 1}),
        ("response.output_text.delta", {"delta": "a", "logprobs": [{"token": "other words"}]}),
        ("response.audio.delta", {"delta": "other words"}),
        ("other words", {}),
    ],
)
def test_what_was_not_said_before_is_text(kind: str, fields: dict[str, Any]) -> None:
    at = {"output_index": 0, "content_index": 0}
    events = read(
        {"type": "response.output_text.delta", "delta": "Once upon", **at},
        {"type": kind, **at, **fields},
    )
    assert "other words" in said(events)


def test_text_beyond_what_came_in_pieces_is_found() -> None:
    at = {"output_index": 0, "content_index": 0}
    events = read(
        {"type": "response.output_text.delta", "delta": "Once ", **at},
        {"type": "response.output_text.done", "text": "Once upon", **at},
        {"type": "response.output_text.delta", "delta": " a time", **at},
        {"type": "response.content_part.done", "part": {"text": "Once upon a time"}, **at},
        {"type": "response.output_item.done", "item": message("Once"), "output_index": 0},
    )
    assert said(events) == ["Once ", "upon", " a time", "Once"]


def test_what_the_request_said_is_no_news() -> None:
    content = {"type": "response.created", "response": {"instructions": "be kind", "user": "a b"}}
    (event,) = read(content, instructions="be kind")
    assert [text for _, text in event.beside] == ["a b"]


def test_tokens_are_text_if_they_say_something_else() -> None:
    at = {"output_index": 0, "content_index": 0}
    tokens = [
        {"token": "Once", "logprob": 0.0, "top_logprobs": [{"token": "Never"}]},
        {"token": " upon", "logprob": 0.0, "top_logprobs": []},
    ]
    part = {"type": "output_text", "text": "Once upon", "logprobs": tokens}
    item = message() | {"content": [part]}
    events = read(
        {"type": "response.output_text.delta", "delta": "Once upon", "logprobs": tokens, **at},
        {"type": "response.output_text.done", "text": "Once upon", "logprobs": tokens, **at},
        {"type": "response.content_part.done", "part": part, **at},
        {"type": "response.completed", "response": {"output": [item]}},
    )
    assert said(events) == ["Once upon"]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "response.image_generation_call.partial_image", "partial_image_b64": "AAAA"},
        {"type": "response.audio.delta", "delta": "AAAA"},
        {"type": "response.output_item.added", "item": {"type": "image_generation_call"}},
        {"type": "response.completed", "response": {"output": [{"type": "computer_screenshot"}]}},
    ],
)
def test_media_are_seen(content: dict[str, Any]) -> None:
    (event,) = read(content)
    assert event.media
    assert not event.found


@pytest.mark.parametrize(
    "data",
    [
        '{"type": "error", "code": "busy", "message": "m", "sequence_number": 3}',
        '{"type": "error", "error": {"code": "busy", "message": "m"}}',
        '{"error": {"code": "busy"}}',
    ],
)
def test_an_error_in_either_form_is_told(data: str) -> None:
    with pytest.raises(UpstreamTold) as told:
        parsed_event(data)
    assert told.value.error["code"] == "busy"
    assert "sequence_number" not in told.value.error


@pytest.mark.parametrize(
    "data", ["{", "[]", '"a"', "{}", '{"type": 5}', '{"a": NaN}', '{"a":' * 100 + "1" + "}" * 100]
)
def test_nonsense_is_refused(data: str) -> None:
    with pytest.raises(UpstreamInvalid):
        parsed_event(data)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "response.output_text.delta", "delta": "a", "output_index": "x"},
        {"type": "response.output_text.delta", "delta": "a", "content_index": -1},
        {"type": "response.completed", "response": "x"},
        {"type": "response.completed", "response": {"output": ["x"]}},
    ],
)
def test_events_of_another_shape_are_refused(content: dict[str, Any]) -> None:
    with pytest.raises(UpstreamInvalid):
        read(content)


PIECES = st.lists(st.sampled_from(["a", "b ", "ab", ""]), max_size=8)


@given(pieces=PIECES, ends=PIECES)
def test_a_reader_of_what_is_new_has_read_every_text(pieces: list[str], ends: list[str]) -> None:
    told = Told()
    found = [one for piece in pieces for one in told.piece(("t",), piece)]
    found += [one for end in ends for one in told.whole(("t",), end)]
    known = {path: "" for path, *_ in found}
    wholes = {""}
    for one in found:
        known[one.path] += one.text
        wholes.add(known[one.path])
    assert "".join(pieces) in wholes
    assert set(ends) <= wholes


@pytest.mark.parametrize(
    "kind", ["response.brand_new", "response.output_text.brand_new", "keepalive", "two words"]
)
def test_an_event_of_another_type_is_unknown(kind: str) -> None:
    script = Script().item(reasoning("I think")).item(message("a story")).end()
    assert not any(event.unknown or event.unknown_items for event in read(*script.contents))
    (event,) = read({"type": kind})
    assert (event.unknown, event.unknown_items) == (True, 0)


@pytest.mark.parametrize("kind", ["brand_new", None, ["message"]])
def test_an_item_of_an_unknown_type_is_one_however_often_it_is_told(kind: Any) -> None:
    item = {"id": "x", "type": kind, "words": "two words"}
    script = Script().item(message("a story")).item(item).item(item).end()
    events = read(*script.contents)
    assert sum(event.unknown_items for event in events) == 2
    assert not any(event.unknown for event in events)
    whole = reader()
    whole.response(script.contents[-1]["response"])
    assert len(whole.unknown) == 2


@pytest.mark.parametrize("part", [{"type": "brand_new", "text": "two words"}, "two words"])
def test_so_is_a_part_of_an_item(part: Any) -> None:
    item = message("a story")
    item["content"].append(part)
    at = {"item_id": "x", "output_index": 0, "content_index": 1}
    events = read(
        {"type": "response.output_item.added", "output_index": 0, "item": message()},
        {"type": "response.content_part.added", **at, "part": part},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"output": [item]}},
    )
    assert sum(event.unknown_items for event in events) == 1
    assert "two words" in said(events)
