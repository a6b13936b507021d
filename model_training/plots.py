"""Two small PNG plots of a report. Drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from app.contract.decision import Policy
from app.contract.exchange import SLICES
from app.contract.probability import Calibration, harmful_probability
from model_training.scores import auprc, reliability
from model_training.scoring import Scored

_DPI: Final = 90
_UNCALIBRATED: Final = Calibration(temperature=1.0)


def plot_precision_recall(sets: Mapping[str, Scored]) -> bytes:
    """PNG: precision over recall of each set that holds both labels."""
    figure = Figure(figsize=(6, 4.5), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    for name, scored in _with_both_labels(sets).items():
        precision, recall, _ = precision_recall_curve(scored.labels, scored.margins)
        score = auprc(scored.margins, scored.labels)
        axes.plot(recall, precision, linewidth=1.4, label=f"{name} (AUPRC {score:.3f})")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left")
    return png(figure)


def plot_reliability(sets: Mapping[str, Scored], policy: Policy) -> bytes:
    """PNG: observed share of harmful over stated probability, before and after calibration."""
    figure = Figure(figsize=(8, 4.2), dpi=_DPI, layout="constrained")
    titles = ("uncalibrated", "calibrated")
    for axes, title in zip(figure.subplots(1, 2, sharey=True), titles, strict=True):
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        for name, scored in _with_both_labels(sets).items():
            stated, observed, size = reliability(
                _probabilities(scored, policy if title == "calibrated" else None), scored.labels
            )
            enough = size >= 10  # a bin of three rows says nothing
            axes.plot(stated[enough], observed[enough], marker="o", markersize=3, label=name)
        axes.set(title=title, xlabel="stated probability", xlim=(0, 1), ylim=(0, 1))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("observed share of harmful")
    figure.axes[0].legend(fontsize=7)
    return png(figure)


def _probabilities(scored: Scored, policy: Policy | None) -> Any:
    found = np.empty(len(scored.rows), dtype=np.float64)
    for name in SLICES:
        here = scored.slices == name
        calibration = _UNCALIBRATED if policy is None else policy.calibration[name]
        found[here] = harmful_probability(scored.margins[here], calibration)
    return found


def _with_both_labels(sets: Mapping[str, Scored]) -> dict[str, Scored]:
    return {name: scored for name, scored in sets.items() if len(set(scored.labels.tolist())) == 2}


def png(figure: Figure) -> bytes:
    """The file. Drawn without a display."""
    content = io.BytesIO()
    # No software version or time: the same figures give the same file.
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(content, metadata={"Software": None})
    return content.getvalue()
