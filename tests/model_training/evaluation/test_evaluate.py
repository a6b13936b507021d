"""The report: figures of a served tiny student, as JSON, Markdown, plots and model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_training.data.rows import Row, Source
from model_training.evaluation.evaluate import by_source, evaluate, figures, look_alike_figures
from model_training.evaluation.fit_policy import write_policy
from model_training.evaluation.model_card import model_card, write_model_card
from model_training.measures.served import ScoredRows
from model_training.recipe.config import RunConfig
from model_training.run.candidate import (
    COMPOSITION_PLOT,
    MODEL_CARD,
    PRECISION_RECALL_PLOT,
    RELIABILITY_PLOT,
    REPORT,
    REPORT_TEXT,
    read_json,
)
from tests.tiny_student import tiny_config, tiny_policy, tiny_rows


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two test sets, of the schema of the real one."""
    folder = tmp_path / "data"
    (folder / "test").mkdir(parents=True)
    catalogue = []
    for name in ("openai_moderation", "harmbench_eval"):
        pairs = name == "harmbench_eval"
        rows = [row for row in tiny_rows(160, seed=9) if (row.response is not None) == pairs]
        lines = [
            {
                "source": name,
                "prompt": row.prompt,
                "response": row.response,
                "prompt_label": None if pairs else row.label,
                "response_label": row.label if pairs else None,
            }
            for row in rows
        ]
        file = f"test/{name}.jsonl"
        (folder / file).write_text("".join(json.dumps(line) + "\n" for line in lines))
        catalogue.append(source(name, file=file, split="test"))
    (folder / "sources.json").write_text(json.dumps(catalogue))
    return folder


COMPOSITION = {"chat": {"prompt_0": 1200, "pair_1": 7}, "red": {"prompt_1": 30}}


def source(name: str, **changed: Any) -> dict[str, Any]:
    return {
        "name": name, "file": f"train/{name}.jsonl", "split": "train", "licence": "CC BY 4.0",
        "permissive": True, "default": True, **changed,
    }  # fmt: skip


def scored(labels: list[int], margins: list[float], *, name: str = "a") -> ScoredRows:
    rows = [
        Row(source=name, prompt=f"p{index}", response=None, label=label)
        for index, label in enumerate(labels)
    ]
    return ScoredRows(rows, np.array(margins))


def test_figures_of_a_known_set() -> None:
    found = figures(scored([0, 0, 1, 1], [-3.0, 3.0, -3.0, 3.0]), tiny_policy())

    assert found["at"]["balanced"] == {
        "f1": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "false_positive_rate": 0.5,
    }
    assert found["auprc"] == 0.5
    assert found["deferred_share"] == 0.0


def test_a_set_of_one_label_has_only_the_figures_that_exist() -> None:
    found = figures(scored([0, 0], [-3.0, 0.0]), tiny_policy())

    assert "auprc" not in found
    assert found["at"]["balanced"] == {"false_positive_rate": 0.5}
    assert found["deferred_share"] == 0.5


def test_look_alikes_are_pooled_by_source() -> None:
    small = scored([0, 1], [3.0, 3.0], name="coconot")
    large = scored([0] * 8, [-3.0] * 8, name="contrast_constructed")
    both = ScoredRows(small.rows + large.rows, np.concatenate([small.margins, large.margins]))
    found = look_alike_figures(both, tiny_policy())

    assert found["coconot"]["rows"] == 1
    assert found["coconot"]["balanced"] == 1.0
    assert found["pooled"]["balanced"] == 0.5
    assert set(by_source(both, tiny_policy())) == {
        "coconot, prompt",
        "contrast_constructed, prompt",
    }


