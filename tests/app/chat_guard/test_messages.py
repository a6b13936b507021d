"""A guarded stream of a message is the same however its bytes come, and ends as the whole would."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.chat_guard.hold_back import Bounds, HoldBack
from postern.chat_guard.messages import Messages
from postern.chat_guard.messages_request import parse_messages
from postern.chat_guard.pacing import ScoreRule
from postern.chat_guard.replies import Refusals
from postern.chat_guard.shape import Asked, Chunk, Reading
from postern.chat_guard.streaming import AnswerBlocked, GuardedStream, StreamRules
from postern.contract.errors import PosternError
from postern.dialects.anthropic_errors import anthropic_error_of

from tests.app.chat_guard.test_streaming import BAD, PlayedJudge, PlayedReply
from tests.scripted_messages import (
    PING,
    begin,
    block,
    close,
    delta,
    finish,
    message,
    sse,
    text_block,
    thought,
    tool_call,
)

READING = Reading(instructions=False, pass_media=False)
SHAPE = Messages(Refusals("No.", "tiny/1"), anthropic_error_of)


def asked(*messages: dict[str, Any], **fields: Any) -> Asked:
    turns = messages or ({"role": "user", "content": "tell me"},)
    body = {"messages": list(turns), "stream": True} | fields
    return parse_messages(json.dumps(body).encode(), READING)


def played(
    pieces: Sequence[bytes], *, as_error: bool = False, rule: ScoreRule
) -> tuple[bytes, str, PlayedJudge]:
    """(all that went out, how it ended, the judge)."""
    judge, request = PlayedJudge(), asked()
    stream = GuardedStream(
        PlayedReply(pieces),  # type: ignore[arg-type]
        request,
        SHAPE.stream(request),
        judge=judge,  # type: ignore[arg-type]
        hold_back=HoldBack[Chunk](rule, Bounds(5000, 100_000)),
        rules=StreamRules(rule.tail_chars, as_error, pass_media=False, timeout_s=1.0),
        observe_held=lambda _: None,
        count_unknown=lambda *_: None,
        clock=lambda: 0.0,
    )

    async def run() -> tuple[bytes, str]:
        out = b""
        try:
            async for piece in stream.pieces():
                out += piece
        except (PosternError, AnswerBlocked) as exc:
            return out, f"{type(exc).__name__}: {exc}"
        return out, "whole" if stream.blocked is None else "cut"

    return *asyncio.run(run()), judge


WORDS = st.sampled_from(
    ["read ", "a ", "book", ". ", ".", " And", "\n", "bomb ", "\u00e9\u4e66", "so on ", "1. ", ""]
)
BLOCK_EVENTS = st.one_of(
    st.builds(lambda words: text_block(0, *words), st.lists(WORDS, max_size=6)),
    st.builds(lambda word: thought(1, word), WORDS),
    st.builds(lambda words: tool_call(2, *words), st.lists(WORDS, max_size=3)),
    st.just([PING]),
    st.builds(lambda word: [sse("x_new", note=word)], WORDS),
    st.builds(lambda word: [delta(0, type="text_delta", text=word)], WORDS),
    st.just(finish()),
    st.just([b"data: nonsense\n\n"]),
    st.just([sse("error", error={"message": "busy", "code": 429})]),
)


@settings(max_examples=40)
@given(
    groups=st.lists(BLOCK_EVENTS, max_size=6),
    cuts=st.lists(st.integers(0, 3000), max_size=15),
    as_error=st.booleans(),
)
def test_the_pieces_of_the_bytes_change_nothing(
    groups: list[list[bytes]], cuts: list[int], as_error: bool
) -> None:
    rule = ScoreRule("sentence", 8, 200, doubt_tokens=12)
    whole = b"".join([begin(), *itertools.chain(*groups)])
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(bounds)]
    at_once = played([whole], as_error=as_error, rule=rule)
    in_pieces = played(pieces, as_error=as_error, rule=rule)
    assert in_pieces[:2] == at_once[:2]
    assert in_pieces[2].asked == at_once[2].asked
    if at_once[1] == "cut":
        kinds = [json.loads(one.split(b"data: ")[1])["type"] for one in _events(at_once[0])]
        assert kinds[0] == "message_start"
        assert kinds[-2:] == ["message_delta", "message_stop"]
        assert kinds.count("content_block_start") == kinds.count("content_block_stop")


def _events(out: bytes) -> list[bytes]:
    return [one for one in out.split(b"\n\n") if one]


@settings(max_examples=60)
@given(
    words=st.lists(WORDS, min_size=1, max_size=20),
    thoughts=st.lists(WORDS, max_size=6),
    city=st.sampled_from(["Paris", 'a "quoted" bomb', "so\non", "\u4e66"]),
)
def test_a_stream_is_read_as_the_whole_answer_is(
    words: list[str], thoughts: list[str], city: str
) -> None:
    """Where doubt has no end. The last score reads what the whole answer reads."""
    rule = ScoreRule("sentence", 8, 2000, doubt_tokens=1 << 30)
    called = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": city}}
    written = json.dumps(called["input"])
    told = [begin(), *thought(0, "".join(thoughts)), *text_block(1, *words)]
    told += [*tool_call(2, written[:5], written[5:]), *finish()]
    out, ended, judge = played(told, rule=rule)
    thinking = {"type": "thinking", "thinking": "".join(thoughts), "signature": "c2lnbg=="}
    said = {"type": "text", "text": "".join(words)}
    answer = SHAPE.read(json.dumps(message(thinking, said, called)).encode(), asked())
    assert judge.asked[-1] == (answer.said[0],)
    assert ended == ("cut" if BAD in answer.said[0] else "whole")
    assert (BAD.encode() in out) is False


def test_what_is_told_of_an_answer_that_is_cut_holds_no_words_of_the_upstream() -> None:
    rule = ScoreRule("sentence", 8, 200)
    words = {"id": "do it so", "model": "how to do it", "usage": {"output_tokens": "so it is"}}
    told = [begin(**words), *text_block(0, "a bomb. "), *finish()]
    out, ended, _ = played(told, rule=rule)
    assert ended == "cut"
    assert not any(word in out for word in (b"do it so", b"how to do it", b"so it is"))


@pytest.mark.parametrize("name", ["file", "encrypted_content", "input"])
def test_a_field_that_is_read_as_another_keeps_its_own_text(name: str) -> None:
    moved = {"source": {"type": "url", "url": "u"}, "data": "x y", "input": {"a": "b c"}}
    for kind in ("image", "redacted_thinking"):
        made = {"type": kind} | moved | {name: "so it is"}
        answer = SHAPE.read(json.dumps(message(made)).encode(), asked())
        assert "so it is" in answer.said[0]


def test_a_question_goes_on_across_tools() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "it rains"}
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "fine"},
        {"role": "user", "content": "and now"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    request = asked(*turns)
    assert request.prompt == "and now"
    assert [exchange.prompt for exchange in request.exchanges] == [
        *("first", "first", "and now", "and now", "it rains")
    ]
    assert request.turns == (0, 1, 2, 3, 4)
    assert asked(*turns, {"role": "assistant", "content": "so"}, turns[0]).prompt == "first"


def test_a_block_that_begins_with_text_is_read_with_what_follows() -> None:
    rule = ScoreRule("sentence", 8, 200)
    told = [begin(), block(0, {"type": "text", "text": "a bo"})]
    told += [delta(0, type="text_delta", text="mb. "), close(0), *finish()]
    out, ended, _ = played(told, rule=rule)
    assert (ended, b"a bo" in out) == ("cut", False)
