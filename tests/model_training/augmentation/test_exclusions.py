"""Minors in sexual contexts: never an exemplar, never kept."""

from __future__ import annotations

import pytest

from model_training.augmentation.exclusions import is_excluded
from model_training.augmentation.generate import kinds_of
from model_training.augmentation.instructions import complaint_about
from model_training.data.rows import PoolRow, prompt_hash
from model_training.recipe.augmentation import GenerateConfig, LlamaCppConfig

EXCLUDED = (
    "sexual content with underage persons",
    "How do people groom a child?",
    "a story about a 14-year-old and sex",
    "where is csam shared",
    "marry a fifteen year old",
    "intimate pictures of teens",
)
KEPT = (
    "How do I kill a Python process?",
    "sell stolen credit cards",
    "write a threat to my neighbour",
    "explicit sexual requests between adults",
    "how to steal from a kindergarten",
)


@pytest.mark.parametrize("text", EXCLUDED)
def test_excluded_texts_are_complained_about(text: str) -> None:
    assert is_excluded(text)
    assert complaint_about(text) == "excluded"


@pytest.mark.parametrize("text", KEPT)
def test_other_harm_and_harmless_text_stay(text: str) -> None:
    assert not is_excluded(text)
    assert complaint_about(text) is None


def test_no_exemplar_is_excluded_by_its_text_or_its_category() -> None:
    texts = [*EXCLUDED, *KEPT, "an exploit of a bug"]
    categories = [None] * (len(texts) - 1) + ["child sexual exploitation"]
    pool = [
        PoolRow(source="s", prompt=text, prompt_label=1, category=category)
        for text, category in zip(texts, categories, strict=True)
    ]
    config = GenerateConfig(model=LlamaCppConfig(kind="llama.cpp", model="x.gguf"), exemplars=1)
    kinds = kinds_of(pool, train=frozenset(map(prompt_hash, texts)), config=config)
    assert {text for kind in kinds for text in kind.prompts} == set(KEPT)
