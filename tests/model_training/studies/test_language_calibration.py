"""A calibration for each language pays where languages differ, and only there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_training.__main__ import main
from model_training.data.rows import Row, write_rows
from model_training.errors import DataInvalid
from model_training.studies.language_calibration import chosen, compare, markdown
from tests.tiny_student import build_tiny_artifact, tiny_rows


def population(*, shift: float, seed: int = 0) -> dict[str, Any]:
    """Two languages of calibrated margins, the second moved by `shift` nats, and a small third."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(scale=2.0, size=2000)
    labels = (rng.random(2000) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    languages = np.array(["de"] * 980 + ["zh"] * 980 + ["ru"] * 40)
    return {
        "margins": truth + np.where(languages == "zh", shift, 0.0),
        "labels": labels,
        "languages": languages,
        "folds": rng.integers(0, 5, size=2000),
    }


def test_where_languages_differ_each_does_better_by_itself() -> None:
    found = compare(**population(shift=2.0))
    assert set(found["languages"]) == {"de", "zh"}  # 40 rows cannot carry a fit
    for gain in found["gain_in_log_loss"].values():
        assert gain["interval_95"][0] > 0.02
    # The shared one is right for both together, and wrong for each.
    for one in found["languages"].values():
        assert one["own"]["ece_15"] < one["shared"]["ece_15"]
    assert found["together"]["own"]["ece_15"] < 0.05


def test_where_they_do_not_the_shared_one_is_as_good() -> None:
    gains = compare(**population(shift=0.0))["gain_in_log_loss"]
    for way in ("own", "own bias"):
        low, high = gains[way]["interval_95"]
        assert low < 0.002
        assert high < 0.01


def test_what_differs_between_sources_is_no_gain_for_a_language() -> None:
    """Each language has two sources, moved to either side: a fit on one misleads on the other."""
    found = population(shift=0.0)
    side = np.arange(2000) % 2
    found["margins"] = found["margins"] + np.where(side == (found["languages"] == "zh"), 1.5, -1.5)
    by_prompt = compare(**found)["gain_in_log_loss"]["own bias"]["mean"]
    by_source = compare(**{**found, "folds": side})["gain_in_log_loss"]["own bias"]["mean"]
    assert by_source < by_prompt - 0.01
    assert by_source < 0.0


def test_a_language_with_one_label_elsewhere_takes_the_shared_calibration() -> None:
    found = population(shift=2.0)
    found["folds"] = np.where(found["languages"] == "zh", found["labels"], 2)
    german, chinese = (compare(**found)["languages"][name] for name in ("de", "zh"))
    assert chinese["own"] == chinese["shared"]
    assert german["own"] == german["shared"]  # all of its rows are in one fold


def test_the_table_has_a_line_for_each_language_and_the_difference() -> None:
    text = markdown(compare(**population(shift=1.0)))
    assert "| de | 980 |" in text
    assert "| together | 1960 |" in text
    assert "Log loss with own bias: -" in text


def test_too_few_rows_say_so() -> None:
    with pytest.raises(DataInvalid, match="5000 rows of each label"):
        compare(**population(shift=0.0), fewest=5000)


def test_prompts_are_chosen_by_language_and_label_whatever_their_order() -> None:
    rows = [
        Row(source=f"chat.{language}", prompt=f"{language} {n}", response=response, label=n % 2)
        for language in ("de", "zh")
        for response in (None, "so")
        for n in range(20)
    ]
    found = chosen(rows, 3)
    assert len(found) == 12
    assert {row.response for row in found} == {None}
    assert {row.prompt for row in chosen(list(reversed(rows)), 3)} == {row.prompt for row in found}


def test_the_command_reads_a_run_and_a_published_student(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = build_tiny_artifact(tmp_path)
    rows = [row for row in tiny_rows(400, seed=3) if row.response is None]
    write_rows(tmp_path / "run/rows/calibration.jsonl", rows)
    arguments = ["language-calibration", "--artifact", str(artifact), "--of", str(tmp_path / "run")]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out/language_calibration.json").read_text())
    assert set(found) == {"prompts", "sources"}
    for one in found.values():
        assert set(one["languages"]) == {"en"}
        assert one["together"]["rows"] >= 100
    assert "| en |" in capsys.readouterr().out
