"""Prompts in disguise: the four attacks, and who wears them."""

from __future__ import annotations

import base64
import codecs
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_training.data.rows import Row
from model_training.studies.attacks import Attack, attacked, disguise
from tests.tiny_student import tiny_rows


def test_each_attack_can_be_read_back() -> None:
    text = "Bake a cake, now!"
    assert codecs.decode(disguise("rot13", seed=0)(text), "rot13") == text
    assert base64.b64decode(disguise("base64", seed=0)(text)).decode() == text
    assert disguise("leetspeak", seed=0)(text) == "B4k3 4 c4k3, n0w!"
    assert disguise(None, seed=0)(text) == text


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 50))
def test_a_substitution_is_one_alphabet_for_all_texts(seed: int) -> None:
    change = disguise("substitution", seed=seed)
    letters = change(string.ascii_lowercase)
    assert sorted(letters) == list(string.ascii_lowercase)
    back = str.maketrans(letters + letters.upper(), string.ascii_lowercase + string.ascii_uppercase)
    assert change("Bake a cake, now!").translate(back) == "Bake a cake, now!"


def _attacked(rows: list[Row], **changes: object) -> list[Row]:
    settings: dict[str, object] = {"count": 40, "longest": 400, "instruction": "Read:", "seed": 1}
    return attacked(rows, "rot13", **{**settings, **changes})  # type: ignore[arg-type]


def test_both_classes_wear_the_disguise_and_every_source_gives() -> None:
    rows = tiny_rows(400, seed=1)
    found = _attacked(rows)
    assert Counter(row.label for row in found) == {0: 20, 1: 20}
    plain = {row.prompt: row for row in rows}
    origins = [plain[codecs.decode(row.prompt.removeprefix("Read: "), "rot13")] for row in found]
    assert [row.label for row in origins] == [row.label for row in found]
    assert max(Counter(row.source for row in origins).values()) <= 16
    assert {row.source for row in found} == {"attack_unharmful", "attack_harmful"}
    assert all(row.response is None for row in found)


def test_the_same_prompts_are_drawn_for_every_attack() -> None:
    rows = tiny_rows(400, seed=1)
    settings = {"count": 40, "longest": 400, "instruction": "", "seed": 1}
    plain = attacked(rows, None, **settings)  # type: ignore[arg-type]
    disguised = _attacked(rows, instruction="")
    assert [codecs.encode(row.prompt, "rot13") for row in plain] == [r.prompt for r in disguised]


@pytest.mark.parametrize("attack", ["rot13", "base64", "leetspeak", "substitution"])
def test_no_long_prompt_is_attacked(attack: Attack) -> None:
    rows = [
        Row(source="s", prompt="x" * length, response=None, label=length % 2)
        for length in range(1, 30)
    ]
    found = attacked(rows, attack, count=100, longest=10, instruction="", seed=1)
    assert len(found) == 10
