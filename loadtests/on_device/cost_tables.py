"""Figures of `cost.py` as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any, Final

from loadtests.on_device.cost import LENGTHS, SERVER

NAMES: Final = {
    "blank": "an empty page",
    "worker": "`postern-guard`, worker",
    "page": "`postern-guard`, the page's thread",
    "transformers": "transformers.js, the page's thread",
    SERVER: "server, over HTTP",
}
_PARTS: Final = ("model", "runtime", "code and data")


def tables(figures: dict[str, Any]) -> str:
    """Bytes, cold start and warm latency, a table for each."""
    first = next(iter(figures["slowdowns"].values()))
    parts = [_bytes(first["cold"]), _cold(figures), _warm(figures), _counting(figures)]
    return "\n\n".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(line)} |".replace("| --- ", "|---").replace("--- |", "---|")
        for line in lines
    )


def _median(rows: list[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> float:
    return statistics.median(value(row) for row in rows)


def _bytes(cold: dict[str, Any]) -> str:
    rows = []
    for kind, figures in cold.items():
        if kind in ("blank", SERVER):
            continue
        size = figures["bytes"]
        sizes = [f"{size[part]:,} ({size[f'{part}, gzip']:,})" for part in _PARTS]
        total = sum(size[f"{part}, gzip"] for part in _PARTS)
        rows.append([NAMES[kind], *sizes, f"{total:,}"])
    return _table(["bytes (with gzip)", *_PARTS, "all, with gzip"], rows)


def _cold(figures: dict[str, Any]) -> str:
    rows = []
    for slowdown, found in figures["slowdowns"].items():
        for kind, one in found["cold"].items():
            wall = _median(one["rounds"], lambda row: row["wall_ms"])
            processor = _median(one["rounds"], lambda row: row["processor_ms"])
            peak = found["warm"]["contenders"].get(kind)
            memory = "" if peak is None else f"{peak['peak_mb']:.0f}"
            shown = f"{processor:,.0f}" if slowdown == "1" else ""
            rows.append([slowdown, NAMES[kind], f"{wall:,.0f}", shown, memory])
    head = ["slowed", "until the first verdict", "clock, ms", "processor, ms", "peak, MB"]
    return _table(head, rows)


def _warm(figures: dict[str, Any]) -> str:
    rows = []
    for slowdown, found in figures["slowdowns"].items():
        contenders = found["warm"]["contenders"]
        for kind, one in contenders.items():
            cells = [slowdown, NAMES[kind]]
            for tokens in LENGTHS:
                own = [row for row in one["rounds"] if row["tokens"] == tokens]
                cells.append(f"{_median(own, lambda row: row['wall_ms']):.1f}")
                # Slowing is done by a loop that spends processor time of its own.
                processor = _median(own, lambda row: row["processor_ms"])
                cells.append(f"{processor:.1f}" if slowdown == "1" else "")
                cells.append(_ratio(contenders, kind, tokens))
            rows.append(cells)
    head = ["slowed", "a verdict, warm"]
    for tokens in LENGTHS:
        head += [f"{tokens} tokens: clock, ms", "processor, ms", "beside the worker"]
    return _table(head, rows)


def _ratio(contenders: dict[str, Any], kind: str, tokens: int) -> str:
    """Median over rounds of clock time beside the worker's in the same round."""
    pairs = zip(contenders[kind]["rounds"], contenders["worker"]["rounds"], strict=True)
    ratios = [a["wall_ms"] / b["wall_ms"] for a, b in pairs if a["tokens"] == tokens]
    return f"{statistics.median(ratios):.2f}"


def _counting(figures: dict[str, Any]) -> str:
    rows = []
    for slowdown, found in figures["slowdowns"].items():
        told = found["warm"]["counting_ms"]
        rows.append([slowdown, f"{told['page']:.0f}", f"{told['worker']:.0f}"])
    return _table(["slowed", "counting in the page's thread, ms", "in a worker, ms"], rows)
