"""What of a request is judged, and which prompt its answer belongs to."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from postern.chat_guard.bounds import CONTEXT_CHARS
from postern.chat_guard.conversation import CompletionRequest, parse_chat
from postern.chat_guard.shape import Reading
from postern.chat_guard.text_completions import parse_text
from postern.contract.errors import (
    BodyMismatch,
    EmptyPrompt,
    ExchangeTooLong,
    UnreadableContent,
)
from postern.contract.exchange import Exchange
from postern.contract.proxy_errors import UnreadableTokens

CALL = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]}
TRUSTING = Reading(instructions=False, pass_media=False)


def parse(
    *messages: dict[str, Any], reading: Reading = TRUSTING, **fields: Any
) -> CompletionRequest:
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
        (None, Exchange("a\nb")),
        (3, Exchange("a\nb", "c")),
        (4, Exchange("d")),
    ]
    assert asked.prompt == "d"


def test_a_question_in_several_turns_is_judged_as_one_text() -> None:
    """The model reads it as one, and no word of it says anything alone."""
    words = ["how", "to", "build", "a", "shed"]
    asked = parse(*(turn("user", word) for word in words))
    assert asked.exchanges == (*map(Exchange, words), Exchange("\n".join(words)))
    assert asked.turns == (0, 1, 2, 3, 4, None)
    long = parse(turn("user", "a" * 900), turn("user", "b" * 900))
    assert [len(one.prompt) for one in long.exchanges] == [900, 900, CONTEXT_CHARS]
    calls = [turn("assistant", **CALL), turn("tool", "")]
    between = parse(turn("user", "how"), *calls, turn("user", "to"), turn("assistant", "so"))
    assert Exchange("how\nto") in between.exchanges


@pytest.mark.parametrize(
    "field",
    [
        {"input_ids": [1, 2, 3]},
        {"prompt_token_ids": [[1]]},
        {"prompt": [1]},
        {"prompt_embeds": "AAAA"},
        {"prompt": [{"prompt_token_ids": [1]}]},
    ],
)
def test_tokens_beside_the_messages_are_refused(field: dict[str, Any]) -> None:
    with pytest.raises(UnreadableTokens):
        parse(turn("user", "a"), **field)


@pytest.mark.parametrize(
    "fields",
    [
        {"stop_token_ids": [2], "logit_bias": {"50256": -100}, "seed": 7, "top_k": 5},
        {"metadata": {"file": "x", "tokens": [1, 2], "plan": "free", "region": "eu-west-one-two"}},
        {"context": {"session": "4ac0fbe1-9d0c-4bde-8eaf-6c1f2ab3c4de"}},
        {"provider": {"max_price": {"image": 0.5}}},
        # Random letters would be judged harmful.
        {"user": "4ac0fbe1-9d0c-4bde-8eaf-6c1f2ab3c4de", "prompt_cache_key": "feed-beef-cafe-dead"},
        {"response_format": {"type": "json_schema", "schema": {"properties": {"image": {}}}}},
        {"mm_processor_kwargs": {"video": {"fps": 1}}, "modalities": ["text"]},
    ],
)
def test_fields_that_clients_send_add_nothing_to_judge(fields: dict[str, Any]) -> None:
    assert parse(turn("user", "a"), **fields).exchanges == (Exchange("a"),)


@pytest.mark.parametrize(
    "name", ["Messages", "MESSAGES", "me\u017f\u017fages", "Prompt", "Background", "inpuT"]
)
def test_a_name_in_another_case_is_refused(name: str) -> None:
    """Readers in Go take it for the name, and the last of both counts."""
    with pytest.raises(BodyMismatch):
        parse_chat(json.dumps({"messages": [turn("user", "a")], name: []}).encode(), TRUSTING)


def test_media_and_words_in_fields_that_reach_a_model_are_seen() -> None:
    for document in ({"file": "how_to_build"}, {"image_url": "https://x/?how,to,build"}):
        with pytest.raises(UnreadableContent):
            parse(turn("user", "a"), documents=[document])
    documents = [{"id": "4ac0-be", "text": "how"}, {"title": "to_build_it"}]
    assert parse(turn("user", "a"), documents=documents).exchanges == (
        Exchange("a"),
        Exchange("how\nto_build_it"),
    )


def test_arguments_that_are_an_object_are_read_like_those_in_a_string() -> None:
    given: dict[str, Any] = {"how": 1, "to": 1, "build": "it"}
    for arguments in (given, json.dumps(given)):
        calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]
        asked = parse(turn("user", "a"), turn("assistant", None, tool_calls=calls))
        assert asked.exchanges[1] == Exchange("a", "f\nhow\nto\nbuild\nit")


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
        {"chat_template": "word"},
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
    assert json.loads(asked.to_upstream) == {"messages": [turn("user", "a")]} | fields
    assert asked.n_choices == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"prediction": {"type": "content", "content": "two words"}},
        {"brand_new": {"a": ["two words"]}},
        {"brand_new": {"two words": 5}},
        {"two words": 5},
        {"user": "two words"},
        {"metadata": {"a": "two words"}},
        {"stop": ["two words"]},
        {"model": "two words"},
        {"tool_choice": {"type": "two words"}},
    ],
    ids=lambda fields: json.dumps(fields),
)
def test_other_fields_are_judged_unless_they_name_something(fields: dict[str, Any]) -> None:
    asked = parse(turn("user", "a"), **fields)
    assert asked.exchanges == (Exchange("a"), Exchange("two words"))
    assert asked.turns == (0, None)


def test_identifiers_and_marks_beside_the_messages_are_not_judged() -> None:
    fields: dict[str, Any] = {
        "model": "@cf/meta/llama-3:free",
        "user": "user-123",
        "stop": ["\n\n", "###"],
        "tool_choice": {"type": "function", "function": {"name": "get_time"}},
        "logit_bias": {"50256": -100},
        "metadata": {"session.id": "a:b-c"},
    }
    assert parse(turn("user", "a"), **fields).exchanges == (Exchange("a"),)


@pytest.mark.parametrize(
    "message",
    [
        {"tool_call_id": "two words"},
        {"id": "two words"},
        {"type": "two words"},
        {"name": "two words"},
        {"two words": None},
        {"tool_calls": [{"id": "two words", "type": "function"}]},
        {"tool_calls": [{"two words": 1}]},
    ],
    ids=lambda message: json.dumps(message),
)
@pytest.mark.parametrize("role", ["user", "assistant", "tool"])
def test_what_is_no_identifier_where_one_belongs_is_text(
    role: str, message: dict[str, Any]
) -> None:
    asked = parse(turn("user", "a"), turn(role, "b", **message), turn("user", "c"))
    said = [one.response or one.prompt for one in asked.exchanges]
    assert said[1] == "b\ntwo words"


@pytest.mark.parametrize("role", ["user\nHow do I?", "wizard", "", "User", "system "])
def test_a_role_that_is_not_known_is_refused(role: str) -> None:
    with pytest.raises(BodyMismatch) as refused:
        parse(turn(role, "please"))
    assert refused.value.problems[0][0] == "messages.0.role"
    assert "How do" not in str(refused.value)


def test_turns_that_say_nothing_are_passed_by() -> None:
    asked = parse(turn("user", ""), turn("user", "a"), turn("assistant", ""), turn("user", " "))
    assert asked.exchanges == (Exchange("a"),)
    with pytest.raises(EmptyPrompt):
        parse(turn("user", ""), turn("assistant", ""))
    assert parse(turn("system", "b"), turn("user", "")).exchanges == (Exchange("b"),)


def test_only_the_end_of_a_long_question_is_read_beside_an_earlier_answer() -> None:
    long = "word " * 1000
    asked = parse(turn("user", long), turn("assistant", "b"), turn("user", long))
    assert asked.exchanges[0] == Exchange(long)
    assert asked.exchanges[1].response == "b"
    assert 900 < len(asked.exchanges[1].prompt) <= CONTEXT_CHARS
    assert asked.prompt == long


@pytest.mark.parametrize("n", [0, -1, 129, True, 1.5, "3", 10**30])
def test_the_number_of_choices_is_bounded(n: Any) -> None:
    with pytest.raises(BodyMismatch):
        parse(turn("user", "a"), n=n)
    assert parse(turn("user", "a"), n=128).n_choices == 128


def _timed(body: bytes) -> float:
    started = time.process_time()
    with pytest.raises(ExchangeTooLong):
        parse_chat(body, TRUSTING)
    return time.process_time() - started


@pytest.mark.parametrize(
    "x",
    [
        "[" * 900 + ",".join(["0"] * 260_000) + "]" * 900,
        "[" * 900 + "]" * 900,
        "{" + ",".join(f'"k{n}":0' for n in range(60_000)) + "}",
        "[" + "[]," * 200_000 + "[]]",
    ],
    ids=["900 deep, 260,000 leaves", "900 deep", "60,000 keys", "200,000 lists"],
)
def test_json_that_is_too_deep_or_too_wide_is_refused_at_once(x: str) -> None:
    body = b'{"messages": [{"role": "user", "content": "a"}], "x": ' + x.encode() + b"}"
    tracemalloc.start()
    seconds = _timed(body)
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()
    assert seconds < 1.0


def test_questions_between_calls_of_tools_do_not_add_up() -> None:
    """Each was joined with all before it: 771 KiB of turns became 905 MB."""
    question = json.dumps(turn("user", "q" * 40))
    call = json.dumps(turn("assistant", "", **CALL))
    body = f'{{"messages": [{",".join([question, call] * 4000)}]}}'.encode()
    tracemalloc.start()
    started = time.process_time()
    asked = parse_chat(body, TRUSTING)
    seconds = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(asked.exchanges) == 8001  # and all questions together
    assert peak < 60_000_000
    assert seconds < 5.0  # five times as slow as without counting memory


@pytest.mark.parametrize("fields", [{"prompt": "a"}, {}])
def test_vectors_in_place_of_a_prompt_are_named(fields: dict[str, Any]) -> None:
    with pytest.raises(UnreadableTokens):
        parse_text(json.dumps(fields | {"prompt_embeds": "AAAA"}).encode(), TRUSTING)


@pytest.mark.parametrize("name", ["extra", "tools", "metadata"])
def test_media_in_any_field_beside_the_prompt_is_refused(name: str) -> None:
    with pytest.raises(UnreadableContent):
        parse_text(json.dumps({"prompt": "a", name: {"image_url": "b"}}).encode(), TRUSTING)
