"""Verdicts of OpenVINO beside those of ONNX Runtime, here, and whether company moves them.

    python -m loadtests.engine_parity --rows runs/postern-minilm-2.1.0/rows/validation.jsonl

The rows are exchanges with labels, as a run of a recipe keeps them. Both engines score every row by
its most harmful window. `auto` may take an engine if the AUPRC of no slice moves by more than .003
and 99.5 % of the clear verdicts are equal: those outside 0.05 of the threshold `balanced`. Then
windows of the same rows run alone and in random company of up to 32. `bits_moved` counts windows
whose logits are not the same to the bit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.exchange import SLICES
from postern.contract.probability import Floats, harmful_probability
from postern.contract.windows import Window
from postern.inference.margins import margins
from postern.inference.openvino_session import OpenVinoSession, Precision
from postern.inference.processor import multiplies_bfloat16
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer
from postern.shipped import DEFAULT_ARTIFACT

from loadtests import results
from model_training.data.encoding import encode
from model_training.data.rows import Row, read_rows
from model_training.measures.figures import auprc

NEAR_THRESHOLD: Final = 0.05
_COMPANY: Final = 32
_POINT: Final = "balanced"
Run = Callable[[Sequence[Window]], npt.NDArray[np.floating[Any]]]


def precisions() -> tuple[Precision, ...]:
    """Those that this processor has instructions for."""
    return ("f32", "bf16") if multiplies_bfloat16() else ("f32",)


def sampled(rows: Sequence[Row], count: int, *, seed: int) -> list[Row]:
    """At most `count` rows, without replacement."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return [rows[int(place)] for place in order[:count]]


def compared(
    artifact: Artifact, rows: Sequence[Row], reference: Floats, found: Floats
) -> dict[str, Any]:
    """Figures of the differences. rows: n; reference, found: (n,) margins in nats."""
    labels = np.array([row.label for row in rows])
    slices = np.array([row.slice for row in rows])
    policy = artifact.manifest.policy
    both = np.array([reference, found])
    probabilities = np.empty_like(both)
    thresholds = np.empty(len(rows))
    moved = {}
    for name in SLICES:
        here = slices == name
        if len(set(labels[here])) == 2:
            before, after = (auprc(one[here], labels[here]) for one in both)
            moved[name] = after - before
        probabilities[:, here] = harmful_probability(both[:, here], policy.calibration[name])
        thresholds[here] = policy.operating_points[_POINT][name].threshold
    clear = np.abs(probabilities[0] - thresholds) > NEAR_THRESHOLD
    equal = np.equal(*(probabilities >= thresholds))
    return {
        "auprc_moved": moved,
        "clear": int(clear.sum()),
        "clear_equal": float(equal[clear].mean()) if clear.any() else None,
        "margin_moved": _mean_and_largest(both),
        "probability_moved": _mean_and_largest(probabilities),
    }


def _mean_and_largest(both: Floats) -> dict[str, float]:
    difference = np.abs(both[0] - both[1])
    return {"mean": float(difference.mean()), "largest": float(difference.max())}


def bits_moved(run: Run, windows: Sequence[Window], *, seed: int) -> int:
    """Windows whose logits differ between running alone and in random company."""
    rng = np.random.default_rng(seed)
    alone = np.concatenate([run([window]) for window in windows])
    together = np.empty_like(alone)
    order = rng.permutation(len(windows))
    while len(order):
        company, order = np.split(order, [int(rng.integers(2, _COMPANY + 1))])
        together[company] = run([windows[int(place)] for place in company])
    return int((alone != together).any(axis=1).sum())


def measure(
    artifact: Artifact, rows: Sequence[Row], *, windows: int, seed: int
) -> list[dict[str, Any]]:
    """For each precision of OpenVINO, its figures beside ONNX Runtime's, on one thread."""
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    kept, encodings = encode(rows, tokenizer)
    every = [window for encoding in encodings for window in encoding.windows]
    order = np.random.default_rng(seed).permutation(len(every))
    chosen = [every[int(place)] for place in order[:windows]]
    onnx = OnnxSession(artifact.model, pad_id=manifest.pad_id, intra_op_threads=1)
    reference = margins(encodings, onnx.run, what="ONNX Runtime")
    figures = []
    for precision in precisions():
        session = OpenVinoSession(
            artifact.model, pad_id=manifest.pad_id, intra_op_threads=1, precision=precision
        )
        found = margins(encodings, session.run, what=precision)
        figures.append(
            {"precision": precision, "rows": len(kept)}
            | compared(artifact, kept, reference, found)
            | {"windows": len(chosen), "bits_moved": bits_moved(session.run, chosen, seed=seed)}
        )
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, required=True, help="rows of a run, JSON Lines")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--windows", type=int, default=5000)
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON; printed if not given")
    asked = parser.parse_args(arguments)
    rows = sampled(read_rows(asked.rows), asked.count, seed=asked.seed)
    found = measure(read_artifact(asked.artifact), rows, windows=asked.windows, seed=asked.seed)
    results.tell({"machine": results.machine(), "engines": found}, asked.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
