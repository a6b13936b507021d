"""Which events of a Messages stream are known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import RawContentBlockDelta, RawMessageStreamEvent
from anthropic.types.beta import BetaRawContentBlockDelta, BetaRawMessageStreamEvent
from postern.chat_guard.messages import MessageStream
from postern.chat_guard.messages_events import _DELTAS
from postern.chat_guard.replies import Refusals
from postern.chat_guard.shape import Chunk

from tests.scripted_messages import message
from tests.sdk_types import types_in

# One of each that the package knows; `message_stop` is no chunk but the end.
KNOWN: tuple[dict[str, Any], ...] = (
    {"type": "message_start", "message": message()},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
)


def read(*contents: dict[str, Any]) -> list[Chunk]:
    stream = MessageStream(Refusals("No.", "tiny/1"))
    read = [stream.read(json.dumps(one)) for one in contents]
    return [chunk for chunks in read for chunk in chunks or ()]


def test_what_the_package_knows_is_known() -> None:
    kinds = types_in(RawMessageStreamEvent) | types_in(BetaRawMessageStreamEvent)
    assert {one["type"] for one in KNOWN} | {"message_stop"} == kinds | {"ping"}
    assert not any(chunk.unknown_event or chunk.unknown_items for chunk in read(*KNOWN))


def test_every_delta_of_the_package_is_known_and_no_other() -> None:
    assert types_in(RawContentBlockDelta) | types_in(BetaRawContentBlockDelta) == _DELTAS.keys()


@pytest.mark.parametrize(
    "content",
    [
        {"type": "x_new", "note": "two words"},
        {"type": "two words"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "x_new", "x": "two words"}},
        {"type": "content_block_delta", "index": 0, "delta": {"text": "two words"}},
    ],
    ids=str,
)
def test_another_event_is_unknown_and_its_strings_are_text(content: dict[str, Any]) -> None:
    *_, chunk = read(*KNOWN[:3], content)
    assert (chunk.unknown_event, chunk.unknown_items) == (True, 0)
    assert "two words" in [found.text for found in chunk.found]


def test_a_block_of_an_unknown_kind_is_unknown_where_it_begins() -> None:
    begun = {"type": "content_block_start", "index": 0, "content_block": {"type": "x_new"}}
    _, chunk, end = read(KNOWN[0], begun, {"type": "content_block_stop", "index": 0})
    assert (chunk.unknown_event, chunk.unknown_items, chunk.media) == (False, 1, True)
    assert (end.unknown_event, end.unknown_items) == (False, 0)
