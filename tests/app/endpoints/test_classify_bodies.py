"""A body is one of three forms or a typed refusal, whatever the bytes; replies are as promised."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.decision import OperatingPoint, student_verdict
from postern.contract.errors import BodyMismatch, MalformedBody, NothingToJudge
from postern.contract.exchange import Exchange
from postern.contract.moderation import (
    Identity,
    Judged,
    Moderation,
    Options,
    TextSpan,
    Timings,
    WorstWindow,
)
from postern.endpoints.classify_body import Asked, MessageIn, conversation, parse_classify
from postern.endpoints.classify_reply import ClassifyOut, classify_reply

NAMES = "prompt response inputs messages role content threshold fallback on_overflow"
FIELDS = st.sampled_from([*NAMES.split(), "operating_point", "other"])
TEXT = st.text(max_size=10)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(["user", "assistant", "system", "auto", "window", 0.5]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | TEXT, inner, max_size=5),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=400)
def test_no_json_raises_anything_but_our_own_errors(value: Any) -> None:
    with contextlib.suppress(MalformedBody, BodyMismatch, NothingToJudge):
        asked = parse_classify(json.dumps(value).encode())
        assert asked.exchanges
        assert len(asked.exchanges) == len(asked.turns)


@given(
    st.binary(max_size=60) | TEXT.map(lambda t: f'{{"prompt": "{t}"}}'.encode("utf-8", "ignore"))
)
@settings(max_examples=200)
def test_no_bytes_raise_anything_but_our_own_errors(body: bytes) -> None:
    with contextlib.suppress(MalformedBody, BodyMismatch):
        parse_classify(body)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)
@settings(max_examples=100)
def test_text_arrives_as_it_was_sent(prompt: str, response: str | None) -> None:
    one = parse_classify(json.dumps({"prompt": prompt, "response": response}).encode())
    assert one == Asked((Exchange(prompt, response),), (None,), Options())
    body = {"inputs": [{"prompt": prompt, "response": response}, {"prompt": prompt}]}
    several = parse_classify(json.dumps(body, ensure_ascii=False).encode())
    assert several.exchanges == (Exchange(prompt, response), Exchange(prompt))


def test_options_are_read_from_every_form() -> None:
    options = {
        "operating_point": "strict",
        "threshold": 0.25,
        "fallback": "never",
        "on_overflow": "reject",
    }
    expected = Options("strict", 0.25, "never", reject_long=True)
    for form in (
        {"prompt": "a"},
        {"inputs": [{"prompt": "a"}]},
        {"messages": [{"role": "user", "content": "a"}]},
    ):
        assert parse_classify(json.dumps(form | options).encode()).options == expected


@pytest.mark.parametrize("name", ["secret", "prompt\u200b", "x" * 50, ""])
def test_a_refusal_repeats_nothing_of_the_body(name: str) -> None:
    marker = "zzsecretzz"
    bodies: list[Any] = [
        {"prompt": "a", name + marker: marker},
        {"inputs": [{"prompt": marker, name + marker: 1}]},
        {"messages": [{"role": marker, "content": marker}]},
        {"prompt": "a", "fallback": marker},
        {"prompt": [marker]},
    ]
    for body in bodies:
        with pytest.raises(BodyMismatch) as refused:
            parse_classify(json.dumps(body).encode())
        assert marker not in str(refused.value)
        assert marker not in str(refused.value.problems)


def test_very_many_problems_are_not_all_told() -> None:
    body = json.dumps({f"field{index}": 1 for index in range(1000)}).encode()
    with pytest.raises(BodyMismatch) as refused:
        parse_classify(body)
    assert len(refused.value.problems) == 1


# --- conversations ----------------------------------------------------------------------------

ROLES = st.sampled_from(["user", "assistant", "system"])
MESSAGES = st.lists(st.tuples(ROLES, TEXT), min_size=1, max_size=12)


@given(MESSAGES)
@settings(max_examples=200)
def test_every_user_and_assistant_turn_is_judged_once_in_order(
    turns: list[tuple[Any, str]],
) -> None:
    messages = [MessageIn(role=role, content=content) for role, content in turns]
    expected = [index for index, (role, _) in enumerate(turns) if role != "system"]
    if not expected:
        with pytest.raises(NothingToJudge):
            conversation(messages)
        return
    judged = conversation(messages)
    assert [turn for turn, _ in judged] == expected
    for turn, exchange in judged:
        role, content = turns[turn]
        if role == "user":
            assert exchange == Exchange(content)
        else:
            open_turns = _since_last_answer(turns[:turn])
            expected_prompt = "\n".join(open_turns) if open_turns else None
            assert exchange == (
                Exchange(content) if expected_prompt is None else Exchange(expected_prompt, content)
            )


def _since_last_answer(turns: list[tuple[Any, str]]) -> list[str]:
    """The user turns that an answer here would answer: the latest unbroken run of them."""
    run: list[str] = []
    answered = False
    for role, content in turns:
        if role == "user":
            run = [content] if answered else [*run, content]
            answered = False
        elif role == "assistant":
            answered = True
    return run


def test_answers_to_the_same_turns_share_one_prompt_in_memory() -> None:
    messages = [MessageIn(role="user", content="a" * 1000)] * 2
    messages += [MessageIn(role="assistant", content="b")] * 50
    prompts = {id(exchange.prompt) for _, exchange in conversation(messages) if exchange.response}
    assert len(prompts) == 1


# --- replies ----------------------------------------------------------------------------------


def test_a_reply_is_what_the_schema_says() -> None:
    point = OperatingPoint(threshold=0.5, deferral_band=(0.4, 0.6))
    judged = tuple(Judged(student_verdict(p, point), 5, 1) for p in (0.123456789, 1.0))
    moderation = Moderation(judged, "balanced", Timings(0.0001, 0.002, 0.0, 0.0021234567))
    asked = Asked((Exchange("a"), Exchange("b")), (0, 2), Options())
    identity = Identity("name", "1.0.0", "0" * 64)
    reply = classify_reply(moderation, asked, request_id="r1", identity=identity)
    assert _as_schema(reply) == reply
    assert reply["harmful"] is True
    assert [one["probability"] for one in reply["results"]] == [0.123457, 1.0]
    assert [one["turn"] for one in reply["results"]] == [0, 2]
    assert reply["timings_ms"] == {"queue": 0.1, "inference": 2.0, "teacher": 0.0, "total": 2.123}
    outside = classify_reply(
        moderation, asked._replace(turns=(None, None)), request_id="r1", identity=identity
    )
    assert all("turn" not in one for one in outside["results"])
    assert all("worst_window" not in one for one in reply["results"])


@pytest.mark.parametrize("response", [None, TextSpan(10, 110, 400)])
def test_the_worst_window_is_as_the_schema_says(response: TextSpan | None) -> None:
    point = OperatingPoint(threshold=0.5, deferral_band=(0.4, 0.6))
    worst = WorstWindow(3, TextSpan(0, 60, 60), response)
    judged = (Judged(student_verdict(0.9, point), 460, 5, worst),)
    moderation = Moderation(judged, "balanced", Timings(0.0, 0.0, 0.0, 0.0))
    reply = classify_reply(
        moderation,
        Asked((Exchange("a"),), (None,), Options()),
        request_id="r1",
        identity=Identity("name", "1.0.0", "0" * 64),
    )
    assert _as_schema(reply) == reply
    assert reply["results"][0]["worst_window"] == {
        "index": 3,
        "prompt": {"start": 0, "end": 60, "tokens": 60},
        "response": None if response is None else {"start": 10, "end": 110, "tokens": 400},
    }


def _as_schema(reply: dict[str, Any]) -> dict[str, Any]:
    return ClassifyOut.model_validate(reply).model_dump(mode="json", exclude_unset=True)
