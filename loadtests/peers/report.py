"""Reports all trials of a comparison as table, JSON and plots: medians and spread of ratios."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtests import results

Json = dict[str, Any]
REPORT = "report.json"
KINDS = ("rate", "throughput", "idle_p50", "cpu", "memory")


def read_trials(folder: Path) -> list[Json]:
    """All trials of a folder. Raises FileNotFoundError if there are none."""
    files = [json.loads(file.read_text()) for file in sorted(folder.glob("*-*-*.json"))]
    found = [one for one in files if one.get("kind") == "trial"]  # `ahead` also writes here
    if not found:
        raise FileNotFoundError("no trials yet")
    return found


def summary(trials: Iterable[Json]) -> list[Json]:
    """A row for each scenario and peer."""
    groups: dict[tuple[str, str], list[Json]] = {}
    for one in trials:
        groups.setdefault((one["settings"]["scenario"], one["settings"]["peer"]), []).append(one)
    return [
        {
            "scenario": scenario,
            "peer": peer,
            "trials": len(group),
            "peer_carries": [one["theirs"]["capacity"]["rate_rps"] for one in group],
            "ours_carries": [own["capacity"]["rate_rps"] for one in group for own in one["ours"]],
            "ratios": {kind: _spread([one["ratios"][kind] for one in group]) for kind in KINDS},
        }
        for (scenario, peer), group in sorted(groups.items())
    ]


def table(rows: Sequence[Json]) -> str:
    """Markdown table. Ratios are Postern over the peer: median, least and largest."""
    names = {
        "rate": "highest rate",
        "throughput": "closed-loop throughput",
        "idle_p50": "idle p50",
        "cpu": "processor time per text",
        "memory": "memory",
    }
    head = ["texts", "peer", "trials", *names.values()]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["scenario"], row["peer"], str(row["trials"])]
        cells += [_cell(row["ratios"][kind]) for kind in names]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(folder: Path) -> str:
    """Writes `report.json`, `report.md` and a plot for each kind of texts; returns the table."""
    from loadtests.plot import ratio_plot

    trials = read_trials(folder)
    rows = summary(trials)
    results.save({"schema_version": results.SCHEMA_VERSION, "rows": rows}, folder / REPORT)
    text = table(rows)
    (folder / "report.md").write_text(text)
    for scenario in {row["scenario"] for row in rows}:
        values = {
            row["peer"]: row["ratios"]["rate"]["values"]
            for row in rows
            if row["scenario"] == scenario
        }
        title = f"{scenario}: highest rate within the limit, ours over theirs"
        ratio_plot(values, folder / f"rate-{scenario}.png", title=title)
    return text


def _spread(values: Sequence[float | None]) -> Json:
    known = [one for one in values if one is not None]
    return {
        "median": round(statistics.median(known), 4) if known else None,
        "values": known,
        "missing": len(values) - len(known),
    }


def _cell(spread: Mapping[str, Any]) -> str:
    if spread["median"] is None:
        return "none"
    values = spread["values"]
    missing = f", {spread['missing']} none" if spread["missing"] else ""
    return f"{spread['median']:.2f} ({min(values):.2f} to {max(values):.2f}{missing})"
