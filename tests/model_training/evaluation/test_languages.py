"""Figures by language: counted by hand on a few rows, and shown in report and card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from model_training.data.multilingual import MEASURED
from model_training.data.rows import Row
from model_training.evaluation.languages import (
    language_figures,
    language_section,
    mean_auprc_interval,
)
from model_training.evaluation.model_card import model_card
from model_training.measures.figures import auprc
from model_training.measures.served import ScoredRows
from model_training.recipe.config import RunConfig
from model_training.recipe.multilingual import MultilingualConfig
from tests.tiny_student import tiny_config, tiny_policy

CONFIG = MultilingualConfig(
    languages=("de", "es", "it"),
    request_sources=("asks",),
    benign_sources=("benign",),
    held_out_sources=("posts",),
)
# source, label, margin; harmful from a margin of 0 on.
ROWS = [
    *(("asks.de", 1, 2.0), ("asks.de", 1, -1.0), ("benign.de", 0, -2.0), ("benign.de", 0, 1.0)),
    *(("asks.it", 1, 3.0), ("benign.it", 0, -3.0), ("benign.fr", 0, -3.0)),
    *((f"{MEASURED}.es", 1, 3.0), ("benign.es", 0, -3.0)),
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
    spanish = found["requests"]["es"]
    assert (spanish["translated"], german["translated"]) == (True, False)
    assert found["mean_auprc"] == {
        "learnt": german["auprc"],
        "not_learnt": 1.0,
        "translated": spanish["auprc"],
    }
    assert found["mean_auprc_interval_95"]["not_learnt"] == (1.0, 1.0)
    low, high = german["auprc_interval_95"]
    assert low <= german["auprc"] <= high
    assert found["held_out_sources"]["posts"]["auprc"] == 1.0


def _languages_of(topics: Sequence[str]) -> list[ScoredRows]:
    """Two languages that err on the same topic alone. topics: of the harmful rows."""
    margins = [-5.0 if topic == "missed" else 5.0 for topic in topics]
    return [
        ScoredRows(
            [
                *(
                    Row(
                        source=f"asks.{language}",
                        prompt=f"{n}",
                        response=None,
                        label=1,
                        topic=topic,
                    )
                    for n, topic in enumerate(topics)
                ),
                *(
                    Row(source=f"benign.{language}", prompt=f"b{n}", response=None, label=0)
                    for n in range(20)
                ),
            ],
            np.array([*margins, *np.linspace(-1.0, 1.0, 20)]),
        )
        for language in ("de", "it")
    ]


def test_the_interval_of_the_mean_draws_topics_for_all_languages_at_once() -> None:
    """Ten missed rows say less if they are one topic than if they are ten."""
    together = _languages_of([*["missed"] * 10, *(f"found {n}" for n in range(10))])
    apart = [
        ScoredRows([row.model_copy(update={"topic": None}) for row in part.rows], part.margins)
        for part in together
    ]
    mean = float(np.mean([auprc(part.margins, part.labels) for part in together]))
    widths = []
    for parts in (together, apart):
        low, high = mean_auprc_interval(parts, n_resamples=200)
        assert low <= mean <= high
        assert (low, high) == mean_auprc_interval(parts, n_resamples=200)
        widths.append(high - low)
    assert widths[0] > 1.3 * widths[1]


def test_report_and_card_name_the_languages(found: dict[str, Any]) -> None:
    text = language_section(found)
    assert "| de | yes | data set | 4 | 2 |" in text
    assert "| it | no | data set | 2 | 1 | 1.000 |" in text
    assert "| es | no | model | 2 | 1 | 1.000 |" in text
    assert "over those whose requests a model wrote" in text
    assert "| fr |" not in text
    assert "1.000 (1.000 to 1.000) over those without" in text
    assert "| posts | no | data set | 2 | 1 | 1.000 |" in text
    config = RunConfig.model_validate(
        {**tiny_config().model_dump(), "multilingual": CONFIG.model_dump()}
    )
    report: dict[str, Any] = {
        "test": {},
        "validation": {},
        "look_alikes": {},
        "model": {"size_bytes": 1, "quantization": "static"},
    }
    arguments: dict[str, Any] = {
        "sources": [],
        "rows_used": {},
        "soft_rows": 0,
        "pairs_by_language": {"en": 1200, "de": 30, "th": 4},
    }
    card = model_card(report, tiny_policy(), config, **arguments)
    assert "**Languages: de, es, it.**" in card
    assert "the\n  1,234 pairs that it learnt from, 34 are in other languages" in card
    assert "English only" not in card
    plain = model_card(report, tiny_policy(), tiny_config(), **arguments)
    assert "English only" in plain
    assert "On languages other than English, on code" in plain
