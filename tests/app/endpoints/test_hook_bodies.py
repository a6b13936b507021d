"""What gateways hand over: read as a chat, as JSON or as text; refused where readers may differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.chat_guard.shape import Reading
from postern.contract.errors import (
    BodyMismatch,
    ExchangeTooLong,
    MalformedBody,
    NothingToJudge,
    PosternError,
    UnreadableContent,
)
from postern.contract.exchange import Exchange
from postern.dialects.agentgateway import passes, rejects
from postern.endpoints.hook_bodies import (
    Heard,
    parse_choices,
    parse_detector_chat,
    parse_forwarded,
    parse_prompts,
)

READING = Reading(instructions=False, pass_media=False)
PASSING = Reading(instructions=True, pass_media=True)
MARKER = "zzmarkerzz"
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def forwarded(body: Any, reading: Reading = READING) -> Heard:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_forwarded(sent, reading, is_json=True)


def as_text(body: bytes, reading: Reading) -> Heard:
    return parse_forwarded(body, reading, is_json=False)


def as_json(body: bytes, reading: Reading) -> Heard:
    return parse_forwarded(body, reading, is_json=True)


GREETING = [{"role": "user", "content": "hello"}]
PARSERS = (parse_prompts, parse_choices, parse_detector_chat, as_json, as_text)
names = st.sampled_from(
    [
        *("body", "messages", "role", "user", "assistant", "content", "choices", "message"),
        *("type", "text", "input", "prompt", "system", "tool_calls", "detector_params", MARKER),
    ]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | names | st.text(max_size=4)
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)


def heard_or_why(parse: Callable[[bytes, Reading], Heard], body: bytes) -> tuple[Heard | None, str]:
    try:
        return parse(body, READING), ""
    except PosternError as exc:
        return None, str(exc)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@given(document=documents, data=st.binary(max_size=20))
def test_anything_is_read_or_refused_without_its_words(
    parse: Callable[[bytes, Reading], Heard], document: Any, data: bytes
) -> None:
    for body in (json.dumps(document).encode(), json.dumps({"body": document}).encode(), data):
        heard, refusal = heard_or_why(parse, body)
        assert MARKER not in refusal
        assert refusal or (heard and heard.exchanges) or parse is parse_choices


def test_a_gateway_s_chat_is_that_of_the_proxy() -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    body = json.dumps({"body": {"messages": messages}, "other": 1}).encode()
    expected = (Exchange("one"), Exchange("one", "two"), Exchange("three"))
    assert parse_prompts(body, READING) == Heard(expected, "prompt")
    told = parse_prompts(body, PASSING).exchanges
    assert told == (*expected, Exchange("be brief"))
    chat = json.dumps({"messages": messages, "detector_params": {"x": "not text"}}).encode()
    assert parse_detector_chat(chat, READING).exchanges == expected
    assert forwarded({"messages": messages}).exchanges == expected


def test_a_mismatch_names_the_field_where_it_stands() -> None:
    with pytest.raises(BodyMismatch, match=r"body\.messages\.0\.role"):
        parse_prompts(b'{"body": {"messages": [{"role": "x"}]}}', READING)


def test_all_choices_are_judged_alone() -> None:
    choices = [{"message": {"role": "assistant", "content": text}} for text in ("one", "", "two")]
    heard = parse_choices(json.dumps({"body": {"choices": choices}}).encode(), READING)
    assert heard == Heard((Exchange("one"), Exchange("two")), "response")
    call = {"role": "assistant", "tool_calls": [{"function": {"arguments": '{"a": "a bomb"}'}}]}
    (only,) = parse_choices(
        json.dumps({"body": {"choices": [{"message": call}]}}).encode(), READING
    ).exchanges
    assert "bomb" in only.prompt
    assert parse_choices(b'{"body": {"choices": [{"message": {}}]}}', READING).exchanges == ()
    mismatches: tuple[Any, ...] = (
        {},
        {"choices": []},
        {"choices": "a"},
        {"choices": [{"text": "a"}]},
    )
    for wrong in mismatches:
        with pytest.raises(BodyMismatch):
            parse_choices(json.dumps({"body": wrong}).encode(), READING)


def test_json_that_is_no_chat_is_one_prompt() -> None:
    assert forwarded({"prompt": "one", "deep": [{"more": "two"}], "n": 3}).exchanges == (
        Exchange("one\ntwo"),
    )
    assert forwarded("one").exchanges == (Exchange("one"),)
    assert forwarded({"messages": "one"}).exchanges == (Exchange("one"),)
    # A chat's other fields are read beside it.
    chat = {"messages": [{"role": "user", "content": "one"}], "more": [{"content": "and two"}]}
    assert Exchange("and two") in forwarded(chat).exchanges


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "good", "prompt": "bad"}',
        b'{"messages": [{"role": "user", "content": "good", "content": "bad"}]}',
        b'{"prompt": NaN}',
        b'{"prompt": 1e999}',
        b'{"prompt": "\\ud800"}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"prompt": "a"} more',
        b"{'prompt': 'a'}",
        '{"prompt": "a"}'.encode("utf-16"),
        '{"prompt": "a"}'.encode("utf-16-le"),
        b"\x1f\x8b\x08\x00",
        b"[" * 9000,
        b"",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(body: bytes) -> None:
    try:
        heard = forwarded(body)
    except MalformedBody:
        return
    # A lone surrogate is read as U+FFFD, which is no letter; nothing else may be read at all.
    assert b"ud800" in body
    assert not any(one.prompt.isalnum() for one in heard.exchanges)


def test_text_that_is_json_counts_as_json() -> None:
    """Many servers take JSON whatever its Content-Type."""
    escaped = b'{"messages": [{"role": "user", "content": "a \\u0062omb"}]}'
    assert as_text(escaped, READING) == Heard((Exchange("a bomb"),))
    assert as_text(b'"a \\u0062omb"', READING).exchanges == (Exchange("a bomb"),)
    with pytest.raises(MalformedBody):
        as_text(b'{"prompt": "good", "prompt": "bad"}', READING)
    # Readers of JSON recognize UTF-16 without being told.
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le"):
        with pytest.raises(MalformedBody):
            as_text('{"prompt": "a \\u0062omb"}'.encode(encoding), READING)
    for text in ("[1] a book", "{ is a brace", "plain"):
        assert as_text(text.encode(), READING).exchanges == (Exchange(text),)
    # JSON that was cut off is read without its escapes.
    assert "bomb" in as_text(b'{"prompt": "a \\u0062omb', READING).exchanges[0].prompt


def test_what_cannot_be_read_is_refused() -> None:
    for body in (
        {"prompt": [1, 2, 3], "user": "hello"},
        {"input": [[1, 2], [3]], "user": "hello"},
        {"input": [{"type": "input_image", "image_url": "https://example.com/a.png"}]},
        {"messages": [{"role": "user", "content": [PICTURE]}]},
        # Which of the fields counts is up to the API that reads the body.
        {"messages": GREETING, "prompt": [1, 2, 3]},
        {"messages": GREETING, "input": [[1, 2], [3]]},
        {"messages": GREETING, "input": [{"role": "user", "content": [PICTURE]}]},
        {"messages": GREETING, "prompt_embeds": "AAAA"},
        {"messages": GREETING, "documents": [{"image": "AAAA"}]},
        {"messages": [{"role": "user", "content": "hello", "Images": ["AAAA"]}]},
        {"prompt": "hello", "more": {"Images": ["AAAA"]}},
        {"prompt": {"prompt_token_ids": [1]}},
        {"prompt": 5, "user": "hello"},
        {"input": True, "user": "hello"},
        {"prompt": "hello", "prompt_embeds": ["AAAA"]},
        {"prompt": "hello", "context": [1, 2, 3]},
        {"note": "hello", "input_ids": [[1, 2, 3]]},
        {"prompt": [{"prompt_string": "hello", "multimodal_data": ["AAAA"]}]},
    ):
        with pytest.raises(UnreadableContent):
            forwarded(body)
    beside = {"messages": GREETING, "input": [{"role": "user", "content": [PICTURE]}]}
    assert forwarded(beside, PASSING).media
    # Numbers that are no tokens, and a parameter of a tool.
    for legitimate in (
        {"input": "hello", "stop_token_ids": [2], "context": 4096, "usage": {"tokens": 3}},
        {"input": [{"type": "message", "content": [{"text": "hello", "logprobs": [{"n": 1}]}]}]},
        {"contents": [{"parts": [{"text": "hello"}, {"call": {"args": {"input": [1, 2]}}}]}]},
    ):
        assert "hello" in forwarded(legitimate).exchanges[0].prompt
    schema = {"type": "object", "properties": {"image": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "draw", "parameters": schema}}]
    schemas = {"format": schema, "output_config": {"format": {"schema": schema}}}
    for fields in ({"tools": tools}, schemas, {"metadata": {"file": "x", "tokens": [1, 2]}}):
        assert not forwarded({"messages": GREETING, **fields}).media
    for name in ("Context", "Prompt", "INPUT_IDS", "Images"):
        with pytest.raises(BodyMismatch):
            forwarded({"note": "hello", name: [1, 2, 3]})
    told = {"messages": [{"role": "user", "content": [{"type": "text", "text": "one"}, PICTURE]}]}
    assert forwarded(told, PASSING).media
    blanks: tuple[Any, ...] = ({}, [], "", 3, {"n": 4}, None, {"prompt": " \u200b"})
    for nothing in blanks:
        with pytest.raises(NothingToJudge):
            forwarded(nothing)
    with pytest.raises(NothingToJudge):
        as_text(b" \n", READING)
    with pytest.raises(MalformedBody):
        as_text(b"\xff", READING)
    with pytest.raises(ExchangeTooLong):
        forwarded([[]] * 200_000)


def action_of(reply: dict[str, Any]) -> str:
    """How agentgateway takes an action, which has no name: the first whose fields are all there
    (crates/agentgateway/src/llm/policy/webhook.rs: Mask, Reject, Pass)."""
    action = reply["action"]
    assert isinstance(action, dict)
    body, reason = action.get("body"), action.get("reason")
    assert reason is None or isinstance(reason, str)
    if isinstance(body, dict) and ("messages" in body or "choices" in body):
        return "mask"
    if isinstance(body, str) and isinstance(action.get("status_code"), int):
        return "reject"
    return "pass"


def test_the_fields_of_an_action_say_which_it_is() -> None:
    assert action_of(passes("why")) == "pass"
    assert action_of(rejects("{}", 400)) == "reject"
    assert set(passes("why")["action"]) == {"reason"}
    assert set(rejects("{}", 400)["action"]) == {"body", "status_code", "reason"}
