"""A guarded stream is the same however the bytes of the upstream come, and ends as the whole would.

The upstream and the judge are played: what is judged harmful is what holds a word.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.chat_guard.answers import read_completion
from postern.chat_guard.bounds import MAX_CHOICES
from postern.chat_guard.completions import CHAT, ChatCompletions
from postern.chat_guard.conversation import CompletionRequest, parse_chat
from postern.chat_guard.events import chunks_of
from postern.chat_guard.hold_back import Bounds, HoldBack
from postern.chat_guard.judge import Judgement, Stage
from postern.chat_guard.pacing import ScoreRule
from postern.chat_guard.replies import Refusals
from postern.chat_guard.shape import Chunk, Reading
from postern.chat_guard.streaming import AnswerBlocked, GuardedStream, StreamRules
from postern.contract.decision import Verdict
from postern.contract.errors import PosternError, UpstreamInvalid
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged
from postern.dialects.openai_errors import openai_error_of

from tests.scripted_upstream import DONE, chunk

BAD = "bomb"
RULE = ScoreRule("sentence", 8, 200, doubt_tokens=12)


class PlayedJudge:
    """Remembers what it judged."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, ...]] = []

    async def judge(
        self,
        stage: Stage,
        places: Sequence[int | None],
        exchanges: Sequence[Exchange],
        *,
        timeout_s: float,
        remember: bool = True,
        decides: bool = True,
    ) -> Judgement:
        self.asked.append(tuple(one.response for one in exchanges))
        judged = [_judged(BAD in (one.response or one.prompt)) for one in exchanges]
        return Judgement(stage, tuple(zip(places, judged, strict=True)), "balanced")


def _judged(harmful: bool) -> Judged:
    verdict = Verdict(
        harmful=harmful,
        probability=0.9 if harmful else 0.1,
        threshold=0.5,
        deferral_band=(0.4, 0.6),
        decided_by="student",
        deferred=False,
        degraded=False,
        student_probability=0.9 if harmful else 0.1,
        teacher_probability=None,
    )
    return Judged(verdict, 1, 1)


class PlayedReply:
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def asked(**fields: Any) -> CompletionRequest:
    body = {"messages": [{"role": "user", "content": "tell me"}], "stream": True} | fields
    return parse_chat(json.dumps(body).encode(), Reading(instructions=False, pass_media=False))


