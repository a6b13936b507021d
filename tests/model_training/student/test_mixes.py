"""Several trainings of one student: each draws in other shares, and the student is their mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from model_training.recipe.config import DistilConfig, RunConfig
from model_training.student.distil import MIXES, STUDENT, distil
from tests.tiny_student import build_untrained_base, tiny_config, tiny_rows

_MIXES = [{"name": "few", "n_draws": 64}, {"name": "more", "n_draws": 128}]


def weights(student: Path) -> dict[str, torch.Tensor]:
    return load_file(student / "model.safetensors")


def settings(base: Path, **given: Any) -> DistilConfig:
    values = {
        "base": str(base), "window_tokens": 64, "overlap_tokens": 8, "learning_rate": 1e-2,
        "evaluations": 1, "evaluation_rows": 40, "precision": "fp32",
    }  # fmt: skip
    return DistilConfig.model_validate(values | given)


def test_the_student_is_the_mean_of_its_trainings(tmp_path: Path) -> None:
    base = build_untrained_base(tmp_path / "base")
    rows = {"train": tiny_rows(60, seed=1), "validation": tiny_rows(60, seed=2)}

    def config(**given: Any) -> RunConfig:
        return tiny_config().model_copy(update={"distil": settings(base, **given)})

    run = tmp_path / "run"
    student = distil(config(mixes=_MIXES), run=run, **rows)
    assert student == run / STUDENT
    few, more = (weights(run / MIXES / name / STUDENT) for name in ("few", "more"))
    for name, mean in weights(student).items():
        assert torch.allclose(mean, (few[name] + more[name]) / 2, atol=1e-6), name
    apart = max(float((few[name] - more[name]).abs().max()) for name in few)
    assert apart > 1e-3, "the two trainings drew other rows"

    # Each is what a training with its draws alone ends with.
    alone = weights(distil(config(n_draws=64), run=tmp_path / "alone", **rows))
    for name, one in few.items():
        assert torch.equal(one, alone[name]), name

    # A second call finds both finished and writes the same student.
    before = weights(student)
    log = (run / MIXES / "few" / "training_log.jsonl").read_bytes()
    again = weights(distil(config(mixes=_MIXES), run=run, **rows))
    assert all(torch.equal(again[name], one) for name, one in before.items())
    assert (run / MIXES / "few" / "training_log.jsonl").read_bytes() == log


def test_a_mix_changes_only_the_factors_that_it_names(tmp_path: Path) -> None:
    mixes = [_MIXES[0], _MIXES[1] | {"source_weights": {"chat": 3.0, "posts": 0.5}}]
    given = {"source_weights": {"chat": 2.0, "answers": 1.5}, "n_draws": 7, "seed": 9}
    whole = settings(tmp_path, mixes=mixes, **given)
    few, more = whole.trainings.values()
    assert few == settings(tmp_path, **given | {"n_draws": 64})
    assert more.source_weights == {"chat": 3.0, "answers": 1.5, "posts": 0.5}
    assert more.n_draws == 128
    assert more.seed == 9
    assert whole.draws_of(1000) == 192
    plain = settings(tmp_path, **given)
    assert plain.trainings == {"": plain}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mixes": _MIXES[:1]}, "at least two"),
        ({"mixes": [_MIXES[0], _MIXES[0]]}, "a name of its own"),
        ({"mixes": _MIXES, "epochs": 2.0}, "`epochs` has no meaning"),
        ({"mixes": [_MIXES[0], _MIXES[1] | {"name": "../up"}]}, "pattern"),
    ],
)
def test_mixes_that_mean_nothing_are_refused(
    given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(tmp_path, **given)
