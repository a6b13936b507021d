"""Several heads on one graph: none moves the logits or another head, whatever the company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from postern.contract.artifact import read_artifact
from postern.contract.windows import Window
from postern.inference.session import OnnxSession
from postern.shipped import DEFAULT_ARTIFACT

from model_training.errors import DataInvalid
from model_training.student.heads import hidden_state, states_name, with_head, with_states

RNG = np.random.default_rng(0)
WINDOWS = [
    Window(RNG.integers(4, 80, size=n), np.zeros(n, dtype=np.int64)) for n in (3, 60, 17, 8, 41)
]


def run(model: bytes, windows: list[Window], extra: str | None = None) -> np.ndarray:
    further: dict[str, int | None] = {} if extra is None else {extra: None}
    session = OnnxSession(model, pad_id=0, intra_op_threads=1, extra=further)
    return session.run(windows)


@pytest.fixture(params=["tiny", "shipped"])
def model(request: pytest.FixtureRequest, tiny_candidate: Path) -> bytes:
    if request.param == "tiny":
        return (tiny_candidate / "model.onnx").read_bytes()
    return read_artifact(DEFAULT_ARTIFACT).model


def test_a_head_reads_the_mean_of_a_layer_beside_the_pooled_state(model: bytes) -> None:
    before = run(model, WINDOWS)
    pooled = run(with_states(model, "kinds"), WINDOWS, states_name("kinds"))[:, 2:]
    both = run(with_states(model, "kinds", layer=1), WINDOWS, states_name("kinds"))[:, 2:]
    width = pooled.shape[1]
    assert both.shape == (len(WINDOWS), 2 * width)
    assert np.array_equal(both[:, :width], pooled)
    assert np.ptp(both[:, width:], axis=0).min() > 1e-3  # it depends on the text
    weights, bias = RNG.normal(size=(2 * width, 3)), RNG.normal(size=3)
    headed = with_head(model, "kinds", weights, bias, layer=1)
    assert np.array_equal(run(headed, WINDOWS), before)
    found = run(headed, WINDOWS, "kinds")
    assert np.array_equal(found[:, :2], before)
    assert found[:, 2:] == pytest.approx(both @ weights + bias, abs=1e-2)


def test_neighbours_and_padding_move_nothing(model: bytes) -> None:
    width = (
        run(with_states(model, "kinds", layer=1), WINDOWS[:1], states_name("kinds")).shape[1] - 2
    )
    headed = with_head(model, "kinds", RNG.normal(size=(width, 3)), np.zeros(3), layer=1)
    together = run(headed, WINDOWS, "kinds")
    alone = np.concatenate([run(headed, [window], "kinds") for window in WINDOWS])
    assert together == pytest.approx(alone, abs=1e-3)


def test_a_head_replaces_its_older_self_and_leaves_others_alone(model: bytes) -> None:
    width = run(with_states(model, "kinds"), WINDOWS[:1], states_name("kinds")).shape[1] - 2
    weights = RNG.normal(size=(width, 2))
    other = with_head(model, "other", weights, np.ones(2))
    first = with_head(other, "kinds", weights, np.zeros(2))
    second = with_head(first, "kinds", 2 * weights, np.zeros(2))
    assert second == with_head(other, "kinds", 2 * weights, np.zeros(2))
    assert run(second, WINDOWS, "other") == pytest.approx(run(other, WINDOWS, "other"), abs=1e-6)


@pytest.mark.parametrize("layer", [0, 99])
def test_a_layer_that_is_not_there_is_refused(model: bytes, layer: int) -> None:
    with pytest.raises(DataInvalid, match="hidden layers"):
        hidden_state(onnx.load_from_string(model), layer)
