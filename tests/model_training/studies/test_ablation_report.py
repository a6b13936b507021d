"""Arms, seeds and the table that they end in, without any training."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from model_training.recipe.config import read_recipe_as
from model_training.studies.ablation_report import (
    ablation_markdown,
    has_curve,
    plot_arms,
    plot_curve,
    summary,
)
from model_training.studies.config import AblationConfig, Arm, StudyRecipe
from tests.server_process import ROOT


def _record(arm: str, seed: int, auprc: float) -> dict[str, Any]:
    figures = {"auprc": auprc, "ece_15": 0.1, "at": {"balanced": {"f1": 0.5}}}
    return {
        "arm": arm, "seed": seed, "rows": 100 if arm == "soft" else 140, "steps": 12,
        "graph": "none", "validation": {"prompt": figures, "pair": {**figures, "auprc": 0.7}},
        "look_alikes": {"pooled": {"balanced": 0.04}}, "sets": {"test, t": figures},
    }  # fmt: skip


def test_means_and_deviations_are_those_of_the_seeds() -> None:
    arms = [{"name": "soft"}, {"name": "eda", "eda": True}, {"name": "harmaug"}]
    ablation = {"arms": arms, "curve": ["soft", "harmaug"]}
    recipe = {"name": "ablation", "version": "0.1", "distil": {"base": "tiny"}}
    config = StudyRecipe.model_validate({**recipe, "ablation": ablation})
    assert config.ablation is not None
    records = [_record("soft", 1, 0.5), _record("soft", 2, 0.7), _record("harmaug", 1, 0.9)]
    found = summary(config.ablation, records, config)
    soft, harmaug = found["arms"]
    assert soft["mean"]["AUPRC, t"] == pytest.approx(0.6)
    assert soft["sd"]["AUPRC, t"] == pytest.approx(0.1 * 2**0.5)
    assert soft["mean"]["AUPRC, validation"] == pytest.approx(0.65)
    assert harmaug["sd"]["AUPRC, t"] is None
    text = ablation_markdown(found)
    assert "0.600 ± 0.141" in text
    assert "| 0.900 |" in text
    assert found["curve"] == ["soft", "harmaug"]
    for plot in (plot_arms, plot_curve):
        assert plot(found).startswith(b"\x89PNG")
    # The curve has the seeds that all of its arms have: seed 2 of one arm changes nothing.
    shared = summary(config.ablation, [records[0], records[2]], config)
    assert plot_curve(shared) == plot_curve(found)
    assert plot_arms(shared) != plot_arms(found)
    assert has_curve(found)
    without = summary(config.ablation, records[1:], config)
    assert not has_curve(without)
    assert "ablation_curve.png" in text
    assert "ablation_curve.png" not in ablation_markdown(without)


def test_a_table_has_a_row_for_each_arm_with_its_spread() -> None:
    arms = [
        {
            "name": name, "about": about, "rows": rows,
            "runs": {seed: {"AUPRC, t": 0.812, "over-refusal": 0.04} for seed in ("1", "2")},
            "mean": {"AUPRC, t": 0.812, "over-refusal": 0.04},
            "sd": {"AUPRC, t": 0.02, "over-refusal": None},
        }
        for name, about, rows in (("soft", "soft labels", 100), ("harmaug", "+ HarmAug", 140))
    ]  # fmt: skip
    text = ablation_markdown(
        {"recipe": "tiny 0.1", "seeds": [1, 2], "graph": ["none"], "steps": [12],
         "window_tokens": 64, "arms": arms, "curve": ["soft", "harmaug"]}
    )  # fmt: skip
    assert "| + HarmAug | 140 | 2 | 0.812 ± 0.020 | 0.040 |" in text


@pytest.mark.parametrize(
    "change",
    [
        {"arms": [{"name": "a"}, {"name": "a"}]},
        {"arms": [{"name": "a"}], "curve": ["b"]},
        {"arms": [{"name": "a"}], "seeds": [1, 1]},
        {"arms": [{"name": "a", "seeds": [2, 2]}]},
        {"arms": []},
    ],
)
def test_a_wrong_section_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"two arms|no arm|seed|at least 1"):
        AblationConfig.model_validate(change)


def test_an_arm_may_have_more_seeds_and_those_come_last() -> None:
    arms = (Arm(name="a"), Arm(name="b", seeds=(1, 2, 7)), Arm(name="c", seeds=(2,)))
    config = AblationConfig(arms=arms, seeds=(1, 2))
    trials = [(arm.name, seed) for arm, seed in config.trials()]
    assert trials == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("c", 2), ("b", 7)]


def test_the_shipped_recipe_asks_the_questions_of_the_table() -> None:
    config = read_recipe_as(StudyRecipe, ROOT / "recipes" / "ablation.toml")
    assert config.ablation is not None
    trials = Counter(arm.name for arm, _ in config.ablation.trials())
    assert trials.keys() == {"none", "soft", "eda", "harmaug", "twins", "behaviour"}
    assert [arm.name for arm in config.ablation.arms if arm.behaviour] == ["behaviour"]
    assert [arm.name for arm in config.ablation.arms if arm.generated and not arm.twins] == [
        "harmaug"
    ]
    assert set(trials.values()) == {3}
    assert config.distil.n_steps is not None
    weights = config.distil.source_weights
    added = ("generated_harmful", "generated_benign", "derived_eda")
    assert len({weights[name] for name in added}) == 1
