"""Easy data augmentation: WordNet's files as they are, and four changes that keep their rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_training.data.eda import augmented, delete, insert, read_wordnet, replace, swap
from model_training.errors import RecipeInvalid

# Lines of WordNet's own kind: a licence, a count in hexadecimal, markers, words of several parts.
_NOUN = """\
  1 This software and database is being provided to you under the following license
00001740 03 n 0c cake 0 bar 1 loaf 0 slab 0 block 0 brick 0 lump 0 tablet 0 bun 0 pie 0 tart 0 \
sponge_cake 0 001 @ 00001930 n 0000 | something baked
00001930 03 n 01 entity 0 000 | that which is
00002137 03 n 02 Cake 0 patty 0 000 | small flat mass
"""
_ADJ = "00001740 00 s 02 quick(a) 0 fast(p) 0 000 | moving with speed\n"
SYNONYMS = {"cake": ["loaf", "tart"], "quick": ["fast"]}


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    for name, text in (("noun", _NOUN), ("verb", ""), ("adj", _ADJ), ("adv", "")):
        (tmp_path / f"data.{name}").write_text(text)
    return tmp_path


def test_words_of_a_synset_are_synonyms(wordnet: Path) -> None:
    found = read_wordnet(wordnet)
    assert found["quick"] == ["fast"]
    assert "patty" in found["cake"]  # of another synset, whatever the case
    assert "tart" in found["cake"]  # the eleventh of twelve
    assert "entity" not in found  # alone
    assert not any("_" in word for words in found.values() for word in words)
    assert "cake" not in found["cake"]


@pytest.mark.parametrize("damage", ["missing", "short", "binary"])
def test_other_files_are_one_clear_line(wordnet: Path, damage: str) -> None:
    path = wordnet / "data.verb"
    match damage:
        case "missing":
            path.unlink()
        case "short":
            path.write_text("00001740 29 v\n")
        case "binary":
            path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeInvalid, match=r"data\.verb"):
        read_wordnet(wordnet)


def test_each_change_does_what_its_name_says() -> None:
    rng = np.random.default_rng(0)
    words = ["bake", "a", "Quick", "cake,", "please"]
    assert replace(words, 9, SYNONYMS, rng)[:3] == ["bake", "a", "fast"]
    assert replace(words, 9, SYNONYMS, rng)[3] in ("loaf,", "tart,")
    inserted = insert(words, 2, SYNONYMS, rng)
    assert len(inserted) == 7
    assert [word for word in inserted if word in words] == words
    assert sorted(swap(words, 3, SYNONYMS, rng)) == sorted(words)
    assert swap(words, 1, SYNONYMS, rng) != words
    assert len(delete(words, 2, SYNONYMS, rng)) == 3


def test_function_words_have_no_synonyms() -> None:
    words = ["a", "the"]
    assert replace(words, 2, {"a": ["angstrom"]}, np.random.default_rng(0)) == words


@settings(deadline=None, max_examples=40)
@given(text=st.text(max_size=60), seed=st.integers(0, 99))
def test_no_text_breaks_it_and_none_becomes_empty(text: str, seed: int) -> None:
    found = augmented(text, SYNONYMS, np.random.default_rng(seed))
    assert bool(found.strip()) == bool(text.strip())
    again = augmented(text, SYNONYMS, np.random.default_rng(seed))
    assert found == again
