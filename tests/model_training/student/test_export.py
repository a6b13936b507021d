"""Torch -> ONNX -> int8: what is fused, what is kept, and that the gate stops what strays."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from postern.contract.artifact import MODEL
from postern.contract.probability import Calibration, harmful_margin, harmful_probability
from postern.contract.windows import Window
from postern.inference.session import OnnxSession
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
)

from model_training.errors import GateFailed, RecipeInvalid
from model_training.measures.served import ScoredRows
from model_training.recipe.config import RunConfig
from model_training.run.candidate import EXPORT, read_json
from model_training.student.export import export_student
from model_training.student.graph import Student, fp32_graph, fusion_counts, load_student
from model_training.student.parity import Parity, compare, gate, torch_run
from model_training.student.quantize import quantizable
from tests.tiny_student import Quantization, tiny_config, tiny_rows

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "tiny_logits.npz"

OTHER_ENCODERS: dict[str, dict[str, Any]] = {
    "roberta": {"type_vocab_size": 1, "max_position_embeddings": 66},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
}


def random_windows(count: int, *, seed: int, vocabulary: int = 100) -> list[Window]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 60, size=count)
    return [
        Window(rng.integers(4, vocabulary, size=length), np.zeros(length, dtype=np.int64))
        for length in lengths
    ]


def session(graph: onnx.ModelProto | Path) -> OnnxSession:
    content = graph.read_bytes() if isinstance(graph, Path) else graph.SerializeToString()
    return OnnxSession(content, pad_id=0, intra_op_threads=1)


def probabilities(run: OnnxSession, windows: Sequence[Window]) -> np.ndarray:
    return harmful_probability(harmful_margin(run.run(windows)), Calibration(temperature=1.0))


def test_every_layer_of_a_bert_is_fused(tiny_student: Path) -> None:
    graph = fp32_graph(load_student(tiny_student))

    assert fusion_counts(graph) == {"attention": 2, "skip_layer_norm": 4, "gelu": 2}
    assert [node.name for node in graph.graph.input] == [
        "input_ids",
        "attention_mask",
        "token_type_ids",
    ]
    assert [node.name for node in graph.graph.output] == ["logits"]
    assert not any(node.doc_string for node in graph.graph.node)


def test_torch_and_onnx_give_the_same_logits_on_ragged_batches(tiny_student: Path) -> None:
    student = load_student(tiny_student)
    windows = random_windows(9, seed=0)
    served = session(fp32_graph(student)).run(windows)

    assert not student.model.training, "tracing must not leave dropout on"
    np.testing.assert_allclose(served, torch_run(student)(windows), atol=2e-5)


def test_golden_logits() -> None:
    """Frozen weights: their graph still says what it said when it was frozen."""
    settings: dict[str, Any] = {
        "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 64, "initializer_range": 0.5,
        "num_labels": 2, "attn_implementation": "eager",
    }  # fmt: skip
    config = BertConfig(**settings)
    model = BertForSequenceClassification(config).eval()  # type: ignore[no-untyped-call]
    golden = np.load(GOLDEN)
    weights = {name: torch.from_numpy(golden[name]) for name in golden.files if name != "logits"}
    model.load_state_dict(weights, strict=False)
    assert set(weights) == {name for name, _ in model.named_parameters()}
    graph = fp32_graph(Student(model=model, pad_id=0, takes_types=True))
    served = session(graph).run(random_windows(5, seed=1))

    np.testing.assert_allclose(served, golden["logits"], atol=2e-4)


def test_static_int8_does_not_depend_on_batch_mates(tiny_candidate: Path) -> None:
    run = session(tiny_candidate / MODEL)
    ours = random_windows(12, seed=3)
    alone = np.concatenate([probabilities(run, [window]) for window in ours])
    for seed in range(4):
        neighbours = random_windows(7, seed=100 + seed)
        for place, window in enumerate(ours):
            together = probabilities(run, [*neighbours[:3], window, *neighbours[3:]])
            assert abs(together[3] - alone[place]) <= 1e-3


def test_static_int8_quantizes_the_encoder_and_leaves_the_head(tiny_candidate: Path) -> None:
    graph = onnx.load(tiny_candidate / MODEL)
    kinds = [node.op_type for node in graph.graph.node]
    head = [node for node in graph.graph.node if node.op_type == "Gemm"]
    floats = {
        tensor.name
        for tensor in graph.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }

    # Q, K and V share one quantized input: 4 inputs for each of 2 layers.
    assert kinds.count("QuantizeLinear") == 8
    assert "DynamicQuantizeLinear" not in kinds
    assert quantizable(graph, ()) == []
    assert len(head) == 2
    assert all(node.input[1] in floats for node in head)
    assert read_json(tiny_candidate / EXPORT)["quantized_layers"] == 12


@pytest.mark.parametrize("quantization", ["none", "static", "weight_only"])
def test_export_passes_its_gate(
    quantization: Quantization, tiny_student: Path, tmp_path: Path
) -> None:
    rows = tiny_rows(80, seed=3)
    report = export_student(
        tiny_student,
        tmp_path / "candidate",
        tiny_config(quantization),
        rows=rows,
        validation=rows,
        threads=1,
    )

    assert report.parity.verdict_agreement == 1.0
    assert report.parity.max_neighbour_shift <= 1e-3
    assert (tmp_path / "candidate" / MODEL).stat().st_size == report.size_bytes


def test_named_layers_stay_in_float(tiny_student: Path) -> None:
    graph = fp32_graph(load_student(tiny_student))
    kept = quantizable(graph, ("layer.0/output/dense",))

    assert len(quantizable(graph, ())) - len(kept) == 1


@pytest.mark.parametrize("model_type", OTHER_ENCODERS)
def test_other_encoders_export_and_agree_with_torch(model_type: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = {
        "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 64, "pad_token_id": 0, "num_labels": 2,
    }  # fmt: skip
    config = AutoConfig.for_model(model_type, **{**settings, **OTHER_ENCODERS[model_type]})
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)  # type: ignore[no-untyped-call]
    student = load_student(tmp_path)
    windows = random_windows(6, seed=2)
    served = session(fp32_graph(student)).run(windows)

    np.testing.assert_allclose(served, torch_run(student)(windows), atol=1e-4)


def test_a_config_that_brings_code_is_refused(tiny_student: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_student, tmp_path / "student")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("{", '{"auto_map": {"AutoModel": "x.Y"},', 1))

    with pytest.raises(RecipeInvalid, match="auto_map"):
        load_student(folder)


def parity(**changed: Any) -> Parity:
    fine: dict[str, Any] = {
        "rows": 100,
        "auprc_fp32": {"prompt": 0.9},
        "auprc_served": {"prompt": 0.896},
        "verdict_agreement": 0.995,
        "mean_margin_error": 0.05,
        "max_margin_error": 0.5,
        "max_neighbour_shift": 1e-4,
    }
    return Parity(**{**fine, **changed})


def test_the_gate_lets_a_faithful_graph_through() -> None:
    gate(parity())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"auprc_served": {"prompt": 0.894}}, "AUPRC"),
        ({"verdict_agreement": 0.985}, "verdicts"),
        ({"max_neighbour_shift": 2e-3}, "neighbours"),
        ({"auprc_served": {"prompt": float("nan")}}, "AUPRC"),
        ({"verdict_agreement": float("nan")}, "verdicts"),
        ({"max_neighbour_shift": float("nan")}, "neighbours"),
    ],
)
def test_the_gate_stops_a_graph_that_strays(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(GateFailed, match=reason):
        gate(parity(**changed))


def test_a_failed_gate_leaves_nothing_to_publish(
    tiny_student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(found: Parity) -> None:
        raise GateFailed("strayed")

    monkeypatch.setattr("model_training.student.export.gate", stop)
    rows = tiny_rows(40, seed=3)
    with pytest.raises(GateFailed):
        export_student(tiny_student, tmp_path, tiny_config(), rows=rows, validation=rows)

    assert not (tmp_path / EXPORT).exists()


def test_logits_that_are_no_numbers_pass_no_gate() -> None:
    rows = tiny_rows(4, seed=3)
    fine, broken = np.array([1.0, -1.0, 2.0, 0.5]), np.array([1.0, -1.0, np.nan, 0.5])
    for reference, served in ((fine, broken), (broken, fine)):
        with pytest.raises(GateFailed, match="non-finite"):
            compare(ScoredRows(rows, reference), ScoredRows(rows, served), neighbour_shift=0.0)


@pytest.fixture
def outlier_student(tiny_student: Path, tmp_path: Path) -> Path:
    """A student whose static graph cannot pass the gate, however it was trained.

    One unit of each attention holds values 10,000 times as large as the others', and nothing reads
    it: a scale that holds these values rounds all others to zero, so no word reaches the verdict.
    Scales of weights are per unit, and lose nothing.
    """
    folder = Path(shutil.copytree(tiny_student, tmp_path / "outliers"))
    weights = load_file(folder / "model.safetensors")
    for layer in ("bert.encoder.layer.0", "bert.encoder.layer.1"):
        weights[f"{layer}.attention.self.value.weight"][0] *= 1e4
        weights[f"{layer}.attention.self.value.bias"][0] = 1e4
        weights[f"{layer}.attention.output.dense.weight"][:, 0] = 0.0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def ranged(quantization: str) -> RunConfig:
    export = {"quantization": quantization, "calibration_rows": 32, "activation_range": "min_max"}
    return RunConfig.model_validate({**tiny_config().model_dump(), "export": export})


def test_auto_takes_the_first_graph_that_passes_and_says_why_not_the_others(
    outlier_student: Path, tmp_path: Path
) -> None:
    rows = tiny_rows(120, seed=3)
    report = export_student(
        outlier_student, tmp_path, ranged("auto"), rows=rows, validation=rows, threads=1
    )

    assert report.quantization == "weight_only"
    assert set(report.refused) == {"static"}
    kept = read_json(tmp_path / EXPORT)
    assert kept["quantization"] == "weight_only"
    assert (kept["encoder"], kept["quantized_layers"]) == ("bert", 12)
    content = (tmp_path / MODEL).read_bytes()
    assert kept["model_sha256"] == hashlib.sha256(content).hexdigest()


def test_a_recipe_that_asks_for_static_gets_static_or_nothing(
    outlier_student: Path, tmp_path: Path
) -> None:
    rows = tiny_rows(120, seed=3)
    with pytest.raises(GateFailed, match='`quantization = "auto"` tries others'):
        export_student(
            outlier_student, tmp_path, ranged("static"), rows=rows, validation=rows, threads=1
        )
    assert not (tmp_path / EXPORT).exists()
