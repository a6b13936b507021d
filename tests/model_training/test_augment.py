"""Derived rows come from the given rows alone, are balanced, and say that they are derived."""

from __future__ import annotations

from collections import Counter

import numpy as np

from model_training.augment import derive, needles, statements_as_responses, swapped_responses
from model_training.config import AugmentConfig
from model_training.rows import Row

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
