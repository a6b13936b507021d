"""Small PNG plots of a report. Drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from postern.contract.decision import Policy
from postern.contract.exchange import SLICES
from postern.contract.probability import Calibration, harmful_probability
from sklearn.metrics import precision_recall_curve

from model_training.measures.figures import auprc, reliability
from model_training.measures.png import DPI, png
from model_training.measures.served import ScoredRows

_SOURCES_SHOWN: Final = 30

Composition = Mapping[str, Mapping[str, int]]
"""source -> slice and label, such as `pair_1` -> rows."""
KINDS: Final = ("prompt_0", "prompt_1", "pair_0", "pair_1")
_UNCALIBRATED: Final = Calibration(temperature=1.0)


def plot_precision_recall(sets: Mapping[str, ScoredRows]) -> bytes:
    """PNG: precision over recall of each set with both labels."""
    figure = Figure(figsize=(6, 4.5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for name, scored in _with_both_labels(sets).items():
        precision, recall, _ = precision_recall_curve(scored.labels, scored.margins)
        score = auprc(scored.margins, scored.labels)
        axes.plot(recall, precision, linewidth=1.4, label=f"{name} (AUPRC {score:.3f})")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left")
    return png(figure)


def plot_reliability(sets: Mapping[str, ScoredRows], policy: Policy) -> bytes:
    """PNG: observed harmful share over stated probability, before and after calibration."""
    figure = Figure(figsize=(8, 4.2), dpi=DPI, layout="constrained")
    titles = ("uncalibrated", "calibrated")
    for axes, title in zip(figure.subplots(1, 2, sharey=True), titles, strict=True):
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        for name, scored in _with_both_labels(sets).items():
            stated, observed, size = reliability(
                _probabilities(scored, policy if title == "calibrated" else None), scored.labels
            )
            enough = size >= 10  # a bin of few rows says nothing
            axes.plot(stated[enough], observed[enough], marker="o", markersize=3, label=name)
        axes.set(title=title, xlabel="stated probability", xlim=(0, 1), ylim=(0, 1))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("observed share of harmful")
    figure.axes[0].legend(fontsize=7)
    return png(figure)


def plot_novelty(report: Mapping[str, Any]) -> bytes:
    """PNG: share of each group over the cosine to its nearest training prompt (`novelty.py`)."""
    figure = Figure(figsize=(6, 4.0), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for name, group in report.items():
        if not isinstance(group, Mapping):
            continue
        counts = np.asarray(group["histogram"]) / group["rows"]
        edges = np.linspace(0, 1, len(counts) + 1)
        label = f"{name.replace('_', ' ')} ({group['far']:.0%} far)"
        dashed = "dashed" if name.startswith("held_out") else "solid"
        axes.stairs(counts, edges, label=label, linestyle=dashed, linewidth=1.4)
    axes.axvline(report["far_below"], color="0.6", linewidth=0.8)
    axes.set(xlabel="cosine to the nearest training prompt", ylabel="share", xlim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left")
    return png(figure)


def plot_composition(composition: Composition) -> bytes:
    """PNG: rows of each source by slice and label, the largest sources first."""
    ordered = sorted(composition.items(), key=lambda item: sum(item[1].values()))
    shown = ordered[-_SOURCES_SHOWN:]
    if rest := ordered[:-_SOURCES_SHOWN]:
        total = {kind: sum(found.get(kind, 0) for _, found in rest) for kind in KINDS}
        shown = [(f"{len(rest)} smaller ones", total), *shown]
    figure = Figure(figsize=(7.5, 1 + 0.2 * len(shown)), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(shown))
    left = np.zeros(len(shown))
    for kind, colour in zip(KINDS, ("#9ecae1", "#de2d26", "#3182bd", "#a50f15"), strict=True):
        counts = np.array([found.get(kind, 0) for _, found in shown])
        name, label = kind.split("_")
        harm = "harmful" if label == "1" else "unharmful"
        axes.barh(places, counts, left=left, height=0.75, color=colour, label=f"{name}s, {harm}")
        left += counts
    axes.set_yticks(places, [name for name, _ in shown], fontsize=7)
    axes.set_xlabel("training rows")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    return png(figure)


def _probabilities(scored: ScoredRows, policy: Policy | None) -> Any:
    found = np.empty(len(scored.rows), dtype=np.float64)
    for name in SLICES:
        here = scored.slices == name
        calibration = _UNCALIBRATED if policy is None else policy.calibration[name]
        found[here] = harmful_probability(scored.margins[here], calibration)
    return found


def _with_both_labels(sets: Mapping[str, ScoredRows]) -> dict[str, ScoredRows]:
    return {name: scored for name, scored in sets.items() if len(set(scored.labels.tolist())) == 2}
