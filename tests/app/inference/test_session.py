"""The real engine: batched equals single whatever the neighbours; a bad graph does not load."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from postern.contract.artifact import Artifact
from postern.contract.errors import ArtifactInvalid, SettingsInvalid
from postern.contract.probability import harmful_margin, harmful_probability
from postern.contract.windows import Window
from postern.inference import session as session_module
from postern.inference.processor import multiplies_int8_exactly
from postern.inference.session import OnnxSession

from model_training.recipe.config import DistilConfig
from model_training.student.encoders import load_base
from model_training.student.graph import Student, fp32_graph
from model_training.student.heads import with_head
from tests.any_windows import windows
from tests.tiny_categories import with_categories
from tests.tiny_encoders import PAD_ID, deberta_v3
from tests.tiny_student import build_tiny_artifact

relaxed = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def session(artifact: Artifact) -> OnnxSession:
    return OnnxSession(artifact.model, pad_id=artifact.manifest.pad_id, intra_op_threads=1)


@pytest.fixture(scope="module")
def wide(artifact: Artifact) -> OnnxSession:
    pad_id = artifact.manifest.pad_id
    return OnnxSession(artifact.model, pad_id=pad_id, intra_op_threads=2)


@relaxed
@given(batch=st.lists(windows(), min_size=1, max_size=12))
def test_neighbours_do_not_move_a_probability(
    session: OnnxSession, artifact: Artifact, batch: list[Window]
) -> None:
    calibration = artifact.manifest.policy.calibration["prompt"]
    together = session.run(batch)
    assert together.shape == (len(batch), 2)
    assert together.dtype == np.float32
    alone = np.concatenate([session.run([window]) for window in batch])
    np.testing.assert_allclose(
        harmful_probability(harmful_margin(together), calibration),
        harmful_probability(harmful_margin(alone), calibration),
        atol=1e-3,
    )
    backwards = session.run(batch[::-1])[::-1]
    np.testing.assert_allclose(backwards, together, atol=1e-3)


@relaxed
@given(batch=st.lists(windows(), min_size=1, max_size=6))
def test_more_threads_for_a_batch_alone_move_no_probability(
    session: OnnxSession, wide: OnnxSession, artifact: Artifact, batch: list[Window]
) -> None:
    calibration = artifact.manifest.policy.calibration["prompt"]
    np.testing.assert_allclose(
        harmful_probability(harmful_margin(wide.run(batch)), calibration),
        harmful_probability(harmful_margin(session.run(batch)), calibration),
        atol=1e-3,
    )


def test_it_may_be_called_from_several_threads(session: OnnxSession) -> None:
    batches = [
        [Window(np.array([2, *range(4, 4 + n), 3]), np.zeros(n + 2, dtype=np.int64))]
        for n in range(1, 25)
    ]
    expected = [session.run(batch) for batch in batches]
    found: dict[int, np.ndarray] = {}

    def work(start: int) -> None:
        for index in range(start, len(batches), 4):
            found[index] = session.run(batches[index])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, logits in enumerate(expected):
        np.testing.assert_allclose(found[index], logits, atol=1e-5)


def test_a_failing_run_raises_and_writes_no_line_of_its_own(
    session: OnnxSession, capfd: pytest.CaptureFixture[str]
) -> None:
    beyond = Window(np.array([2, 10**6, 3]), np.zeros(3, dtype=np.int64))
    with pytest.raises(Exception, match="out of data bounds"):
        session.run([beyond])
    assert capfd.readouterr() == ("", "")


def test_further_outputs_stand_side_by_side_in_the_order_asked_for(
    artifact: Artifact, session: OnnxSession
) -> None:
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(32, 4))
    both = with_head(with_categories(artifact.model), "other", weights, np.zeros(4))
    batch = [
        Window(np.array([2, *range(4, 4 + n), 3]), np.zeros(n + 2, dtype=np.int64))
        for n in (3, 9, 3)
    ]
    widths = {"other": 4, "categories": 6}

    def run(*names: str) -> np.ndarray:
        extra = {name: widths[name] for name in names}
        return OnnxSession(both, pad_id=0, intra_op_threads=1, extra=extra).run(batch)

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
        OnnxSession(model, pad_id=0, intra_op_threads=1, extra={"categories": 6}).run([window])
    with pytest.raises(ArtifactInvalid, match="no output 'other'"):
        OnnxSession(model, pad_id=0, intra_op_threads=1, extra={"other": None})


@pytest.mark.parametrize("model", [b"", b"not a graph", b"\x08\x01"])
def test_what_is_no_graph_does_not_load(model: bytes) -> None:
    with pytest.raises(ArtifactInvalid):
        OnnxSession(model, pad_id=0, intra_op_threads=1)


def test_a_device_that_is_missing_is_named_and_never_replaced(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"pad_id": artifact.manifest.pad_id, "intra_op_threads": 1}
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        with pytest.raises(SettingsInvalid, match="onnxruntime-gpu"):
            OnnxSession(artifact.model, device="cuda", **options)
    # An installation for cards on a machine without one: the library falls back without a word.
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setitem(session_module._PROVIDERS, "cuda", ["CPUExecutionProvider"])
    with pytest.raises(SettingsInvalid, match="driver"):
        OnnxSession(artifact.model, device="cuda", **options)


@pytest.fixture(scope="module")
def deberta(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A student shaped like DeBERTa-v3-large: two layers, random weights, float32."""
    folder = tmp_path_factory.mktemp("deberta")
    model = load_base(DistilConfig(base=str(deberta_v3(folder / "base")))).eval()
    student = Student(model, pad_id=PAD_ID["deberta-v3"], takes_types=False)
    serialized: bytes = fp32_graph(student).SerializeToString()
    return serialized


