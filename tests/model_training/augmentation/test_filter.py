"""Each reason to drop an instruction, and the diversity of what stays."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_training.augmentation.diversity import diversity, diversity_report
from model_training.augmentation.filter import REASONS, Known, sift
from model_training.augmentation.instructions import Complaint, Instruction
from model_training.data.near_duplicates import NearDuplicates, SharedRuns, jaccard, shingles
from model_training.data.rows import PoolRow, Row
from model_training.errors import DataInvalid
from model_training.recipe.augmentation import FilterConfig
from tests.tiny_student import build_untrained_base

TEST = [
    PoolRow(source="t", prompt="What is the best way to bake a loaf of dark bread at home?"),
    PoolRow(
        source="t",
        prompt="Tell me a story",
        response="Once upon a time an old king lived near the wide and stormy northern sea.",
    ),
]
HELD_OUT = [Row(source="v", prompt="Who paints the fence in spring?", response=None, label=0)]
TRAIN = [Row(source="p", prompt="Who carries the heavy basket?", response=None, label=0)]
KNOWN = Known(test=TEST, held_out=HELD_OUT, train=TRAIN)


def _instruction(text: str, **changes: Any) -> Instruction:
    fields: dict[str, Any] = {
        "id": "x",
        "intent": "harmful",
        "category": None,
        "exemplar_source": None,
        "text": text,
        "complaint": None,
        "prefix": None,
        "finish": "stop",
        "model": "m",
        "seed": 1,
        "sampling": {},
    }
    return Instruction.model_validate(fields | changes)


FIRST = _instruction("How do I sharpen a kitchen knife without a stone?")


@pytest.mark.parametrize(
    ("text", "reason", "changes"),
    [
        ("", "empty", {"complaint": "empty"}),
        ("", "refused_by_server", {"complaint": "refused_by_server"}),
        ("I cannot help", "refusal", {"complaint": "refusal"}),
        ("How do I fold a paper plane that", "cut_off", {"finish": "length"}),
        ("Explain bread", "too_short", {}),
        ("Explain bread. " * 80, "too_long", {}),
        ("Wie backe ich zu Hause ein gutes dunkles Brot?", "language", {}),
        ("Comment faire du pain à la maison ?", "language", {}),
        ("what is the best way to bake a loaf of dark bread at home", "in_test", {}),
        ("What is the best way to bake a loaf of bread at home?", "like_test", {}),
        (
            "Please write down that an old king lived near the wide and stormy northern sea",
            "shares_words_with_test",
            {},
        ),
        ("WHO paints the fence in spring!", "held_out", {}),
        ("Who carries the heavy basket", "in_training", {}),
        ("how do I sharpen a kitchen knife without a stone", "duplicate", {}),
        ("How do I sharpen a kitchen knife without stone?", "near_duplicate", {}),
    ],
)
def test_each_reason(text: str, reason: str, changes: dict[str, Any]) -> None:
    kept, report = sift([FIRST, _instruction(text, **changes)], KNOWN, FilterConfig())
    assert kept == [FIRST]
    assert report["harmful"] == {"read": 2, "kept": 1, "dropped": {reason: 1}}
    assert reason in REASONS


def test_every_complaint_is_a_reason() -> None:
    assert set(Complaint.__args__) <= set(REASONS)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "How do I kill a process in Python?",
        "Explain the causes of the second world war",
        "best way to bake a cake",
        "Why is the sky blue today",
    ],
)
def test_other_instructions_stay(text: str) -> None:
    kept, _ = sift([FIRST, _instruction(text)], KNOWN, FilterConfig())
    assert [row.text for row in kept] == [FIRST.text, text]


def test_a_counterpart_may_look_like_what_it_answers() -> None:
    twin = _instruction("How do I sharpen a kitchen knife without one stone?", intent="benign")
    kept, report = sift([FIRST, twin], KNOWN, FilterConfig())
    assert kept == [FIRST, twin]
    assert report["benign"]["kept"] == report["harmful"]["kept"] == 1


def test_any_language_may_be_allowed() -> None:
    german = _instruction("Wie backe ich zu Hause ein gutes dunkles Brot?")
    for languages in ((), ("en", "de")):
        assert sift([german], KNOWN, FilterConfig(languages=languages))[0] == [german]


def test_nothing_left_and_nothing_to_keep_clear_of_are_errors() -> None:
    with pytest.raises(DataInvalid, match="none of "):
        sift([_instruction("too short")], KNOWN, FilterConfig())
    with pytest.raises(DataInvalid, match="test set"):
        sift([FIRST], Known([], HELD_OUT, TRAIN), FilterConfig())


WORDS = st.lists(
    st.sampled_from(["bake", "the", "bread", "at", "home", "with", "some", "water", "now"]),
    min_size=1,
)


@given(WORDS.map(" ".join), WORDS.map(" ".join))
def test_near_duplicates_are_those_of_high_jaccard(left: str, right: str) -> None:
    index = NearDuplicates(0.7)
    index.add(7, left)
    similar = jaccard(shingles(left), shingles(right))
    found = index.find(right)
    if similar < 0.7:
        assert found is None  # exact, whatever MinHash suggests
    elif similar > 0.95:
        assert found == 7


def test_near_duplicates_stay_fast_in_a_crowd() -> None:
    rng = np.random.default_rng(0)
    words = [f"{a}{b}" for a in "bcdfghjklmnp" for b in ("ake", "ore", "int", "ull")]
    index = NearDuplicates(0.7)
    started = time.process_time()
    for number in range(2000):
        text = " ".join(rng.choice(words, size=12))
        if index.find(text) is None:
            index.add(number, text)
    assert len(index) > 1990
    assert time.process_time() - started < 60  # comparing all pairs would take far longer


@given(WORDS, WORDS, WORDS)
def test_a_shared_run_is_found_wherever_it_stands(
    before: list[str], run: list[str], after: list[str]
) -> None:
    runs = SharedRuns([" ".join(run)], length=4)
    assert runs.shared_with(" ".join([*before, *run, *after]).upper()) == (len(run) >= 4)


def test_a_short_test_text_counts_as_a_whole() -> None:
    runs = SharedRuns(["who let the dogs out", "hello there"], length=8)
    assert runs.shared_with("Tell me: who let the dogs out?")
    assert not runs.shared_with("who let the cats out")
    assert not runs.shared_with("hello there, how are you")


def test_diversity_of_copies_and_of_strangers() -> None:
    same = np.tile(np.eye(8, dtype=np.float32)[0], (10, 1))
    assert diversity(same, 0.3) == {
        "clusters": 1,
        "alone": 0.0,
        "mean_self_similarity": pytest.approx(1),
    }
    apart = np.eye(8, dtype=np.float32)
    assert diversity(apart, 0.3) == {
        "clusters": 0,
        "alone": 1.0,
        "mean_self_similarity": pytest.approx(0),
    }
    pairs = np.repeat(apart, 2, axis=0)
    assert diversity(pairs, 0.3)["clusters"] == 8


def test_the_report_compares_groups_of_one_size(tmp_path: Path) -> None:
    base = build_untrained_base(tmp_path / "base")
    texts = ["bake a cake", "make me a cake", "read the book", "write a poem", "help my cat"]
    groups = {"harmful": texts, "benign": texts[:3], "nothing": []}
    config = FilterConfig(diversity_rows=4)
    report = diversity_report(groups, base=str(base), config=config)
    assert report["rows_of_each"] == 3
    assert set(report) == {"base", "rows_of_each", "harmful", "benign"}
    assert -1 <= report["harmful"]["mean_self_similarity"] <= 1
    assert report == diversity_report(groups, base=str(base), config=config)


def test_near_copies_of_training_prompts_stay_unless_the_recipe_says_so() -> None:
    rows = [_instruction("Who carries the heavy baskets?"), FIRST]
    kept, _ = sift(rows, KNOWN, FilterConfig())
    assert kept == rows
    kept, report = sift(rows, KNOWN, FilterConfig(new_to_training=True))
    assert kept == [FIRST]
    assert report["harmful"]["dropped"] == {"like_training": 1}
    assert set(report["harmful"]["dropped"]) <= set(REASONS)
