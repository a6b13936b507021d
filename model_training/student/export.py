"""Exports a checkpoint to a quantized ONNX graph behind a parity gate, in a candidate folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import onnx
from postern.contract.artifact import MODEL, TOKENIZER
from postern.contract.exchange import SLICES
from postern.contract.windows import Window
from postern.inference.tokenizer import Tokenizer

from model_training.data.encoding import encode
from model_training.data.rows import Row, write_atomically
from model_training.data.sampling import draw
from model_training.errors import GateFailed, RecipeInvalid
from model_training.measures.cores import default_threads
from model_training.measures.served import open_candidate
from model_training.recipe.config import ExportConfig, RunConfig
from model_training.run.candidate import CATEGORIES, EXPORT, write_json
from model_training.student.activations import (
    activation_histograms,
    clip_least_squares,
    clip_percentile,
)
from model_training.student.encoders import check_fits
from model_training.student.four_bits import pack_tables
from model_training.student.graph import Student, fp32_graph, fusion_counts, load_student
from model_training.student.parity import Parity, gate, measure
from model_training.student.quantization_aware import Ranges, layer_path, read_ranges
from model_training.student.quantize import (
    Range,
    quantizable,
    quantize_static,
    quantize_tables,
    quantize_weights,
    with_activations,
)

_LOG = logging.getLogger(__name__)

Quantization = Literal["static", "weight_only", "none"]
_SMALLEST_FIRST: Final[tuple[Quantization, ...]] = ("static", "weight_only", "none")


@dataclass(frozen=True)
class ExportReport:
    """Description of the exported graph. fusions, quantized_layers: counts of nodes.

    refused: by quantization, the reason why a preferred graph did not pass the gate.
    """

    encoder: str
    parameters: int
    quantization: Quantization
    refused: dict[str, str]
    model_sha256: str
    tokenizer_sha256: str
    size_bytes: int
    fusions: dict[str, int]
    quantized_layers: int
    pad_id: int
    parity: Parity

    def as_metrics(self) -> dict[str, Any]:
        return asdict(self)


def export_student(
    student: Path,
    candidate: Path,
    config: RunConfig,
    *,
    rows: Sequence[Row],
    validation: Sequence[Row],
    threads: int | None = None,
) -> ExportReport:
    """Writes `model.onnx`, `tokenizer.json` and `export.json` into `candidate`.

    rows: of the train split, for activation ranges; validation: for the gate. threads: for ONNX
    Runtime, all cores by default. Raises GateFailed and then leaves no `export.json`, so that later
    stages stop.
    """
    candidate.mkdir(parents=True, exist_ok=True)
    (candidate / EXPORT).unlink(missing_ok=True)
    (candidate / CATEGORIES).unlink(missing_ok=True)  # of a graph that had a head
    loaded = load_student(student)
    tokenizer_json = (student / TOKENIZER).read_bytes()
    write_atomically(candidate / TOKENIZER, tokenizer_json)
    tokenizer = check_fits(loaded.model, tokenizer_json, config.windows)
    fp32 = fp32_graph(loaded)
    found = _first_through_the_gate(
        loaded,
        fp32,
        candidate,
        config,
        windows=_calibration_windows(rows, config, tokenizer),
        trained=read_ranges(student),
        validation=_sample(validation, config),
        threads=threads or default_threads(),
    )
    report = _report(loaded, fp32, found, config.export, tokenizer_json=tokenizer_json)
    write_json(candidate / EXPORT, report.as_metrics())
    return report


@dataclass(frozen=True)
class _Passed:
    """The graph that passed the gate. refused: reasons against the others, by quantization."""

    quantization: Quantization
    content: bytes
    parity: Parity
    refused: dict[str, str]


def _first_through_the_gate(
    student: Student,
    fp32: onnx.ModelProto,
    candidate: Path,
    config: RunConfig,
    *,
    windows: Sequence[Window],
    trained: Ranges,
    validation: Sequence[Row],
    threads: int,
) -> _Passed:
    """Leaves the graph in the candidate. Raises GateFailed if no allowed quantization passes."""
    chosen = config.export.quantization
    allowed = _SMALLEST_FIRST if chosen == "auto" else (chosen,)
    refused: dict[str, str] = {}
    for quantization in allowed:
        settings = config.export.model_copy(update={"quantization": quantization})
        graph = quantize(
            fp32, settings, windows=windows, pad_id=student.pad_id, threads=threads, trained=trained
        )
        content = _serialized(graph)
        write_atomically(candidate / MODEL, content)
        served = open_candidate(candidate, config.windows, pad_id=student.pad_id, threads=threads)
        parity = measure(student, served, validation)
        _LOG.info("export, %s: %s", quantization, parity)
        try:
            gate(parity)
        except GateFailed as exc:
            refused[quantization] = str(exc)
            _LOG.warning("export, %s: refused: %s", quantization, exc)
            continue
        return _Passed(quantization, content, parity, refused)
    last = refused[allowed[-1]]
    hint = "" if chosen in ("none", "auto") else '; `quantization = "auto"` tries others'
    raise GateFailed(f"{last}{hint}")


def quantize(
    graph: onnx.ModelProto,
    settings: ExportConfig,
    *,
    windows: Sequence[Window],
    pad_id: int,
    threads: int,
    trained: Mapping[str, Range] = MappingProxyType({}),
) -> onnx.ModelProto:
    """The graph to serve. windows: calibration texts, which only `static` reads. trained: ranges
    that the student was trained with, by layer; they need no calibration texts. Raises
    RecipeInvalid if it was trained with fewer layers in int8.
    """
    if settings.quantization == "none":
        return graph
    small = pack_tables(graph) if settings.embedding_bits == 4 else quantize_tables(graph)
    if settings.quantization == "weight_only":
        return quantize_weights(small)
    if trained:
        nodes = with_activations(graph, settings.float_layers)
        paths = [layer_path(node.name) for node in nodes]
        lacking = [path for path in paths if path not in trained]
        if lacking:
            raise RecipeInvalid(
                f"[export] float_layers: the student was not trained with {lacking[0]} rounded; "
                "run stage 'round' again"
            )
        ranges = {node.input[0]: trained[path] for node, path in zip(nodes, paths, strict=True)}
        return quantize_static(small, ranges, float_layers=settings.float_layers)
    histograms = activation_histograms(graph, windows, pad_id=pad_id, threads=threads)
    ranges = {}
    for name, histogram in histograms.items():
        match settings.activation_range:
            case "min_max":
                ranges[name] = (histogram.low, histogram.high)
            case "percentile":
                ranges[name] = clip_percentile(histogram, settings.activation_percentile)
            case "least_squares":
                ranges[name] = clip_least_squares(histogram)
    return quantize_static(small, ranges, float_layers=settings.float_layers)


def _serialized(graph: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(graph)
    content: bytes = graph.SerializeToString(deterministic=True)
    # The artifact reader looks for this word to refuse graphs that refer to external data.
    if b"location" in content:
        raise GateFailed("the graph names something `location`; the artifact reader refuses that")
    return content


def _calibration_windows(
    rows: Sequence[Row], config: RunConfig, tokenizer: Tokenizer
) -> list[Window]:
    """One random window of each drawn row, so that the windows include the middle of texts."""
    rng = np.random.default_rng(config.distil.seed)
    drawn = draw(
        [(row.slice, row.label, row.source) for row in rows],
        n_draws=config.export.calibration_rows,
        pair_share=config.distil.pair_share,
        source_exponent=config.distil.source_exponent,
        source_weights=config.distil.source_weights,
        rng=rng,
    )
    _, encodings = encode([rows[int(index)] for index in drawn], tokenizer)
    return [encoding.windows[int(rng.integers(len(encoding.windows)))] for encoding in encodings]


def _sample(validation: Sequence[Row], config: RunConfig) -> list[Row]:
    """As many pairs as prompts, if there are enough, because AUPRC of a small slice is noisy."""
    order = np.random.default_rng(config.distil.seed).permutation(len(validation))
    shuffled = [validation[int(index)] for index in order]
    half = config.export.parity_rows // 2
    by_slice = [[row for row in shuffled if row.slice == name][:half] for name in SLICES]
    return [row for rows in by_slice for row in rows]


def _report(
    student: Student,
    fp32: onnx.ModelProto,
    passed: _Passed,
    settings: ExportConfig,
    *,
    tokenizer_json: bytes,
) -> ExportReport:
    layers = {
        "none": 0,
        "weight_only": len(quantizable(fp32, ())),
        "static": len(with_activations(fp32, settings.float_layers)),
    }
    return ExportReport(
        encoder=student.model.config.model_type,
        parameters=sum(p.numel() for p in student.model.parameters()),
        quantization=passed.quantization,
        refused=passed.refused,
        model_sha256=hashlib.sha256(passed.content).hexdigest(),
        tokenizer_sha256=hashlib.sha256(tokenizer_json).hexdigest(),
        size_bytes=len(passed.content),
        fusions=fusion_counts(fp32),
        quantized_layers=layers[passed.quantization],
        pad_id=student.pad_id,
        parity=passed.parity,
    )
