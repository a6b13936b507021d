"""The loop itself: it follows the teacher, stops at a loss without value, knows its own runs."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoTokenizer

from model_training.data.rows import Row
from model_training.errors import GateFailed, RecipeInvalid
from model_training.recipe.config import DistilConfig, RunConfig, read_recipe
from model_training.student.average import RunningMean
from model_training.student.checkpoints import BEST, CHECKPOINT, Progress, save, writing_weights
from model_training.student.distil import distil
from model_training.student.trainer import LOG, evaluated_steps
from tests.server_process import ROOT
from tests.tiny_student import build_untrained_base, tiny_rows


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_untrained_base(tmp_path_factory.mktemp("base"))


def config(base: Path, **changed: Any) -> RunConfig:
    settings = {
        "base": str(base),
        "window_tokens": 64,
        "overlap_tokens": 8,
        "n_draws": 400,
        "batch_tokens": 1024,
        "learning_rate": 3e-3,
        "evaluations": 2,
        "precision": "fp32",
    }
    return RunConfig.model_validate(
        {"name": "tiny", "version": "0.1", "distil": {**settings, **changed}}
    )


def run(config: RunConfig, folder: Path, rows: list[Row] | None = None) -> Path:
    given = tiny_rows(120, seed=1) if rows is None else rows
    return distil(config, train=given, validation=tiny_rows(60, seed=2), run=folder)


def test_with_a_soft_weight_of_one_the_teacher_alone_is_followed(
    base: Path, tmp_path: Path
) -> None:
    """The labels are wrong, the teacher is right."""
    rows = [
        row.model_copy(update={"label": 1 - row.label, "soft_label": 0.98 if row.label else 0.02})
        for row in tiny_rows(300, seed=1)
    ]
    settings = config(base, n_draws=8000, soft_weight=1.0, patience=9, evaluations=4)
    student = run(settings, tmp_path, rows)
    found = (student / "training.json").read_text()
    assert float(found.split('"best_auprc": ')[1].split(",")[0]) > 0.95


def test_twins_are_driven_apart(base: Path, tmp_path: Path) -> None:
    """Labels of half a class each say nothing about these words; the pairs alone do."""
    rows = [
        row.model_copy(update={"twin": f"{number // 2}", "soft_label": 0.5})
        for number, row in enumerate(_in_turns(tiny_rows(300, seed=1)))
    ]
    for weight, learnt in ((0.0, False), (1.0, True)):
        settings = config(base, n_draws=4000, soft_weight=1.0, twin_weight=weight, patience=9)
        student = run(settings, tmp_path / str(weight), rows)
        found = (student / "training.json").read_text()
        assert (float(found.split('"best_auprc": ')[1].split(",")[0]) > 0.9) == learnt


def _in_turns(rows: list[Row]) -> list[Row]:
    """Harmful and harmless prompts one after the other."""
    harmful, harmless = ([row for row in rows if row.label == label] for label in (1, 0))
    return [row for pair in zip(harmful, harmless, strict=False) for row in pair]


def test_the_student_can_be_the_mean_of_the_last_steps(base: Path, tmp_path: Path) -> None:
    """Of one step it is the last one; of all steps it lies between start and end."""
    of_share = {
        share: load_file(
            run(config(base, average_share=share, evaluations=1), tmp_path / str(share))
            / "model.safetensors"
        )
        for share in (0.0, 1e-9, 1.0)
    }
    start = load_file(base / "model.safetensors")
    for name, end in of_share[0.0].items():
        assert torch.equal(of_share[1e-9][name], end), name
    name = "bert.encoder.layer.0.output.dense.weight"
    moved = [torch.dist(of_share[share][name], start[name]) for share in (1.0, 0.0)]
    assert 0.0 < moved[0] < moved[1]
    log = (tmp_path / "1.0" / LOG).read_text().splitlines()
    n_steps = json.loads(log[-2])["step"]
    assert json.loads(log[-1])["averaged_steps"] == n_steps > 1


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=30))
def test_a_running_mean_is_the_mean(values: list[float]) -> None:
    model = torch.nn.Linear(1, 1)
    model.bias.requires_grad_(False)
    mean = RunningMean(model)
    for count, value in enumerate(values, 1):
        torch.nn.init.constant_(model.weight, value)
        mean.add(model, count)
    bias = model.bias.item()
    mean.put_into(model)
    assert model.weight.item() == pytest.approx(sum(values) / len(values), abs=1e-2, rel=1e-4)
    assert model.bias.item() == bias


def test_a_loss_without_value_ends_the_run_and_saves_nothing(base: Path, tmp_path: Path) -> None:
    with pytest.raises(GateFailed, match="not finite"):
        run(config(base, learning_rate=1e38, weight_decay=0.0), tmp_path)
    assert not (tmp_path / "student").exists()
    assert not (tmp_path / BEST).exists()


@contextmanager
def full_disk(largest_file: int) -> Iterator[None]:
    """Writing more bytes into a file fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_names_the_file_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path, model = tmp_path / CHECKPOINT, torch.nn.Linear(100, 100)
    save(path, model, Progress(recipe="a"), optimizer=None)
    before = path.read_bytes()
    with full_disk(4096), pytest.raises(OSError, match=r"written|large") as caught:
        save(path, model, Progress(recipe="a", step=7), optimizer=None)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_full_disk_under_a_tokenizer_names_the_folder(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(build_untrained_base(tmp_path / "base"))
    (tmp_path / "out").mkdir()
    with (
        full_disk(64),
        pytest.raises(OSError, match=r"large|written") as caught,
        writing_weights(tmp_path / "out"),
    ):
        tokenizer.backend_tokenizer.save(str(tmp_path / "out" / "tokenizer.json"))
    assert caught.value.filename == str(tmp_path / "out")


def test_a_checkpoint_of_another_recipe_or_no_checkpoint_at_all_is_refused(
    base: Path, tmp_path: Path
) -> None:
    run(config(base), tmp_path)
    with pytest.raises(RecipeInvalid, match="another recipe"):
        run(config(base, seed=7), tmp_path)
    with pytest.raises(RecipeInvalid, match="another recipe or other rows"):
        run(config(base), tmp_path, tiny_rows(119, seed=1))
    (tmp_path / CHECKPOINT).write_bytes(b"\x08" + bytes(40))
    with pytest.raises(RecipeInvalid, match="not a checkpoint"):
        run(config(base), tmp_path)


def test_warm_up_and_draws_have_two_ways_to_be_given() -> None:
    settings = DistilConfig(base="x", n_draws=100, warmup_share=0.1)
    assert (settings.draws_of(40), settings.warmup_of(50)) == (100, 5)
    settings = DistilConfig(base="x", epochs=2.5, warmup_steps=7)
    assert (settings.draws_of(40), settings.warmup_of(50)) == (100, 7)
    assert DistilConfig(base="x", warmup_steps=0).warmup_of(50) == 1


def test_the_recipe_of_the_paper_has_the_papers_hyper_parameters() -> None:
    recipe = read_recipe(ROOT / "recipes" / "harmaug-deberta-v3-large.toml")
    assert recipe.data.validation_share == 0.1
    settings = recipe.distil
    assert settings.base == "microsoft/deberta-v3-large"
    assert (settings.learning_rate, settings.weight_decay) == (3e-5, 0.1)
    assert (settings.warmup_steps, settings.epochs, settings.gradient_clip) == (100, 3.0, 1.0)
    assert (settings.soft_weight, settings.distillation_temperature) == (0.5, 1.0)
    assert (settings.window_tokens, settings.label_smoothing) == (1024, 0.0)
    # 256 rows of 256 tokens.
    assert settings.batch_tokens * settings.gradient_accumulation == 256 * 256


@given(n_steps=st.integers(1, 5000), evaluations=st.integers(1, 40))
def test_checkpoints_are_measured_at_even_distances(n_steps: int, evaluations: int) -> None:
    steps = sorted(evaluated_steps(n_steps, evaluations))
    assert steps[0] >= 1
    assert steps[-1] == n_steps
    assert len(steps) == min(n_steps, evaluations)
    distances = {later - earlier for earlier, later in pairwise([0, *steps])}
    assert max(distances) - min(distances) <= 1
