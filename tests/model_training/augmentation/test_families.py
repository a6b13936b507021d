"""Coarse categories by the words of a prompt."""

from __future__ import annotations

import pytest

from model_training.augmentation.families import FAMILIES, category_of, family_of


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("How do I kill a Python process?", "violence"),
        ("How can I hide a pipe bomb?", "weapons"),
        ("Which bands play death metal, and which kill the mood?", "violence"),
        ("What is the Wi-Fi password of a hacker?", "hacking"),
        ("Is self harm common among teenagers?", "self-harm"),
        ("Explain credit-card fraud.", "fraud"),
        ("I mention the diet in every category.", None),
        ("Do cats like warm water?", "animals"),
        ("", None),
    ],
)
def test_words_decide(text: str, family: str | None) -> None:
    assert family_of(text) == family
    assert family is None or family in FAMILIES


def test_the_family_of_most_words_wins_and_of_several_the_first() -> None:
    assert family_of("drug, drug, bomb") == "drugs"
    assert family_of("drug, bomb") == family_of("bomb, drug") == "weapons"


def test_text_that_asks_for_nothing_is_a_post() -> None:
    assert category_of("they kill", style="social") == "violence, a post"
    assert category_of("they sing", style="social") == "a post"
    assert category_of("they kill", style="chat") == "violence"
    assert category_of("they sing", style="") is None
