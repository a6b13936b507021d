"""Constructed statements fill every slot, use every template, and share words across the labels."""

from __future__ import annotations

import numpy as np

from model_training.constructed import SOURCE, statements


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
