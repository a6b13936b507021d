"""OpenVINO as the engine: no neighbour moves a bit, and what it cannot run does not load."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.errors import ArtifactInvalid, SettingsInvalid
from postern.contract.windows import Window
from postern.inference import openvino_session
from postern.inference.openvino_session import OpenVinoSession, powers_of_two, step_of
from postern.inference.session import OnnxSession

from model_training.student.heads import with_head
from tests.any_windows import windows
from tests.tiny_categories import with_categories
from tests.tiny_student import build_tiny_artifact

relaxed = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
OPTIONS: dict[str, Any] = {"pad_id": 0, "intra_op_threads": 1}


@pytest.fixture(scope="module")
def session(artifact: Artifact) -> OpenVinoSession:
    return OpenVinoSession(artifact.model, **OPTIONS)


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> OpenVinoSession:
    """Has two streams, as a server with two workers."""
    folder = build_tiny_artifact(tmp_path_factory.mktemp("int8"), quantization="static")
    return OpenVinoSession(read_artifact(folder).model, concurrent=2, **OPTIONS)


@pytest.mark.parametrize("graph", ["float", "int8"])
@relaxed
@given(batch=st.lists(windows(), min_size=1, max_size=12))
def test_neighbours_do_not_move_a_bit(
    session: OpenVinoSession,
    int8: OpenVinoSession,
    graph: Literal["float", "int8"],
    batch: list[Window],
) -> None:
    run = {"float": session, "int8": int8}[graph].run
    together = run(batch)
    assert together.shape == (len(batch), 2)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together, np.concatenate([run([window]) for window in batch]))
    np.testing.assert_array_equal(run(batch[::-1])[::-1], together)


@given(count=st.integers(1, 600))
def test_rows_come_in_powers_of_two_with_little_filling(count: int) -> None:
    sizes = list(powers_of_two(count))
    assert all(rows & (rows - 1) == 0 for rows in sizes)
    assert count <= sum(sizes) <= count + sizes[-1] / 4


@given(tokens=st.integers(1, 600))
def test_a_step_fits_its_window_and_is_its_own_step(tokens: int) -> None:
    step = step_of(tokens)
    assert tokens <= step < tokens + (16 if tokens <= 64 else 32)
    assert step_of(step) == step


@pytest.mark.slow
def test_no_company_moves_a_bit_of_5000_windows(int8: OpenVinoSession) -> None:
    rng = np.random.default_rng(0)
    made = [
        Window(rng.integers(4, 150, size=n), np.zeros(n, dtype=np.int64))
        for n in rng.integers(3, 65, size=5000)
    ]
    alone = np.concatenate([int8.run([window]) for window in made])
    for _ in range(3):
        order = rng.permutation(len(made))
        cuts = np.cumsum(rng.integers(1, 33, size=len(made)))
        for group in np.split(order, cuts[cuts < len(made)]):
            np.testing.assert_array_equal(int8.run([made[i] for i in group]), alone[group])


def test_the_float_graph_gives_what_onnx_runtime_gives(artifact: Artifact) -> None:
    rng = np.random.default_rng(1)
    batch = [
        Window(rng.integers(4, 150, size=n), np.zeros(n, dtype=np.int64)) for n in (3, 60, 17, 41)
    ]
    np.testing.assert_allclose(
        OpenVinoSession(artifact.model, precision="f32", **OPTIONS).run(batch),
        OnnxSession(artifact.model, **OPTIONS).run(batch),
        atol=1e-4,
    )


def test_it_may_be_called_from_several_threads(int8: OpenVinoSession) -> None:
    batches = [
        [Window(np.array([2, *range(4, 4 + n), 3]), np.zeros(n + 2, dtype=np.int64))] * (n % 3 + 1)
        for n in range(1, 60)
    ] * 4
    expected = [int8.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(int8.run, batches))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_further_outputs_stand_side_by_side_in_the_order_asked_for(
    artifact: Artifact, session: OpenVinoSession
) -> None:
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(32, 4))
    both = with_head(with_categories(artifact.model), "other", weights, np.zeros(4))
    batch = [
        Window(np.array([2, *range(4, 4 + n), 3]), np.zeros(n + 2, dtype=np.int64))
        for n in (3, 39, 3)
    ]
    widths = {"other": 4, "categories": 6}

    def run(*names: str) -> np.ndarray:
        extra = {name: widths[name] for name in names}
        return OpenVinoSession(both, extra=extra, **OPTIONS).run(batch)

    alone = {name: run(name)[:, 2:] for name in widths}
    assert [part.shape for part in alone.values()] == [(3, 4), (3, 6)]
    for names in (("other", "categories"), ("categories", "other")):
        expected = [session.run(batch), *(alone[name] for name in names)]
        np.testing.assert_allclose(run(*names), np.concatenate(expected, axis=1), atol=1e-4)
    np.testing.assert_allclose(run(), session.run(batch), atol=1e-4)


@pytest.mark.parametrize("declared", [True, False])
def test_an_output_of_another_width_is_refused(artifact: Artifact, declared: bool) -> None:
    graph = onnx.load_from_string(with_categories(artifact.model, columns=5))
    if not declared:  # whoever made the graph need not say how many columns there are
        graph.graph.output[-1].type.tensor_type.shape.dim[1].dim_param = "labels"
    model = graph.SerializeToString()
    window = Window(np.array([2, 5, 3]), np.zeros(3, dtype=np.int64))
    with pytest.raises(ArtifactInvalid, match="'categories'"):
        OpenVinoSession(model, extra={"categories": 6}, **OPTIONS).run([window])
    with pytest.raises(ArtifactInvalid, match="no output 'other'"):
        OpenVinoSession(model, extra={"other": None}, **OPTIONS)


def test_a_token_without_an_embedding_is_an_error(int8: OpenVinoSession) -> None:
    """The library itself would read zeros, and give a verdict."""
    with pytest.raises(ValueError, match="vocabulary"):
        int8.run([Window(np.array([2, 10**6, 3]), np.zeros(3, dtype=np.int64))])


@pytest.mark.parametrize("model", [b"", b"not a graph", b"\x08\x01"])
def test_what_is_no_graph_does_not_load(model: bytes) -> None:
    with pytest.raises(ArtifactInvalid):
        OpenVinoSession(model, **OPTIONS)


def test_a_graph_with_other_inputs_does_not_load(artifact: Artifact) -> None:
    graph = onnx.load_from_string(artifact.model)
    for value in graph.graph.input:
        if value.name == "input_ids":
            value.name = "tokens"
    for node in graph.graph.node:
        node.input[:] = ["tokens" if name == "input_ids" else name for name in node.input]
    with pytest.raises(ArtifactInvalid, match="other inputs"):
        OpenVinoSession(graph.SerializeToString(), **OPTIONS)


def test_an_installation_without_it_says_so(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino_session._core.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SettingsInvalid, match=r"^engine=openvino: OpenVINO is not installed"):
        OpenVinoSession(artifact.model, **OPTIONS)


def test_it_reports_to_nobody(tmp_path: Path) -> None:
    """Its telemetry sends a line at each import, and keeps a number of this user at home."""
    package = tmp_path / "openvino_telemetry"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('telemetry was loaded')")
    program = (
        "import sys; from postern.inference import openvino_session as one\n"
        "assert 'openvino' not in sys.modules\n"
        "one._core(); assert 'openvino' in sys.modules"
    )
    path = ":".join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "intel").exists()