def played(
    pieces: Sequence[bytes],
    *,
    as_error: bool = False,
    rule: ScoreRule = RULE,
    judge: PlayedJudge | None = None,
    **fields: Any,
) -> tuple[bytes, str, PlayedJudge]:
    """(all that went out, how it ended, the judge)."""
    judge = judge or PlayedJudge()
    request = asked(**fields)
    shape = ChatCompletions(Refusals("No.", "tiny/1"), openai_error_of)
    stream = GuardedStream(
        PlayedReply(pieces),  # type: ignore[arg-type]
        request,
        shape.stream(request),
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
DELTAS = st.one_of(
    st.builds(lambda text: {"content": text}, WORDS),
    st.builds(lambda text: {"reasoning": text}, WORDS),
    st.builds(lambda text: {"content": text, "refusal": text}, WORDS),
    st.just({"role": "assistant"}),
    st.builds(
        lambda text: {"tool_calls": [{"index": 0, "id": "c1", "function": {"arguments": text}}]},
        WORDS,
    ),
)
EVENTS = st.lists(
    st.one_of(
        st.builds(lambda delta, index: chunk(delta, index=index), DELTAS, st.integers(0, 1)),
        st.builds(lambda index: chunk({}, index=index, finish="stop"), st.integers(0, 1)),
        st.sampled_from(
            [
                b": note\n\n",
                b'data: {"id": "x", "choices": [], "usage": {"total_tokens": 3}}\n\n',
                b'data: {"id": "x", "choices": [], "note": "two words"}\n\n',
                b"data: nonsense\n\n",
                b"data: \xff\n\n",
                b'data: {"error": {"message": "busy", "code": 429}}\n\n',
                DONE,
            ]
        ),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(
    events=EVENTS,
    cuts=st.lists(st.integers(0, 3000), max_size=15),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    as_error=st.booleans(),
)
def test_the_pieces_of_the_bytes_change_nothing(
    events: list[bytes], cuts: list[int], line_end: bytes, as_error: bool
) -> None:
    whole = b"".join(events).replace(b"\n", line_end)
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(bounds)]
    at_once = played([whole], as_error=as_error, n=2)
    in_pieces = played(pieces, as_error=as_error, n=2)
    bytewise = played([whole[n : n + 1] for n in range(len(whole))], as_error=as_error, n=2)
    for other in (in_pieces, bytewise):
        assert other[:2] == at_once[:2]
        assert other[2].asked == at_once[2].asked


@settings(max_examples=60)
@given(words=st.lists(WORDS, min_size=1, max_size=25), reasons=st.lists(WORDS, max_size=10))
def test_a_stream_is_cut_exactly_where_the_whole_answer_would_be(
    words: list[str], reasons: list[str]
) -> None:
    """Where doubt has no end. And the last score reads what the whole answer reads."""
    rule = ScoreRule("sentence", 8, 2000, doubt_tokens=1 << 30)
    events = [chunk({"reasoning": word}) for word in reasons] + list(map(chunk, words))
    out, ended, judge = played([*events, chunk({}, finish="stop"), DONE], rule=rule)
    said, thought = "".join(words), "".join(reasons)
    message = {"role": "assistant", "content": said, "reasoning": thought}
    content = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    answer = read_completion(json.dumps(content).encode())
    if said or thought:
        assert judge.asked[-1] == (answer.said[0],)
    assert ended == ("cut" if BAD in said or BAD in thought else "whole")
    assert (BAD in _text(out)) is False


def _text(out: bytes) -> str:
    found = [json.loads(one[6:]) for one in out.split(b"\n\n") if one[6:] not in (b"", b"[DONE]")]
    return "".join(part["delta"].get("content") or "" for one in found for part in one["choices"])


def test_what_came_before_something_broken_is_released_all_the_same() -> None:
    good = chunk("Read a book with your friends. ")
    for pieces in ([good + b"data: {\n\n"], [good, b"data: {\n\n"]):
        out, ended, _ = played(pieces)
        assert _text(out) == "Read a book with your friends. "
        assert ended.startswith("UpstreamInvalid")


def test_a_doubtful_first_sentence_is_held_until_more_is_known() -> None:
    """'That is a great question.' alone was cut; the whole answer is harmless."""

    class Hasty(PlayedJudge):
        async def judge(self, *args: Any, **options: Any) -> Judgement:
            judgement = await super().judge(*args, **options)
            short = len(self.asked[-1][0] or "") < 40
            return Judgement("response", ((0, _judged(short)),), judgement.operating_point)

    events = [chunk("That is a great question. "), chunk("You take flour and water. ")]
    out, ended, _ = played([*events, chunk({}, finish="stop"), DONE], judge=Hasty())
    assert ended == "whole"
    assert _text(out) == "That is a great question. You take flour and water. "


def test_what_is_told_of_an_answer_that_is_cut_holds_no_words_of_the_upstream() -> None:
    words = {"id": "do it so", "model": "how to do it", "created": "so it is"}
    event = json.loads(chunk("a bomb. ")[6:]) | words
    event["choices"][0]["finish_reason"] = "stop"
    out, ended, _ = played([f"data: {json.dumps(event)}\n\n".encode(), DONE])
    assert ended == "cut"
    assert not any(word.encode() in out for word in words.values())


@pytest.mark.parametrize(("keys", "choices"), [(12_000, 12_000), (4000, 4000), (100, 129)])
def test_fields_beside_choices_are_not_multiplied(keys: int, choices: int) -> None:
    fields = {f"k{n}": 0 for n in range(keys)}
    event = json.dumps(fields | {"choices": [{"index": 0}] * choices})
    with pytest.raises(UpstreamInvalid):
        chunks_of(event, CHAT.piece)


def test_as_many_choices_as_may_be_share_what_stands_beside_them() -> None:
    event = {f"k{n}": 0 for n in range(4000)} | {"id": "x"}
    found = chunks_of(json.dumps(event | {"choices": [{"index": 0}] * MAX_CHOICES}), CHAT.piece)
    assert [len(one.content) for one in found] == [4002] + [2] * (MAX_CHOICES - 1)
