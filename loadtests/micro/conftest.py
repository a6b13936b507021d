"""Ratios of each benchmark's median to that of the fixed reference computation in the same run."""

from __future__ import annotations

from typing import Any

import pytest

REFERENCE = "test_reference"


def _ratios(benchmarks: list[dict[str, Any]]) -> dict[str, float]:
    medians = {one["name"]: float(one["stats"]["median"]) for one in benchmarks}
    reference = medians.get(REFERENCE)
    return {name: median / reference for name, median in medians.items()} if reference else {}


@pytest.hookimpl
def pytest_benchmark_update_json(
    config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]
) -> None:
    """Stores each ratio beside its timings."""
    ratios = _ratios(output_json["benchmarks"])
    for one in output_json["benchmarks"]:
        ratio = ratios.get(one["name"])
        one["extra_info"]["ratio_to_reference"] = float(f"{ratio:.4g}") if ratio else None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    found = [
        {"name": one.name, "stats": {"median": one.stats.median}}
        for one in (session.benchmarks if session else [])
        if one.stats.rounds
    ]
    ratios = _ratios(found)
    if ratios:
        terminalreporter.section("ratio of each median to that of the reference computation")
        for name, ratio in sorted(ratios.items()):
            terminalreporter.write_line(f"{ratio:10.4g}  {name}")
