"""Training with rounding: it is that of the int8 graph, and the graph keeps its ranges."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.windows import Window
from safetensors.torch import load_file, save_file
from torch.nn import Linear

from model_training.errors import RecipeInvalid
from model_training.measures.served import open_candidate
from model_training.recipe.config import RunConfig, read_recipe
from model_training.run.folder import Run, locked
from model_training.student.checkpoints import CHECKPOINT
from model_training.student.distil import ROUNDED, STUDENT, rounded_student, train_rounded
from model_training.student.export import export_student
from model_training.student.graph import fp32_graph, load_student
from model_training.student.parity import torch_run
from model_training.student.quantization_aware import (
    layer_path,
    layers_of,
    measured_ranges,
    node_name,
    read_ranges,
    rounded_activation,
    rounded_weight,
    start_rounding,
    write_ranges,
)
from model_training.student.quantize import grid, quantize_static, with_activations
from model_training.student.trainer import Trainer
from tests.model_training.student.test_quantize import linear_graph, run
from tests.tiny_student import build_tiny_student, tiny_rows


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_student(tmp_path_factory.mktemp("student"))


def config(base: Path, n_draws: int = 800) -> RunConfig:
    settings = {
        "base": str(base),
        "window_tokens": 64,
        "overlap_tokens": 8,
        "batch_tokens": 1024,
        "learning_rate": 3e-3,
        "evaluations": 4,
        "precision": "fp32",
    }
    return RunConfig.model_validate(
        {
            "name": "tiny",
            "version": "0.1",
            "distil": settings,
            "rounding": {"n_draws": n_draws, "learning_rate": 1e-3},
            "export": {"quantization": "static", "activation_range": "percentile"},
        }
    )


def train(settings: RunConfig, folder: Path) -> Path:
    if not (folder / STUDENT).exists():
        shutil.copytree(settings.distil.base, folder / STUDENT)
    return train_rounded(
        settings, train=tiny_rows(120, seed=1), validation=tiny_rows(60, seed=2), run=folder
    )


@given(st.integers(0, 2**32 - 1), st.floats(-8.0, 0.0), st.floats(0.01, 8.0))
def test_torch_rounds_as_the_graph_does(seed: int, low: float, high: float) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((6, 4)).astype(np.float32)
    values = (rng.standard_normal((5, 6)) * 4).astype(np.float32)
    graph = quantize_static(linear_graph(weight), {"x": (low, high)}, float_layers=())

    ours = (
        rounded_activation(torch.from_numpy(values), (low, high))
        @ rounded_weight(torch.from_numpy(weight.T)).T
    )

    scale, _ = grid((low, high))
    # A value in the middle of two steps may go either way.
    halves = np.abs(np.abs(values / np.float32(scale)) % 1.0 - 0.5) < 1e-4
    if not halves.any():
        np.testing.assert_allclose(run(graph, values), ours.numpy(), atol=1e-4)


def test_gradients_pass_the_rounding_but_not_the_ends_of_the_range() -> None:
    values = torch.tensor([-3.0, -0.9, 0.3, 1.9, 2.5], requires_grad=True)
    rounded_activation(values, (-1.0, 2.0)).sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]

    weight = torch.randn(3, 4, requires_grad=True)
    rounded_weight(weight).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.ones(3, 4))


def test_layers_are_those_of_the_graph(base: Path) -> None:
    student = load_student(base)
    nodes = with_activations(fp32_graph(student), ("layer.0/output/dense",))
    paths = [layer_path(node.name) for node in nodes]
    assert sorted(paths) == sorted(layers_of(student.model, ("layer.0/output/dense",)))
    assert [f"/student{node_name(path)}/MatMul" for path in paths] == [n.name for n in nodes]
    assert not any(name in path for path in paths for name in ("pooler", "classifier"))


def test_ranges_leave_out_padding_and_what_is_rare() -> None:
    model = torch.nn.Sequential(Linear(1, 1))
    values = torch.linspace(-1.0, 1.0, 2000).reshape(2, 1000, 1)
    values[0, 0], values[1, 999] = 50.0, -900.0
    mask = torch.ones(2, 1000)
    mask[1, 999] = 0.0

    def batches() -> Any:
        model(values)
        yield mask

    (found,) = measured_ranges(model, (), percentile=99.0, run=batches).values()
    assert found == pytest.approx((-0.99, 0.99), abs=0.01)


def test_the_int8_graph_is_what_was_trained(base: Path, tmp_path: Path) -> None:
    settings = config(base)
    student = train(settings, tmp_path)
    ranges = read_ranges(student)
    loaded = load_student(student)
    assert set(ranges) == set(layers_of(loaded.model, ()))

    rows = tiny_rows(200, seed=3)
    candidate = tmp_path / "candidate"
    export_student(student, candidate, settings, rows=rows, validation=rows)
    graph = onnx.load_model(candidate / "model.onnx")
    scales = {t.name: onnx.numpy_helper.to_array(t) for t in graph.graph.initializer}
    for node in with_activations(fp32_graph(loaded), ()):
        scale, zero_point = grid(ranges[layer_path(node.name)])
        assert scales[f"{node.input[0]}_scale"] == np.float32(scale)
        assert scales[f"{node.input[0]}_zero_point"] == zero_point

    fewer = dict(list(ranges.items())[1:])
    write_ranges(student, fewer)
    with pytest.raises(RecipeInvalid, match="run stage 'round' again"):
        export_student(student, tmp_path / "other", settings, rows=rows, validation=rows)

    # Embedding tables are int8 too, but are not trained so: little is left besides them.
    rng = np.random.default_rng(0)
    windows = [
        Window(rng.integers(5, 40, 12, dtype=np.int64), np.zeros(12, dtype=np.int64))
        for _ in range(40)
    ]
    served = open_candidate(candidate, settings.windows, pad_id=loaded.pad_id, threads=1)
    as_floats = torch_run(loaded)(windows)
    start_rounding(loaded.model, ranges)
    as_trained = torch_run(loaded)(windows)
    found = served.session.run(windows)
    assert np.abs(found - as_trained).mean() < 0.5 * np.abs(found - as_floats).mean()


@pytest.mark.slow
def test_a_killed_training_rounds_on(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(base)
    whole = load_file(train(settings, tmp_path / "whole") / "model.safetensors")

    class Killed(Exception):
        pass

    def save(self: Any, name: str) -> None:
        keep(self, name)
        if name == CHECKPOINT and self.progress.ranges:
            raise Killed

    keep = Trainer._save
    monkeypatch.setattr(Trainer, "_save", save)
    with pytest.raises(Killed):
        train(settings, tmp_path / "killed")
    monkeypatch.setattr(Trainer, "_save", keep)
    resumed = load_file(train(settings, tmp_path / "killed") / "model.safetensors")
    for name, expected in whole.items():
        assert torch.equal(resumed[name], expected), name
    assert read_ranges(tmp_path / "killed" / ROUNDED) == read_ranges(tmp_path / "whole" / ROUNDED)


def test_it_goes_on_from_the_student_and_needs_one(base: Path, tmp_path: Path) -> None:
    settings = config(base, n_draws=100)
    with pytest.raises(RecipeInvalid, match="no finished student"):
        train_rounded(settings, train=tiny_rows(9, seed=1), validation=[], run=tmp_path)
    begun = load_file(base / "model.safetensors")
    with pytest.raises(RecipeInvalid, match="not finished"):
        rounded_student(tmp_path, settings.export)
    for name, value in load_file(train(settings, tmp_path) / "model.safetensors").items():
        assert torch.dist(value, begun[name]) <= 0.1 * begun[name].norm() + 1e-2, name
    assert rounded_student(tmp_path, settings.export) == tmp_path / ROUNDED
    more = settings.export.model_copy(update={"float_layers": ("/output/dense",)})
    assert rounded_student(tmp_path, more) == tmp_path / ROUNDED  # less is rounded than was learnt
    for changed in (more, settings.export.model_copy(update={"activation_percentile": 99.0})):
        other = settings.model_copy(update={"export": changed})
        with pytest.raises(RecipeInvalid, match="another recipe"):
            train(other, tmp_path)
    shutil.rmtree(tmp_path / ROUNDED)
    train(settings.model_copy(update={"export": more}), tmp_path)
    with pytest.raises(RecipeInvalid, match="left other layers in float"):
        rounded_student(tmp_path, settings.export)
    # Whoever distils anew has to round anew: else the graph would be of the student before.
    save_file(begun | {"another": torch.zeros(1)}, tmp_path / STUDENT / "model.safetensors")
    with pytest.raises(RecipeInvalid, match="another student"):
        rounded_student(tmp_path, more)


@pytest.mark.parametrize(
    ("export", "what"),
    [
        ('quantization = "none"', 'quantization "static" or "auto"'),
        ('activation_range = "min_max"', 'activation_range "percentile"'),
    ],
)
def test_rounding_needs_a_graph_that_rounds(tmp_path: Path, export: str, what: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'name = "x"\nversion = "0"\n[distil]\nbase = "b"\n[rounding]\n[export]\n{export}\n'
    )
    with pytest.raises(RecipeInvalid, match=what):
        read_recipe(recipe)


def test_a_run_folder_knows_that_its_recipe_rounds(base: Path, tmp_path: Path) -> None:
    settings = config(base)
    run = Run(settings, tmp_path, tmp_path / "run", tmp_path, None)
    for _ in range(2):
        with locked(run):
            pass
    other = settings.model_copy(update={"rounding": None})
    with (
        pytest.raises(RecipeInvalid, match="another recipe"),
        locked(Run(other, tmp_path, tmp_path / "run", tmp_path, None)),
    ):
        pass
