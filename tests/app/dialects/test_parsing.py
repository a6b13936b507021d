"""Laws of the dialects' parsers: no body breaks them, no text is lost, no text is repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.chat_guard.readable import opened, text_of
from postern.contract.errors import PosternError
from postern.contract.exchange import Exchange
from postern.dialects import litellm_guardrail
from postern.dialects.litellm_guardrail import Guarded
from postern.dialects.openai_moderations import parse_moderation
from postern.dialects.perspective import parse_analyze
from postern.dialects.tei_predict import parse_predict


def parse_guardrail(body: bytes) -> Guarded:
    return litellm_guardrail.parse_guardrail(body, text_of=text_of)


PARSERS: tuple[Callable[[bytes], Any], ...] = (
    parse_moderation,
    parse_guardrail,
    parse_predict,
    parse_analyze,
)
MARKER = "zzmarkerzz"

names = st.sampled_from(
    [
        *("input", "model", "type", "text", "image_url", "inputs", "truncate", "raw_scores"),
        *("texts", "images", "tool_calls", "function", "arguments", "structured_messages"),
        *("input_type", "role", "content", "comment", "requestedAttributes", "TOXICITY"),
        *("scoreThreshold", "languages", "user", "request", "response", MARKER),
    ]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | names | st.text(max_size=5)
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
visible = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1)


def refusal(parse: Callable[[bytes], Any], body: bytes) -> str:
    """The words in which a body is refused; nothing where it is read."""
    try:
        parse(body)
    except PosternError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@given(document=documents)
def test_any_json_is_read_or_refused(parse: Callable[[bytes], Any], document: Any) -> None:
    assert MARKER not in refusal(parse, json.dumps(document).encode())


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@given(body=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(parse: Callable[[bytes], Any], body: bytes) -> None:
    assert len(refusal(parse, body)) < 300


@given(texts=st.lists(visible, min_size=1, max_size=6))
def test_openai_loses_no_text(texts: list[str]) -> None:
    several = parse_moderation(json.dumps({"input": texts}).encode())
    assert [exchange.prompt for exchange in several] == texts
    parts = [{"type": "text", "text": text} for text in texts]
    (one,) = parse_moderation(json.dumps({"input": parts}).encode())
    assert one == Exchange("\n".join(texts))


@given(sequences=st.lists(st.lists(visible, min_size=1, max_size=2), min_size=1, max_size=6))
def test_tei_loses_no_text(sequences: list[list[str]]) -> None:
    batch = parse_predict(json.dumps({"inputs": sequences}).encode())
    assert batch.is_batch
    assert batch.exchanges == tuple(Exchange(*sequence) for sequence in sequences)
    one = parse_predict(json.dumps({"inputs": sequences[0]}).encode())
    assert not one.is_batch
    assert one.exchanges == batch.exchanges[:1]


@given(call=documents | st.just({"function": {"arguments": {"n": 10**30, "x": float("inf")}}}))
def test_litellm_reads_any_tool_call(call: Any) -> None:
    body = {"input_type": "request", "texts": ["a"], "tool_calls": [call]}
    refusal(parse_guardrail, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("call", "judged"),
    [
        ({"function": {"name": "a question?", "arguments": "{}"}}, "a question?\n"),
        ({"function": {"arguments": '{"a": 1}'}, "custom": {"input": "more"}}, "a\nmore"),
        ({"function": {"name": "f", "arguments": '{"t": "b\\u006fmb"}'}}, "f\nt\nbomb"),
        ({"function": {"name": "f", "arguments": {"t": "bomb"}}, "id": "call_1"}, "f\nt\nbomb"),
        ({"id": "call_1", "n": 3}, '{"id": "call_1", "n": 3}'),
        ('{"t": "b\\u006fmb"}', "t\nbomb"),
    ],
)
def test_litellm_judges_all_of_a_tool_call(call: Any, judged: str) -> None:
    body = {"input_type": "request", "tool_calls": [call]}
    assert parse_guardrail(json.dumps(body).encode()).exchanges == (Exchange(judged),)


@pytest.mark.parametrize("blank", ["", " \n", "\u200b", "\U000e0001"])
def test_litellm_judges_an_answer_to_a_prompt_that_nobody_can_read(blank: str) -> None:
    messages = [{"role": "user", "content": blank}]
    body = {"input_type": "response", "texts": ["hello"], "structured_messages": messages}
    assert parse_guardrail(json.dumps(body).encode()).exchanges == (Exchange("hello"),)


@given(
    texts=st.lists(visible | st.just("") | st.just(" \n"), max_size=5),
    arguments=st.lists(visible, min_size=1, max_size=3),
    prompt=st.none() | visible,
)
def test_litellm_loses_no_text(texts: list[str], arguments: list[str], prompt: str | None) -> None:
    messages = [] if prompt is None else [{"role": "user", "content": prompt}]
    body = {
        "input_type": "response",
        "texts": texts,
        "tool_calls": [{"function": {"arguments": one}} for one in arguments],
        "structured_messages": messages,
    }
    asked = parse_guardrail(json.dumps(body).encode())
    expected = [text for text in (*texts, *map(opened, arguments)) if text.strip()]
    if prompt is None:
        assert asked.exchanges == tuple(map(Exchange, expected))
    else:
        assert asked.exchanges == tuple(Exchange(prompt, text) for text in expected)
    assert not asked.has_images
