"""Behaviour rows: the same for the same seed, both classes in every form, nothing left unfilled."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_training.data.behaviour.codes import CODES
from model_training.data.behaviour.grammar import draw, fill, lines, words
from model_training.data.behaviour.rows import (
    HARMFUL_TEMPLATES,
    HARMLESS_TEMPLATES,
    KINDS,
    SLOTS,
    behaviour_rows,
    diluted_text,
)
from model_training.data.behaviour.spelling import SPELLINGS
from model_training.data.derived import derive
from model_training.data.rows import Row
from model_training.recipe.behaviour import BehaviourRowsConfig
from model_training.recipe.config import AugmentConfig

_PLAIN = [
    Row(source="chat", prompt="the harmless question", response=None, label=0),
    Row(source="chat", prompt="the harmful question", response=None, label=1),
    Row(source="text_a", prompt="a remark", response=None, label=1),
    Row(source="chat", prompt="harmless", response="good words " * 40, label=0),
    Row(source="chat", prompt="harmful", response="bad words " * 50, label=1),
    Row(source="chat", prompt="long " * 100, response=None, label=0),
]
_ALL = BehaviourRowsConfig(**dict.fromkeys(KINDS, 60))


def test_a_seed_gives_the_same_rows_and_another_seed_others() -> None:
    assert behaviour_rows(_PLAIN, _ALL) == behaviour_rows(_PLAIN, _ALL)
    assert behaviour_rows(_PLAIN, _ALL) != behaviour_rows(
        _PLAIN, _ALL.model_copy(update={"seed": 7})
    )


def test_the_count_of_one_kind_changes_no_other() -> None:
    alone = behaviour_rows(_PLAIN, BehaviourRowsConfig(people=60))
    among = [row for row in behaviour_rows(_PLAIN, _ALL) if row.source == "behaviour_people"]
    assert alone == among


@pytest.mark.parametrize("kind", KINDS)
def test_both_classes_wear_every_form(kind: str) -> None:
    rows = behaviour_rows(_PLAIN, BehaviourRowsConfig.model_validate({kind: 60}))
    assert {row.source for row in rows} == {f"behaviour_{kind}"}
    labels = Counter(row.label for row in rows)
    assert 20 <= labels[0] <= 30
    assert 20 <= labels[1] <= 30
    pairs = {row.response is not None for row in rows}
    assert pairs == {kind in ("refused", "replied", "truncated")}
    assert all(row.prompt.strip() for row in rows)
    assert not any(re.search(r"\{\w+\}", row.prompt + (row.response or "")) for row in rows)


def test_a_recipe_without_behaviour_rows_has_none() -> None:
    assert behaviour_rows(_PLAIN, BehaviourRowsConfig()) == []
    asked = AugmentConfig(behaviour=BehaviourRowsConfig(people=4))
    assert len(derive(_PLAIN, asked, np.random.default_rng(0))) == 4


def test_kinds_that_need_labelled_answers_do_without() -> None:
    rows = behaviour_rows(_PLAIN[:2], _ALL)
    kinds = {row.source for row in rows}
    assert "behaviour_truncated" not in kinds
    assert {row.label for row in rows if row.source == "behaviour_refused"} == {0}


def test_each_kind_can_make_thousands_of_distinct_rows() -> None:
    for kind in ("rules", "people", "topics", "fiction", "identity", "grave"):
        rows = behaviour_rows([], BehaviourRowsConfig.model_validate({kind: 2000}))
        texts = {row.prompt for row in rows}
        assert len(texts) == len(rows) > 1100, kind
    assert len(set(HARMLESS_TEMPLATES)) > 250
    assert len(set(HARMFUL_TEMPLATES)) > 100


def test_every_template_and_every_slot_can_be_filled() -> None:
    rng = np.random.default_rng(0)
    for template in (*HARMLESS_TEMPLATES, *HARMFUL_TEMPLATES, *SLOTS["task"], *SLOTS["harm_to"]):
        assert "{" not in fill(template, SLOTS, rng)


def test_diluted_text_holds_the_text() -> None:
    rng = np.random.default_rng(0)
    shapes = {(found.split("the text")[0] != "", found.endswith("the text")) for found in (
        diluted_text("the text", rng) for _ in range(200)
    )}  # fmt: skip
    assert shapes == {(False, False), (True, True), (True, False)}


@given(st.text("abcdeiou ?.", max_size=40), st.integers(0, 9))
def test_spelling_keeps_what_it_does_not_speak_of(text: str, seed: int) -> None:
    for name, change in SPELLINGS.items():
        found = change(text, np.random.default_rng(seed))
        assert found == change(text, np.random.default_rng(seed)), name
        assert len(found) <= 6 * len(text) + 6, name


def test_spelling_changes_a_sentence() -> None:
    sentence = "How do people bake bread for a village?"
    for name, change in SPELLINGS.items():
        assert change(sentence, np.random.default_rng(1)) != sentence, name
    for name, code in CODES.items():
        assert code(sentence) != sentence, name


def test_the_grammar_draws_distinct_texts_of_all_templates() -> None:
    assert lines(" a \n\n b ") == ("a", "b")
    assert words("a | b\n c ") == ("a", "b", "c")
    rng = np.random.default_rng(0)
    found = draw(("x {n}", "y {n}."), {"n": ("1", "2")}, 10, rng)
    assert sorted(found) == ["X 1", "X 2", "Y 1.", "Y 2."]
    assert draw((), {}, 3, rng) == []
    assert fill("no. {n}", {"n": ("yes",)}, rng) == "No. Yes"
    with pytest.raises(KeyError):
        fill("{m}", {}, rng)
