"""What is known of the Responses API is what OpenAI's own package knows."""

from __future__ import annotations

from openai.types.conversations.message import Message
from openai.types.responses import (
    ResponseContentPartAddedEvent,
    ResponseInputItem,
    ResponseOutputItem,
    ResponseReasoningItem,
    ResponseStreamEvent,
)
from postern.chat_guard.responses.events import (
    _ANNOTATION,
    _AUDIO,
    _ENDS_A_CALL,
    ITEM_EVENTS,
    LAST,
    PART_EVENTS,
    TEXT_EVENTS,
)
from postern.chat_guard.responses.items import ITEMS, PARTS
from postern.chat_guard.responses.kinds import EVENTS

from tests.sdk_types import types_in


def test_every_event_of_the_package_is_known_and_no_other() -> None:
    assert types_in(ResponseStreamEvent) == EVENTS


def test_what_is_read_in_a_way_of_its_own_is_known() -> None:
    assert {*LAST, *ITEM_EVENTS, *_ENDS_A_CALL, _ANNOTATION, _AUDIO} <= EVENTS
    for stem in {*TEXT_EVENTS, *PART_EVENTS}:
        assert f"{stem}.done" in EVENTS


def test_every_item_of_the_package_is_known_and_no_other() -> None:
    assert types_in(ResponseOutputItem) | types_in(ResponseInputItem) == ITEMS


def test_every_part_of_the_package_is_known_and_no_other() -> None:
    fields = (
        (Message, "content"),
        (ResponseContentPartAddedEvent, "part"),
        (ResponseReasoningItem, "content"),
        (ResponseReasoningItem, "summary"),
    )
    told = [model.model_fields[name].annotation for model, name in fields]
    assert set().union(*map(types_in, told)) == PARTS
