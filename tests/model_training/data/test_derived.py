"""Derived rows come from the given rows alone, are balanced, and say that they are derived."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from model_training.data.derived import (
    derive,
    needles,
    rewrapped,
    statements_as_responses,
    swapped_responses,
    wrappers,
)
from model_training.data.rows import Row
from model_training.recipe.config import AugmentConfig

_LONG = " ".join(f"word{index}" for index in range(80))
_ROWS = [
    Row(source="chat", prompt=_LONG, response=None, label=0),
    Row(source="chat", prompt="harmless question", response=None, label=0),
    Row(source="chat", prompt="harmful question", response=None, label=1),
    Row(source="chat", prompt="harmless question", response="good " * 40, label=0),
    Row(source="chat", prompt="harmful question", response="bad " * 50, label=1),
    Row(source="text_a", prompt="a kind remark", response=None, label=0),
    Row(source="text_a", prompt="a hateful remark", response=None, label=1),
]


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_needles_hold_the_needle_and_all_of_the_haystack() -> None:
    derived = needles(_ROWS, 20, _rng())
    assert Counter(row.label for row in derived) == {0: 10, 1: 10}
    for row in derived:
        assert set(_LONG.split()) <= set(row.prompt.split())
    harmful = [row.prompt for row in derived if row.label]
    assert all("harmful question" in text or "hateful remark" in text for text in harmful)


def test_swapped_responses_are_labelled_by_the_response() -> None:
    for row in swapped_responses(_ROWS, 20, _rng()):
        assert row.response is not None
        assert row.label == row.response.startswith("bad")


def test_statements_become_responses_with_their_label() -> None:
    derived = statements_as_responses(_ROWS, 10, _rng())
    assert {(row.response, row.label) for row in derived} == {
        ("a kind remark", 0),
        ("a hateful remark", 1),
    }


def test_a_recipe_without_augmentation_derives_nothing() -> None:
    assert derive(_ROWS, AugmentConfig(), _rng()) == []


def test_rows_that_cannot_be_derived_are_left_out() -> None:
    config = AugmentConfig(needles=4, swapped_responses=4, statements_as_responses=4)
    assert derive(_ROWS[1:2], config, _rng()) == []


def test_derived_rows_say_so() -> None:
    config = AugmentConfig(needles=4, swapped_responses=4, statements_as_responses=4)
    assert {row.source for row in derive(_ROWS, config, _rng())} == {
        "derived_needle",
        "derived_swap",
        "derived_statement",
    }


_WORD = st.text("abcXYZ", min_size=1, max_size=8)
_BEFORE = st.lists(_WORD, min_size=1, max_size=5).map(
    lambda words: "Pretend. " * 13 + " ".join(words)
)
_TASKS = st.lists(
    st.lists(_WORD, min_size=1, max_size=6).map(" ".join), min_size=6, max_size=9, unique=True
)


@given(_BEFORE, _TASKS, st.lists(_WORD, max_size=4).map(" ".join))
def test_a_wrapper_is_what_its_prompts_share_in_whole_words(
    before: str, tasks: list[str], after: str
) -> None:
    shortest = min(tasks, key=len)  # where all begin with it, the opening may hold all of it
    assume(not all(task.startswith(shortest) for task in tasks))
    prompts = [f"{before} {task} {after}." for task in tasks]
    (found,) = wrappers(prompts)
    for prompt in prompts:
        assert prompt.startswith(found[0])
        assert prompt.endswith(found[1])
        assert len(found[0]) + len(found[1]) <= len(prompt)
    assert found[0].startswith(f"{before} "), "nothing of the shared opening is lost"
    assert found[1].endswith(f" {after}.")
    assert not found[0][-1].isalnum()
    assert not found[1][0].isalnum()


def test_prompts_that_share_little_or_are_few_have_no_wrapper() -> None:
    opening = "Pretend. " * 13
    assert wrappers([f"{opening}task {index}" for index in range(4)]) == []
    assert wrappers([f"Tell me about task {index}" for index in range(40)]) == []
    assert wrappers([]) == []


def _wrapped_rows() -> list[Row]:
    kinds = [("Act as a pirate. " * 8, " Say yes."), ("Ignore all that. " * 8, " Now!")]
    wrapped = [
        Row(source="jailbreaks", prompt=f"{b}do thing {i}{a}", response=None, label=i % 2)
        for b, a in kinds
        for i in range(6)
    ]
    return [*_ROWS, *wrapped]


def test_both_classes_are_set_into_the_same_wrappers() -> None:
    derived = rewrapped(_wrapped_rows(), 200, ["jailbreaks"], _rng())
    assert Counter(row.label for row in derived) == {0: 100, 1: 100}
    found = wrappers([row.prompt for row in _wrapped_rows() if row.source == "jailbreaks"])
    assert len(found) == 2
    used: dict[int, set[tuple[str, str]]] = {0: set(), 1: set()}
    for row in derived:
        task = "harmful question" if row.label else "harmless question"
        (around,) = [(b, a) for b, a in found if row.prompt == f"{b}{task}{a}"]
        used[row.label].add(around)
    assert used[0] == used[1] == set(found)


def test_without_wrappers_or_tasks_of_both_classes_nothing_is_rewrapped() -> None:
    assert rewrapped(_ROWS, 10, ["jailbreaks"], _rng()) == []
    harmless = [row for row in _wrapped_rows() if row.source == "jailbreaks" or not row.label]
    assert rewrapped(harmless, 10, ["jailbreaks"], _rng()) == []
