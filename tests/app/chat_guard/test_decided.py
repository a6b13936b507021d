"""The text that is told for a stage is the one that was blocked, or that passed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.chat_guard.bounds import ChatBudget
from postern.chat_guard.decided import Decided, Part, listen
from postern.chat_guard.judge import Judge, Stage
from postern.chat_guard.judged_before import JudgedBefore
from postern.chat_guard.pacing import ScoreRule
from postern.contract.decision import OperatingPoint, student_verdict
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged

from tests.app.chat_guard.test_streaming import BAD, played
from tests.scripted_upstream import DONE, chunk

POINT = OperatingPoint(threshold=0.5, deferral_band=(0.4, 0.6))


def judged(probability: float) -> Judged:
    return Judged(student_verdict(probability, POINT), 1, 1)


class Told:
    """The last that was told of each stage, and how often."""

    def __init__(self) -> None:
        self.last: dict[Stage, str] = {}
        self.times = 0
        self.decided = Decided(self._on_decided)

    def _on_decided(self, stage: Stage, exchange: Exchange, judged: Judged) -> None:
        self.last[stage] = exchange.response or exchange.prompt
        self.times += 1

    def tell(self, stage: Stage, *parts: tuple[int | None, str, float]) -> None:
        self.decided.tell(
            stage, [Part(place, Exchange(text), judged(found)) for place, text, found in parts]
        )


class PlayedPipeline:
    """Finds a word harmful, and a text without it the more so, the longer it is."""

    policy = SimpleNamespace(point=lambda *_, **__: None, default_operating_point="balanced")

    def __init__(self) -> None:
        self.asked = 0

    async def moderate(self, exchanges: Sequence[Exchange], *_: Any, **__: Any) -> Any:
        self.asked += len(exchanges)
        texts = [one.response or one.prompt for one in exchanges]
        found = [judged(0.9 if BAD in text else min(0.4, len(text) / 100)) for text in texts]
        return SimpleNamespace(judged=found, blocks=any(one.blocks for one in found))


def judge_of(pipeline: PlayedPipeline, *, entries: int = 8) -> Judge:
    return Judge(
        pipeline,  # type: ignore[arg-type]
        operating_point=None,
        max_items=8,
        slice_chars=10_000,
        budget=ChatBudget(exchanges=8, chars=10_000),
        before=JudgedBefore(entries=entries),
        clock=lambda: 0.0,
    )


def test_the_worst_of_each_stage_is_told() -> None:
    told = Told()
    told.tell("prompt", (0, "hello", 0.1), (2, "how to", 0.8), (None, "tool", 0.3))
    told.tell("response", (0, "no", 0.2))
    told.tell("response")
    assert told.last == {"prompt": "how to", "response": "no"}


def test_more_of_an_answer_counts_instead_of_its_beginning() -> None:
    told = Told()
    told.tell("response", (0, "read", 0.4))
    told.tell("response", (1, "sing", 0.3))  # no worse
    assert told.last == {"response": "read"}
    told.tell("response", (0, "read a book", 0.1))
    assert told.last == {"response": "read a book"}
    told.tell("response", (1, "sing a song", 0.2))
    assert told.last == {"response": "sing a song"}


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.0, 1.0)), min_size=1, max_size=20))
def test_a_choice_that_was_cut_stays_the_one_that_decides(came: list[tuple[int, float]]) -> None:
    told, cut, last = Told(), set[int](), dict[int, str]()
    for number, (choice, probability) in enumerate(came):
        if choice in cut:  # nothing more of it is judged
            continue
        last[choice] = f"{choice} {number}"
        if judged(probability).blocks:
            cut.add(choice)
        told.tell("response", (choice, last[choice], probability))
        decides = int(told.last["response"].split()[0])
        assert told.last["response"] == last[decides]
        assert not cut or decides in cut


@pytest.mark.parametrize("decides", [True, False])
def test_what_is_remembered_counts_and_what_is_doubted_does_not(decides: bool) -> None:
    pipeline = PlayedPipeline()
    judge = judge_of(pipeline)

    async def ask(stage: Stage, *texts: str) -> Told:
        told = Told()
        listen(told.decided)
        parts = [Exchange(text) for text in texts]
        await judge.judge(stage, [0] * len(parts), parts, timeout_s=1.0, decides=decides)
        return told

    longer = ("read", "read a book")
    assert asyncio.run(ask("prompt", *longer)).last == {"prompt": "read a book"}
    assert asyncio.run(ask("prompt", *longer)).last == {"prompt": "read a book"}
    assert pipeline.asked == 2
    found = asyncio.run(ask("response", "read", "a bomb"))
    assert found.last == ({"response": "a bomb"} if decides else {})


def test_without_a_listener_nothing_is_told() -> None:
    told = Told()

    def other_request() -> None:
        listen(told.decided)

    copy_context().run(other_request)
    asyncio.run(judge_of(PlayedPipeline()).judge("prompt", [0], [Exchange("a")], timeout_s=1.0))
    assert told.times == 0


WORDS = st.sampled_from(["read ", "a ", "book. ", "\n", "bomb ", "so on "])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 1), WORDS), min_size=1, max_size=20),
    st.sampled_from([0, 12, 1 << 30]),
    st.booleans(),
)
def test_of_a_stream_what_cut_it_is_told_or_what_passed(
    words: list[tuple[int, str]], doubt_tokens: int, ends: bool
) -> None:
    """Whatever is doubted in the middle, and even if the upstream breaks off."""
    told = Told()
    events = [chunk(word, index=choice) for choice, word in words]
    if ends:
        events += [*(chunk({}, index=n, finish="stop") for n in range(2)), DONE]

    def run() -> str:
        listen(told.decided)
        rule = ScoreRule("sentence", 4, 2000, doubt_tokens=doubt_tokens)
        judge: Any = judge_of(PlayedPipeline())
        return played(events, judge=judge, rule=rule, n=2)[1]

    ended = copy_context().run(run)
    texts = ["".join(word for choice, word in words if choice == n) for n in range(2)]
    said = told.last.get("response", "")
    assert (BAD in said) == (ended == "cut") or ended.startswith("UpstreamInvalid")
    if ended == "whole":
        assert said in texts
    elif ended != "cut" and BAD in said:
        assert doubt_tokens < 1 << 30  # a choice was cut before the other broke off
