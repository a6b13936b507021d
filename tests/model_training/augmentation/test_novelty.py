"""How far kept instructions are from the train split, beside labelled prompts as a yardstick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_training.augmentation.filter import Known
from model_training.augmentation.instructions import Instruction
from model_training.augmentation.novelty import nearest, novelty
from model_training.augmentation.variety import variety_report
from model_training.data.rows import Row
from model_training.measures.plots import plot_novelty
from model_training.recipe.augmentation import FilterConfig
from tests.tiny_student import build_untrained_base


def test_the_nearest_of_all_is_found() -> None:
    known = np.eye(4, dtype=np.float32)
    rows = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0]], dtype=np.float32)
    assert nearest(np.tile(rows, (300, 1)), known) == pytest.approx([1.0, 0.8] * 300)


def test_far_is_below_the_threshold() -> None:
    report = novelty(np.array([1.0, 0.8, 0.79, -0.1], dtype=np.float32), 0.8)
    assert report["rows"] == 4
    assert report["far"] == 0.5
    assert sum(report["histogram"]) == 4
    assert report["histogram"][0] == report["histogram"][-1] == 1
    assert report["quantiles"]["0.5"] == pytest.approx(0.795)


def _row(text: str, label: int, response: str | None = None) -> Row:
    return Row(source="s", prompt=text, response=response, label=label)


def _instruction(text: str, intent: str) -> Instruction:
    fields: dict[str, Any] = dict.fromkeys(("category", "exemplar_source", "complaint", "prefix"))
    fields |= {"id": "x", "finish": "stop", "model": "m", "seed": 1, "sampling": {}}
    return Instruction.model_validate(fields | {"intent": intent, "text": text})


def test_what_is_known_is_not_new(tmp_path: Path) -> None:
    base = str(build_untrained_base(tmp_path / "base"))
    rows = [
        _instruction("please bake a cake", "harmful"),
        _instruction("tell me a story about the sea", "harmful"),
        _instruction("build a house of sand", "benign"),
    ]
    known = Known(
        test=[],
        held_out=[_row("you can use some flour", 1), _row("long " * 50, 1)],
        train=[
            _row("please bake a cake", 1),
            _row("build a house of sand", 0, response="yes"),  # a pair is no prompt to learn from
            _row("learn music", 0),
        ],
    )
    config = FilterConfig(diversity_rows=0, novelty_rows=10, far_below=0.999)
    report = variety_report(rows, known, base=base, config=config)
    found = report["novelty"]
    assert found["known"] == 2
    assert found["harmful"]["far"] == 0.5  # the copy is near
    assert found["benign"] == {**found["benign"], "rows": 1, "far": 1.0}
    assert found["held_out_harmful"]["rows"] == 1  # of like length alone
    assert "held_out_benign" not in found
    assert report == variety_report(rows, known, base=base, config=config)
    assert plot_novelty(found).startswith(b"\x89PNG")


def test_no_report_where_none_is_asked_for() -> None:
    config = FilterConfig(diversity_rows=0, novelty_rows=0)
    known = Known(test=[], held_out=[], train=[])
    assert variety_report([], known, base="none", config=config) == {}