def test_a_student_of_the_shape_of_deberta_v3_goes_through_the_same_session(deberta: bytes) -> None:
    session = OnnxSession(deberta, pad_id=0, intra_op_threads=1)
    rng = np.random.default_rng(0)
    batch = [
        Window(rng.integers(4, 100, size=n), np.zeros(n, dtype=np.int64))
        for n in (3, 60, 17, 8, 41, 17)
    ]
    together = session.run(batch)
    alone = np.concatenate([session.run([window]) for window in batch])
    assert together.shape == (6, 2)
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_int8_products_do_not_overflow() -> None:
    """Without VNNI, 255 * 127 + 255 * 127 does not fit: verdicts would depend on the processor."""
    tokens = 64
    constants = [
        numpy_helper.from_array(np.array(1.0, dtype=np.float32), "scale"),
        numpy_helper.from_array(np.array(0, dtype=np.uint8), "zero"),
        numpy_helper.from_array(np.ones(2, dtype=np.float32), "scales"),
        numpy_helper.from_array(np.zeros(2, dtype=np.int8), "zeros"),
        numpy_helper.from_array(np.full((tokens, 2), 127, dtype=np.int8), "weights"),
    ]
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["weights", "scales", "zeros"], ["w"], axis=1),
        helper.make_node("MatMul", ["d", "w"], ["logits"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "overflow",
        [value(n, TensorProto.INT64, ["n", tokens]) for n in ("input_ids", "attention_mask")],
        [value("logits", TensorProto.FLOAT, ["n", 2])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = OnnxSession(model.SerializeToString(), pad_id=0, intra_op_threads=1)
    window = Window(np.full(tokens, 255), np.zeros(tokens, dtype=np.int64))
    assert session.run([window]).tolist() == [[255.0 * 127 * tokens] * 2]


@pytest.mark.parametrize("quantization", ["static", "weight_only"])
def test_the_slower_products_are_the_same_to_the_last_bit(
    quantization: Literal["static", "weight_only"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where products are exact either way, the option for older processors changes no bit."""
    if not multiplies_int8_exactly():
        pytest.skip("this processor needs the option")
    model = (build_tiny_artifact(tmp_path, quantization=quantization) / "model.onnx").read_bytes()
    rng = np.random.default_rng(0)
    batch = [
        Window(rng.integers(4, 150, size=n), np.zeros(n, dtype=np.int64)) for n in (3, 60, 17, 41)
    ]
    found = []
    for exact in (True, False):
        monkeypatch.setattr(session_module, "multiplies_int8_exactly", lambda exact=exact: exact)
        found.append(OnnxSession(model, pad_id=0, intra_op_threads=1).run(batch))
    np.testing.assert_array_equal(found[0], found[1])
