"""Distribution of a graph's activations on real texts, and the range of them to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from postern.contract.windows import Window, pad
from tqdm import tqdm

from model_training.measures.cores import on_all_cores
from model_training.student.quantize import Floats, Range, copy_graph, with_activations

_N_BINS: Final = 4096
_BATCH_TOKENS: Final = 2048


@dataclass(frozen=True)
class Histogram:
    """Histogram of the values of an activation. counts: (bins,) float64 over [low, high]."""

    low: float
    high: float
    counts: npt.NDArray[np.float64]


def activation_histograms(
    graph: onnx.ModelProto, windows: Sequence[Window], *, pad_id: int, threads: int
) -> dict[str, Histogram]:
    """Histogram of each input of a quantizable MatMul over real windows, without padding.

    Two passes: the first finds the range for the bins of the second.
    """
    names = sorted({node.input[0] for node in with_activations(graph, ())})
    run = _probe(graph, names, threads=threads)
    ranges = dict.fromkeys(names, (np.inf, -np.inf))
    for values in _activations(run, names, windows, pad_id, "ranges"):
        for name, (low, high) in ranges.items():
            ranges[name] = (
                min(low, float(values[name].min())),
                max(high, float(values[name].max())),
            )
    counts = {name: np.zeros(_N_BINS) for name in names}
    for values in _activations(run, names, windows, pad_id, "histograms"):
        for name in names:
            counts[name] += np.histogram(values[name], bins=_N_BINS, range=ranges[name])[0]
    return {name: Histogram(*ranges[name], counts[name]) for name in names}


def clip_percentile(histogram: Histogram, percentile: float) -> Range:
    """The range that excludes (100 - percentile) / 2 % of values at each end."""
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    tail = (100.0 - percentile) / 200.0
    low = edges[int(np.searchsorted(share, tail, side="right"))]
    high = edges[min(int(np.searchsorted(share, 1.0 - tail)) + 1, len(edges) - 1)]
    return float(low), float(high)


def clip_least_squares(histogram: Histogram) -> Range:
    """The range with the least expected squared error of 8-bit rounding and clipping together.

    Searches over 60 shrinkages of each end in turn; after Banner et al. 2019, section 3, with the
    measured distribution in place of a Laplace one.
    """
    edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    centres = (edges[:-1] + edges[1:]) / 2.0

    def error(low: float, high: float) -> float:
        step = max(high - low, 1e-12) / 255.0
        beyond = np.clip(centres, low, high) - centres
        return float(((beyond**2 + step**2 / 12.0) * histogram.counts).sum())

    low, high = histogram.low, histogram.high
    shrinkages = np.geomspace(1.0, 0.01, 60)
    for _ in range(2):
        high = min((histogram.high * s for s in shrinkages), key=lambda end: error(low, end))
        low = min((histogram.low * s for s in shrinkages), key=lambda end: error(end, high))
    return low, high


def _probe(
    graph: onnx.ModelProto, names: Sequence[str], *, threads: int
) -> Callable[[dict[str, npt.NDArray[np.int64]]], list[Floats]]:
    probed = copy_graph(graph)
    probed.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    with on_all_cores():
        session = ort.InferenceSession(
            probed.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
        )
    taken = [node.name for node in session.get_inputs()]

    def run(inputs: dict[str, npt.NDArray[np.int64]]) -> list[Floats]:
        return list(session.run(list(names), {name: inputs[name] for name in taken}))

    return run


def _activations(
    run: Callable[[dict[str, npt.NDArray[np.int64]]], list[Floats]],
    names: Sequence[str],
    windows: Sequence[Window],
    pad_id: int,
    what: str,
) -> Iterable[dict[str, Floats]]:
    """Values of each activation at real tokens, for each batch: (tokens, width) float32."""
    ordered = sorted(windows, key=lambda window: window.length)
    with tqdm(total=len(ordered), desc=f"quantize: {what}", unit="window") as bar:
        while ordered:
            size = max(1, _BATCH_TOKENS // ordered[-1].length)
            batch, ordered = ordered[-size:], ordered[:-size]
            ids, mask, types = pad(batch, pad_id=pad_id)
            outputs = run({"input_ids": ids, "attention_mask": mask, "token_type_ids": types})
            real = mask.astype(bool)
            yield {
                # An activation without a token axis belongs to the whole text and contains no
                # padding.
                name: out[real] if out.shape[:2] == real.shape else out
                for name, out in zip(names, outputs, strict=True)
            }
            bar.update(len(batch))