def test_report_and_card_of_a_served_student(tiny_candidate: Path, data: Path) -> None:
    config = tiny_config("static")
    policy = write_policy(tiny_candidate, tiny_rows(160, seed=5), config, threads=1).policy
    validation = tiny_rows(120, seed=6)
    report = evaluate(
        tiny_candidate, policy, config, data=data, validation=validation, threads=1, n_resamples=50,
        composition=COMPOSITION,
    )  # fmt: skip

    assert report["test"]["openai_moderation"]["auprc"] > 0.95
    assert report["test"]["harmbench_eval"]["rows"] == 80
    low, high = report["test"]["harmbench_eval"]["interval_95"]["auprc"]
    assert low <= report["test"]["harmbench_eval"]["auprc"] <= high
    assert read_json(tiny_candidate / REPORT) == json.loads(json.dumps(report))
    text = (tiny_candidate / REPORT_TEXT).read_text()
    assert ".879" in text
    assert "## Limits" in text

    assert "| chat | 1,200 | 0 | 0 | 7 |" in text
    assert "| **all** | 1,200 | 30 | 0 | 7 |" in text

    plots = [PRECISION_RECALL_PLOT, RELIABILITY_PLOT, COMPOSITION_PLOT]
    for name in plots:
        assert (tiny_candidate / name).read_bytes().startswith(b"\x89PNG")
        assert f"({name})" in text  # beside the report, not on the network
    assert "http" not in text
    assert sum((tiny_candidate / name).stat().st_size for name in plots) < 200_000

    sources = [Source.model_validate(source(f"tiny_{index}")) for index in range(3)]
    write_model_card(tiny_candidate, policy, config, sources=sources, train=tiny_rows(30, seed=1))
    card = (tiny_candidate / MODEL_CARD).read_text()
    for needed in ("must not be used", "CC BY 4.0", "English only", "tiny_0", "Attribution"):
        assert needed in card
    assert not any(row.prompt in card + text for row in validation)


def _report(**model: Any) -> dict[str, Any]:
    return {"model": {"quantization": "static", "size_bytes": 2**20, **model}, "test": {},
            "validation": {}, "look_alikes": {}}  # fmt: skip


def _card(config: RunConfig, *, rows_used: dict[str, int] | None = None) -> str:
    return model_card(
        _report(), tiny_policy(), config, sources=[], rows_used=rows_used or {},
        soft_rows=0, pairs_by_language={},
    )  # fmt: skip


def test_the_card_says_what_the_encoder_is_and_who_taught_it() -> None:
    config = tiny_config("static")
    card = model_card(
        _report(encoder="deberta-v2", parameters=435_000_000),
        tiny_policy(), config, sources=[], rows_used={"chat": 900}, soft_rows=300,
        pairs_by_language={},
    )  # fmt: skip
    assert "fine-tuned tiny (435M parameters, deberta-v2)" in card
    assert "In the 300 rows with a teacher's probability, 0.5 of the loss" in card
    assert "300,000 draws" in card

    plain = _card(config, rows_used={"chat": 900})
    assert "fine-tuned tiny, served" in plain
    assert "started from" not in plain
    assert "teacher's probability" not in plain


def test_the_card_names_the_student_that_training_started_from() -> None:
    distil = {"base": "tiny", "artifact": "/somewhere/students/mine/2.0.0"}
    config = RunConfig.model_validate({**tiny_config().model_dump(), "distil": distil})
    card = _card(config)
    assert "- Training started from the weights of mine/2.0.0, whose own\n" in card
    assert "somewhere" not in card


def test_the_card_says_what_became_of_the_trained_weights() -> None:
    distil = {
        "base": "tiny",
        "average_share": 0.5,
        "mixes": [{"name": "broad", "n_draws": 5000}, {"name": "grave", "n_draws": 800}],
    }
    rounding = {"n_draws": 8000, "learning_rate": 1e-5}
    config = RunConfig.model_validate(
        {**tiny_config().model_dump(), "distil": distil, "rounding": rounding}
    )
    card = _card(config)
    assert "the mean of the weights over the last 50% of the steps" in card
    assert "derived rows; 5,800 draws," in card
    assert (
        "- The weights are the mean of 2 such trainings, which drew the rows in other shares: "
        "broad (5,000 draws), grave (800 draws).\n"
    ) in card
    assert "int8 graph: 8,000 draws, AdamW at 1e-05.\n" in card
    assert "best AUPRC" not in card


def test_the_card_of_an_imported_classifier_claims_no_training() -> None:
    config = RunConfig.model_validate(
        {**tiny_config().model_dump(), "imported": {"harmful_index": 1, "licence": "MIT"}}
    )
    card = _card(config, rows_used={"chat": 900})
    assert "taken over from tiny" in card
    assert "Licence of the weights: MIT." in card
    assert "AdamW" not in card
    assert "not to train it" in card
