"""Figures by language: counted by hand on a few rows, and shown in report and card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model_training.data.rows import Row
from model_training.evaluation.languages import language_figures, language_section
from model_training.evaluation.model_card import model_card
from model_training.measures.served import ScoredRows
from model_training.recipe.config import RunConfig
from model_training.recipe.multilingual import MultilingualConfig
from tests.tiny_student import tiny_config, tiny_policy

CONFIG = MultilingualConfig(
    languages=("de", "it"),
    request_sources=("asks",),
    benign_sources=("benign",),
    held_out_sources=("posts",),
)
# source, label, margin; harmful from a margin of 0 on.
ROWS = [
    *(("asks.de", 1, 2.0), ("asks.de", 1, -1.0), ("benign.de", 0, -2.0), ("benign.de", 0, 1.0)),
    *(("asks.it", 1, 3.0), ("benign.it", 0, -3.0), ("benign.fr", 0, -3.0)),
    *(("posts.de", 1, 1.0), ("posts.de", 0, -1.0)),
]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    rows = [
        Row(source=source, prompt=f"text {n}", response=None, label=label)
        for n, (source, label, _) in enumerate(ROWS)
    ]
    scored = ScoredRows(rows, np.array([margin for _, _, margin in ROWS]))
    return language_figures(scored, tiny_policy(), CONFIG, learnt={"de"}, n_resamples=20)


def test_each_language_is_measured_by_itself(found: dict[str, Any]) -> None:
    german, italian, french = (found["requests"][name] for name in ("de", "it", "fr"))
    assert (german["rows"], german["harmful_rows"]) == (4, 2)
    assert (german["false_positive_rate"], german["recall"]) == (0.5, 0.5)
    assert (german["learnt"], italian["learnt"]) == (True, False)
    assert italian["auprc"] == 1.0
    assert (french["published"], "auprc" in french) == (False, False)
    assert found["mean_auprc"] == {"learnt": german["auprc"], "not_learnt": 1.0}
    low, high = german["auprc_interval_95"]
    assert low <= german["auprc"] <= high
    assert found["held_out_sources"]["posts"]["auprc"] == 1.0


def test_report_and_card_name_the_languages(found: dict[str, Any]) -> None:
    text = language_section(found)
    assert "| de | yes | 4 | 2 |" in text
    assert "| it | no | 2 | 1 | 1.000 |" in text
    assert "| fr |" not in text
    assert "| posts | no | 2 | 1 | 1.000 |" in text
    config = RunConfig.model_validate(
        {**tiny_config().model_dump(), "multilingual": CONFIG.model_dump()}
    )
    report: dict[str, Any] = {
        "test": {},
        "validation": {},
        "look_alikes": {},
        "model": {"size_bytes": 1, "quantization": "static"},
    }
    arguments: dict[str, Any] = {"sources": [], "rows_used": {}, "soft_rows": 0}
    card = model_card(report, tiny_policy(), config, **arguments)
    assert "**Languages: de, it.**" in card
    assert "English only" not in card
    plain = model_card(report, tiny_policy(), tiny_config(), **arguments)
    assert "English only" in plain
    assert "On languages other than English, on code" in plain
