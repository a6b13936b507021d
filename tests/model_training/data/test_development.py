"""Rows that choose come from sources that nothing is learnt from."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from model_training.data.development import development_rows
from model_training.data.rows import read_sources
from model_training.errors import DataInvalid
from model_training.recipe.config import DataConfig
from tests.tiny_data import build_tiny_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a development set: two pairs, one of them labelled twice."""
    folder = build_tiny_data(tmp_path)
    (folder / "dev").mkdir()
    pairs = [("a", "b", 1), ("a", "B.", 1), ("c", "d", 0), ("e", "f", None)]
    lines = [
        json.dumps({"source": "scored", "prompt": p, "response": r, "response_label": label})
        for p, r, label in pairs
    ]
    (folder / "dev" / "scored.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    catalogue = folder / "sources_extra.json"
    further = {"name": "scored", "file": "dev/scored.jsonl.gz", "split": "dev"}
    catalogue.write_text(json.dumps([*json.loads(catalogue.read_bytes()), further]))
    return folder


def test_a_development_set_and_what_is_left_out_can_be_used(data: Path) -> None:
    first, *others = [one.name for one in read_sources(data) if one.split == "train"]
    found = development_rows(data, DataConfig(sources=(first,)), ("scored", others[0]), 5)
    assert [(row.prompt, row.response, row.label) for row in found["scored"]] in (
        [("a", "b", 1), ("c", "d", 0)],
        [("c", "d", 0), ("a", "b", 1)],
    )
    assert len(found[others[0]]) == 5
    assert {row.source for row in found[others[0]]} == {others[0]}


def test_what_is_learnt_or_tested_cannot(data: Path) -> None:
    sources = read_sources(data)
    learnt = next(one.name for one in sources if one.split == "train")
    test = next(one.name for one in sources if one.split == "test")
    for name in (learnt, test, "openai_moderation_categories", "unknown"):
        with pytest.raises(DataInvalid, match="is not a development set"):
            development_rows(data, DataConfig(sources=(learnt,)), (name,), 5)
