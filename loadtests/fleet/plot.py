"""Plots what a simulation of fleets found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_COLOURS = {
    "round robin": "#c1502e",
    "random two choices": "#5f8a3a",
    "least connections": "#3b6ea5",
}


def fleet_plot(result: Mapping[str, Any], path: Path) -> None:
    """Two rows over the number of replicas: p99 of answers, and the share that was refused."""
    shares = sorted({one["share"] for one in result["points"]})
    figure, axes = plt.subplots(2, len(shares), sharex=True, sharey="row", figsize=(9.0, 5.5))
    try:
        for column, share in enumerate(shares):
            above, below = axes[0][column], axes[1][column]
            for name, colour in _COLOURS.items():
                points = sorted(
                    (one["replicas"], one["p99_ms"], 100.0 * (one["refused"] + one["late"]))
                    for one in result["points"]
                    if one["share"] == share and one["balancer"] == name
                )
                sizes, p99, lost = zip(*points, strict=True)
                above.plot(sizes, p99, marker=".", color=colour, label=name)
                below.plot(sizes, lost, marker=".", color=colour)
            above.set_title(f"{share:.0%} of the capacity")
            above.axhline(result["deadline_ms"], color="#999999", linewidth=1.0)
            above.set_xscale("log")
            for axis in (above, below):
                axis.grid(alpha=0.3)
            below.set_xlabel("replicas")
        for row in axes:  # last, because a row shares its limits
            row[0].set_ylim(bottom=0.0)
        axes[0][0].set_ylabel("p99 of verdicts, ms")
        axes[1][0].set_ylabel("refused or late, %")
        axes[0][0].legend(loc="upper right", fontsize=8)
        figure.tight_layout()
        figure.savefig(path, dpi=120)
    finally:
        plt.close(figure)
