"""Shards are the same wherever and however often they are cut."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.exchange import Exchange

from model_training.recipe.augmentation import ClassifierTeacher, EnsembleTeacher
from model_training.teachers.llm import Call
from model_training.teachers.shards import SHARD_CALLS, planned, reads_of

RNG = random.Random(3)


def _call(number: int) -> Call:
    prompt = f"{number} {'x' * RNG.randrange(40)}" if number % 50 else "\u200b" * (number + 1)
    return Call(endpoint="classify", asked="t", body={"prompt": prompt})


CALLS = [_call(number) for number in range(5 * SHARD_CALLS + 77)]
READS = reads_of(EnsembleTeacher(kind="ensemble"))
PLAN = planned(CALLS, READS)


def test_every_call_is_in_one_shard_or_refused_and_neighbours_are_alike() -> None:
    keys = [call.key for shard in PLAN.shards for call in shard]
    assert sorted([*keys, *PLAN.refused]) == sorted(call.key for call in CALLS)
    assert PLAN.refused.keys() == {call.key for call in CALLS[::50]}
    assert {reply.refused for reply in PLAN.refused.values()} == {422}
    assert [len(shard) for shard in PLAN.shards[:-1]] == [SHARD_CALLS] * (len(PLAN.shards) - 1)
    lengths = [len(call.body["prompt"]) for shard in PLAN.shards for call in shard]
    assert lengths == sorted(lengths)


@given(st.sets(st.integers(0, len(PLAN.shards) - 1)))
def test_what_is_left_after_a_kill_is_cut_at_the_same_places(done: set[int]) -> None:
    kept = {call.key for number in done for call in PLAN.shards[number]}
    left = [call for call in CALLS if call.key not in kept]
    shards = [shard for number, shard in enumerate(PLAN.shards) if number not in done]
    assert planned(left, READS).shards == shards


@pytest.mark.parametrize(
    ("prompt", "student", "pair"),
    [("a", True, True), (" ", False, False), ("\u200b", False, True)],
    ids=ascii,
)
def test_what_can_be_read_is_what_the_tokenizer_takes(
    prompt: str, student: bool, pair: bool
) -> None:
    for format, expected in (("student", student), ("pair", pair)):
        config: Any = {"kind": "classifier", "folders": ["x"], "format": format}
        reads = reads_of(ClassifierTeacher.model_validate(config))
        assert reads(Exchange(prompt)) is expected
