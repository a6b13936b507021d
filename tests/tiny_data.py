"""A data folder of the documented schema, made of harmless words and the tiny student's three.

Its sources stand for the kinds of harm: two hold weapons, two hold hate, one of them both.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from model_training.data.rows import Row
from tests.tiny_student import tiny_rows

_CATEGORIES = {
    "taxonomy": ["weapons", "hate", "fraud"],
    "map": {
        "chat": {"*": ["weapons"]},
        "coconot": {"*": ["hate", "weapons"]},
        "benign_wrapped": {"*": ["hate"]},
        "openai_moderation_categories": {"*": ["weapons"]},
    },
}


def build_tiny_data(folder: Path, *, rows_per_source: int = 160) -> Path:
    """Writes sources.json, train/ and test/; returns the folder."""
    entries = [
        _write(folder, name, tiny_rows(rows_per_source, seed=seed), split="train")
        for seed, name in enumerate(("chat", "contrast_constructed", "coconot", "benign_wrapped"))
    ]
    entries.append(
        _write(folder, "forbidden", tiny_rows(8, seed=9), split="train", permissive=False)
    )
    pairs = [row for row in tiny_rows(120, seed=21) if row.response is not None]
    prompts = [row for row in tiny_rows(120, seed=22) if row.response is None]
    entries.append(_write(folder, "harmbench_eval", pairs, split="test"))
    entries.append(_write(folder, "openai_moderation", prompts, split="test"))
    (folder / "sources.json").write_text(json.dumps(entries))
    extra = _write(folder, "openai_moderation_categories", prompts, split="test_categories")
    (folder / "sources_extra.json").write_text(json.dumps([extra]))
    (folder / "categories.json").write_text(json.dumps(_CATEGORIES))
    return folder


def _write(
    folder: Path, name: str, rows: list[Row], *, split: str, permissive: bool = True
) -> dict[str, Any]:
    file = f"{split}/{name}.jsonl.gz"
    (folder / split).mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / file, "wt", encoding="utf-8") as lines:
        for row in rows:
            lines.write(json.dumps(_pool_row(name, row)) + "\n")
    return {
        "name": name,
        "file": file,
        "split": split,
        "rows": len(rows),
        "licence": "CC0",
        "permissive": permissive,
        "default": permissive and split == "train",
    }


def _pool_row(name: str, row: Row) -> dict[str, Any]:
    alone = row.response is None
    return {
        "source": name,
        "prompt": row.prompt,
        "response": row.response,
        "prompt_label": row.label if alone else None,
        "response_label": None if alone else row.label,
        "category": None,
    }
