"""Constructed statements fill every slot, use every template, and share words across the labels."""

from __future__ import annotations

import numpy as np
import pytest

from model_training.data.constructed import SOURCE, STORY_SOURCE, statements, stories


def test_statements_are_whole_and_labelled() -> None:
    rows = statements(400, np.random.default_rng(0))
    assert 300 < len(rows) <= 400
    assert not any("{" in row.prompt or "}" in row.prompt for row in rows)
    assert {row.source for row in rows} == {SOURCE}
    assert {row.response for row in rows} == {None}
    assert len({row.prompt for row in rows}) == len(rows)
    harmful = sum(row.label for row in rows)
    assert 0.4 < harmful / len(rows) < 0.7


def test_alarming_words_stand_on_both_sides() -> None:
    rows = statements(800, np.random.default_rng(0))
    sides = [" ".join(row.prompt.lower() for row in rows if row.label == label) for label in (0, 1)]
    for word in ("die", "cut", "burn", "find you", "kill", "immigrants", "knife"):
        assert all(word in side for side in sides), word


def test_none_are_made_where_none_are_asked_for() -> None:
    assert statements(0, np.random.default_rng(0)) == []


def test_a_story_is_harmful_where_one_of_its_sentences_is() -> None:
    rows = stories(300, np.random.default_rng(0))
    assert rows == stories(300, np.random.default_rng(0))
    assert {row.source for row in rows} == {STORY_SOURCE}
    assert len({row.prompt for row in rows}) == len(rows) > 290
    assert sum(row.label for row in rows) == pytest.approx(150, abs=5)
    harmless_alone = " ".join(row.prompt for row in rows if not row.label)
    for anchor in ("kill myself", "should be wiped out", "had sex"):
        assert anchor not in harmless_alone
        assert any(anchor in row.prompt for row in rows if row.label)
    # The kinds of sentence are mixed: a harmful story holds harmless sentences, too.
    assert any("school report" in row.prompt for row in rows if row.label)
