"""What of a request is judged, and which prompt its answer belongs to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from postern.chat_guard.conversation import (
    ChatRequest,
    Reading,
    parse_chat,
)
from postern.contract.exchange import Exchange

CALL = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]}
TRUSTING = Reading(instructions=False, pass_media=False)


def parse(*messages: dict[str, Any], reading: Reading = TRUSTING, **fields: Any) -> ChatRequest:
    return parse_chat(json.dumps({"messages": messages} | fields).encode(), reading)


def turn(role: str, content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": content} | fields


def test_every_turn_is_judged_and_answers_beside_their_prompt() -> None:
    asked = parse(
        turn("system", "be kind"),
        turn("user", "a"),
        turn("user", "b"),
        turn("assistant", "c"),
        turn("user", "d"),
    )
    assert list(zip(asked.turns, asked.exchanges, strict=True)) == [
        (1, Exchange("a")),
        (2, Exchange("b")),
        (3, Exchange("a\nb", "c")),
        (4, Exchange("d")),
    ]
    assert asked.prompt == "d"


def test_a_tool_call_goes_on_with_the_same_question() -> None:
    asked = parse(turn("user", "a"), turn("assistant", **CALL), turn("tool", '{"x": "y"}'))
    assert asked.prompt == "a"
    assert asked.exchanges == (Exchange("a"), Exchange("a", "f"), Exchange("x\ny"))


def test_an_answer_before_any_question_is_judged_alone() -> None:
    asked = parse(turn("assistant", "hello"))
    assert (asked.exchanges, asked.prompt) == ((Exchange("hello"),), None)


def test_nothing_returned_by_a_tool_is_nothing_to_judge() -> None:
    asked = parse(turn("user", "a"), turn("assistant", **CALL), turn("tool", ""))
    assert asked.turns == (0, 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"description": "word"}}]},
        {"response_format": {"json_schema": {"schema": {"description": "word"}}}},
        {"prediction": {"type": "content", "content": "word"}},
        {"chat_template": "word"},
        {"brand_new": {"a": ["word"]}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_instructions_beside_the_messages_are_judged_on_request(fields: dict[str, Any]) -> None:
    reading = Reading(instructions=True, pass_media=False)
    assert Exchange("word") in parse(turn("user", "a"), reading=reading, **fields).exchanges
    assert parse(turn("user", "a"), **fields).exchanges == (Exchange("a"),)


def test_the_body_goes_on_without_loss() -> None:
    fields: dict[str, Any] = {"seed": 2**80, "temperature": 0.1, "x": {"é": None}, "n": 3}
    asked = parse(turn("user", "a"), **fields)
    assert json.loads(asked.to_upstream()) == {"messages": [turn("user", "a")]} | fields
    assert asked.n_choices == 3
    assert parse(turn("user", "a"), n="x").n_choices == 1
