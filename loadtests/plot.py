"""Plots latency and throughput against offered load, with the knee."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_COLOURS = ("#3b6ea5", "#c1502e", "#5f8a3a", "#8458a5", "#b58a1b", "#3f8f8c", "#8a5a44", "#666666")
_PERCENTILES = (("p50", ":"), ("p95", "--"), ("p99", "-"))


def latency_plot(result: Mapping[str, Any], path: Path) -> None:
    """Two panels over the offered rate: latency, and texts per second. Writes PNG or SVG."""
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7.0, 6.5))
    try:
        offered = "clients" if result["kind"] == "closed" else "offered_rps"
        points = sorted(result["points"], key=lambda one: float(one[offered]))
        _latencies(above, points, offered)
        _throughput(below, points, offered)
        capacity = result["capacity"]
        if capacity and capacity["rate_rps"]:
            for axis in (above, below):
                axis.axvline(capacity["rate_rps"], color="#999999", linewidth=1.0)
            above.set_title(
                f"{result['settings']['scenario']}: {capacity['rate_rps']:.0f} requests per second "
                f"with 99 % within {points[0]['limit_ms']:g} ms"
            )
        else:
            above.set_title(str(result["settings"]["scenario"]))
        figure.tight_layout()
        figure.savefig(path, dpi=120)
    finally:
        plt.close(figure)


def _latencies(axis: Any, points: Sequence[Mapping[str, Any]], offered: str) -> None:
    answered = [one for one in points if one["latency_ms"]]
    rates = [one[offered] for one in answered]
    for name, style in _PERCENTILES:
        values = [one["latency_ms"][name] for one in answered]
        axis.plot(rates, values, ".", color=_COLOURS[0], alpha=0.6)
        axis.plot(*_medians(rates, values), style, color=_COLOURS[0], label=name)
    if points:
        axis.axhline(points[0]["limit_ms"], color=_COLOURS[1], linewidth=1.0, label="limit")
    axis.set_yscale("log")
    axis.set_ylabel("latency from the scheduled time, ms")
    axis.grid(alpha=0.3)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="lower right")


def _medians(
    places: Sequence[float], values: Sequence[float]
) -> tuple[Sequence[float], Sequence[float]]:
    """One value for each place, because a rate that failed is measured again."""
    found: dict[float, list[float]] = {}
    for place, value in zip(places, values, strict=True):
        found.setdefault(place, []).append(value)
    return list(found), [statistics.median(one) for one in found.values()]


def _throughput(axis: Any, points: Sequence[Mapping[str, Any]], offered: str) -> None:
    rates = [one[offered] for one in points]
    axis.plot(
        *(rates, [one["texts_per_s"] for one in points]), marker=".", color=_COLOURS[0], label="all"
    )
    axis.plot(
        *(rates, [one["goodput_texts_per_s"] for one in points]),
        *("--",),
        marker=".",
        color=_COLOURS[2],
        label="within the deadline",
    )
    axis.set_xlabel("clients" if offered == "clients" else "offered load, requests per second")
    axis.set_ylabel("texts judged per second")
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left")


def ratio_plot(rows: Mapping[str, Sequence[float]], path: Path, *, title: str) -> None:
    """Plots ratios as dots with medians, one line for each name; 1 is the reference."""
    figure, axis = plt.subplots(figsize=(7.0, 0.55 * len(rows) + 1.6))
    try:
        for place, values in enumerate(rows.values()):
            axis.plot(values, [place] * len(values), "o", alpha=0.6, color=_COLOURS[0])
        axis.set_yticks(range(len(rows)), list(rows))
        axis.axvline(1.0, color="#999999", linewidth=1.0)
        axis.set_xlabel("ratio")
        axis.set_title(title)
        axis.grid(alpha=0.3, axis="x")
        figure.tight_layout()
        figure.savefig(path, dpi=120)
    finally:
        plt.close(figure)


def rates_plot(
    found: Mapping[str, Mapping[str, Sequence[float]]], path: Path, *, title: str
) -> None:
    """Highest rates: a group of bars for each scenario, one for each server; a dot for each round.

    found: scenario -> server -> rates per second. Each group is scaled to its first server's
    median, so that scenarios with long and short texts stand side by side.
    """
    servers = list(next(iter(found.values())))
    figure, axis = plt.subplots(figsize=(7.0, 3.8))
    try:
        width = 0.8 / len(servers)
        for number, server in enumerate(servers):
            for place, rates in enumerate(found.values()):
                whole = statistics.median(rates[servers[0]])
                shares = [one / whole for one in rates[server]]
                at = place + (number - (len(servers) - 1) / 2) * width
                median = statistics.median(shares)
                label = server if place == 0 else None
                axis.bar(at, median, 0.9 * width, color=_COLOURS[number], alpha=0.75, label=label)
                axis.plot([at] * len(shares), shares, ".", color="#222222", markersize=4)
                axis.annotate(
                    *(f"{median * whole:.0f}", (at, median)),
                    ha="center",
                    va="bottom",
                    fontsize=8,
                    xytext=(0, 4),
                    textcoords="offset points",
                )
        axis.set_xticks(range(len(found)), list(found))
        axis.set_ylabel(f"highest rate, {servers[0]} = 1")
        axis.set_ylim(top=1.15 * axis.get_ylim()[1])
        axis.set_title(title)
        axis.grid(alpha=0.3, axis="y")
        axis.legend()
        figure.tight_layout()
        figure.savefig(path, dpi=120)
    finally:
        plt.close(figure)


def growth_plot(points: Sequence[Mapping[str, Any]], path: Path, *, label: str) -> None:
    """Two panels: texts per second, and memory."""
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7.0, 5.5))
    try:
        values = [one["value"] for one in points]
        above.plot(*(values, [one["texts_per_s"] for one in points]), marker=".", color=_COLOURS[0])
        above.set_ylabel("texts judged per second")
        memory = [one["memory_peak_bytes"] / (1 << 20) for one in points]
        below.plot(values, memory, marker=".", color=_COLOURS[1])
        below.set_ylabel("memory at most, MiB")
        below.set_xlabel(label)
        below.set_xscale("log", base=2)
        below.set_xticks(values, [str(one) for one in values])
        for axis in (above, below):
            axis.set_ylim(bottom=0.0)
            axis.grid(alpha=0.3)
        figure.tight_layout()
        figure.savefig(path, dpi=120)
    finally:
        plt.close(figure)
