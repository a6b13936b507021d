"""The category map: which labels a harmful row carries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_training.data.categories import (
    CategoryMap,
    category_tests,
    kinds_of_pool,
    read_category_map,
    with_kinds,
)
from model_training.data.rows import PoolRow, Row
from model_training.errors import DataInvalid
from tests.tiny_data import build_tiny_data

KNOWN = CategoryMap(
    taxonomy=("hate", "weapons", "fraud"),
    map={
        "forum": {
            "*": ("hate",),
            "arms": ("weapons",),
            "money*": ("fraud",),
            "money/arms*": ("weapons", "fraud"),
        },
        "chat": {"arms": ("weapons",)},
    },
)


@pytest.mark.parametrize(
    ("source", "category", "labels"),
    [
        ("forum", "arms", {"weapons"}),
        ("forum", "arms!", {"hate"}),
        ("forum", None, {"hate"}),
        ("forum", "money", {"fraud"}),
        ("forum", "money/arms/rifles", {"weapons", "fraud"}),
        ("chat", "arms", {"weapons"}),
        ("chat", "other", set()),
        ("chat", None, set()),
        ("nowhere", "arms", set()),
    ],
)
def test_the_longest_beginning_counts(source: str, category: str | None, labels: set[str]) -> None:
    assert KNOWN.labels_of(source, category) == labels


def test_only_harmful_rows_have_kinds_and_only_those_of_their_own_text() -> None:
    both = PoolRow(
        source="chat", prompt="p", response="r", prompt_label=0, response_label=1, category="arms"
    )
    alone = PoolRow(source="forum", prompt="p", prompt_label=1)
    kinds = kinds_of_pool([both, alone], KNOWN)
    rows = [
        Row(source="chat", prompt="p", response=None, label=0),
        Row(source="chat", prompt="p", response="r", label=1),
        Row(source="forum", prompt="p", response=None, label=1),
        Row(source="forum", prompt="q", response=None, label=1),
        Row(source="behaviour", prompt="p", response=None, label=1),
    ]
    found = with_kinds(rows, kinds)
    assert [(one.row.source, set(one.labels)) for one in found] == [
        ("chat", {"weapons"}),
        ("forum", {"hate"}),
    ]


def test_the_test_sets_with_categories_are_found(tmp_path: Path) -> None:
    data = build_tiny_data(tmp_path)
    (name,) = category_tests(data)
    assert name == "openai_moderation_categories"
    assert read_category_map(data).labels_of(name, None) == {"weapons"}
    (data / "sources_extra.json").unlink()
    assert category_tests(data) == {}


def test_a_damaged_map_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"categories\.json: cannot be read"):
        read_category_map(tmp_path)
    (tmp_path / "categories.json").write_text(json.dumps({"taxonomy": ["hate"]}))
    with pytest.raises(DataInvalid, match="map"):
        read_category_map(tmp_path)
    (tmp_path / "sources_extra.json").write_text("[{}]")
    with pytest.raises(DataInvalid, match=r"sources_extra\.json"):
        category_tests(tmp_path)
