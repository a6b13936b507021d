"""Results as plain JSON. The schema is frozen by `tests/golden/loadtest_result.json`."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.driver import OK, Step
from loadtests.latencies import Latencies

SCHEMA_VERSION = 2

Json = dict[str, Any]


def machine() -> Json:
    """The machine properties that results depend on, without names of hosts or persons."""
    return {
        "processor": _first(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(aliased=True, terse=True),
        "python": platform.python_version(),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def tell(document: Json, output: Path | None) -> None:
    """Save it, or print it if there is no file to write to."""
    if output is None:
        print(json.dumps(document, indent=2))
    else:
        save(document, output)


def document(kind: str, *, settings: Json, server: Json | None) -> Json:
    """A result without its points."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "server": server,
        "settings": settings,
        "points": [],
        "capacity": None,
    }


def point(
    steps: Sequence[Step],
    *,
    limit_s: float,
    differences: Sequence[Json] | None,
    clients: int | None = None,
) -> Json:
    """Combines the steps of one rate, one for each seed, into one point.

    clients: for a closed loop, which offers no rate. differences: between client and server for
    each step; None if the server cannot be asked.
    """
    load = steps[0].load
    latency = Latencies.merged(step.latency for step in steps)
    scheduled = sum(step.scheduled for step in steps)
    in_time = latency.within(limit_s)
    measured_s = load.measured_s * len(steps)
    return {
        "offered_rps": None if clients else round(load.rate, 3),
        "clients": clients,
        "seeds": len(steps),
        "measured_s": measured_s,
        "scheduled": scheduled,
        "outcomes": dict(sorted(sum((step.outcomes for step in steps), Counter[str]()).items())),
        "limit_ms": round(limit_s * 1000.0, 3),
        "within_limit": round(in_time / scheduled, 5) if scheduled else None,
        "deadline_ms": round(load.deadline_s * 1000.0, 3),
        "requests_per_s": round(sum(s.replies for s in steps) / measured_s, 3),
        "texts_per_s": round(sum(s.texts_judged for s in steps) / measured_s, 3),
        "goodput_texts_per_s": round(sum(s.texts_in_time for s in steps) / measured_s, 3),
        "latency_ms": latency.summary_ms(),
        "p99_ms_by_seed": [round(step.latency.at_ms(99.0), 3) for step in steps],
        "service_ms": Latencies.merged(step.service for step in steps).summary_ms(),
        "generator_delay_ms": Latencies.merged(step.delay for step in steps).summary_ms(),
        "generator_late_ms": Latencies.merged(step.late for step in steps).summary_ms(),
        "latency_histogram": latency.encoded(),
        "server": _server_use(steps),
        "generator": _generator_use(steps),
        "counts": _counts(differences),
    }


def passes(measured: Json, *, share: float = 0.99) -> bool:
    """Whether at least `share` of all offered requests got a verdict within the limit.

    Refused and broken requests count as late, so that refusing makes no server look fast.
    """
    within: float | None = measured["within_limit"]
    return within is not None and within >= share


def save(result: Json, path: Path) -> None:
    """Write with one rename, so that readers never see half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(path.suffix + ".part")
    half.write_text(json.dumps(result, indent=2) + "\n")
    half.rename(path)


def line(measured: Json) -> str:
    """One line about a point, for people who watch the run."""
    latency = measured["latency_ms"] or {"p50": float("nan"), "p99": float("nan")}
    within = measured["within_limit"]
    share = "-" if within is None else f"{within:.1%}"
    refused = {name: n for name, n in measured["outcomes"].items() if name != OK}
    shown = f"  other: {refused}" if refused else ""
    wrong = measured["counts"]["differences"]
    clients, rate = measured["clients"], measured["offered_rps"]
    offered = f"{clients:7d} clients" if clients else f"{rate:9.1f} req/s"
    return (
        f"{offered}  p50 {latency['p50']:8.1f} ms  "
        f"p99 {latency['p99']:8.1f} ms  within {measured['limit_ms']:g} ms: "
        f"{share}  {measured['texts_per_s']:.1f} texts/s{shown}"
        + (f"  COUNTS DIFFER: {wrong}" if wrong else "")
    )


def _server_use(steps: Sequence[Step]) -> Json | None:
    if not any(step.usage.memory_bytes for step in steps):
        return None
    cpu_s = sum(step.usage.cpu_s for step in steps)
    return {
        "cpu_s_per_1000_texts": _per_1000_texts(cpu_s, steps),
        "cores": _cores(cpu_s, steps),
        "goodput_texts_per_cpu_s": round(sum(s.texts_in_time for s in steps) / cpu_s, 3)
        if cpu_s
        else None,
        "memory_before_bytes": steps[0].usage.memory_before_bytes,
        "memory_after_bytes": steps[-1].usage.memory_bytes,
        "memory_peak_bytes": max(step.usage.memory_peak_bytes for step in steps),
    }


def _generator_use(steps: Sequence[Step]) -> Json:
    cpu_s = sum(step.generator_cpu_s for step in steps)
    return {
        "cpu_s_per_1000_texts": _per_1000_texts(cpu_s, steps),
        "cores": _cores(cpu_s, steps),
        "peak_connections": max(step.peak_connections for step in steps),
        "peak_waiting": max(step.peak_waiting for step in steps),
    }


def _per_1000_texts(cpu_s: float, steps: Sequence[Step]) -> float | None:
    texts = sum(step.texts_metered for step in steps)
    return round(cpu_s / texts * 1000.0, 4) if texts else None


def _cores(cpu_s: float, steps: Sequence[Step]) -> float:
    elapsed = sum(step.elapsed_s for step in steps)
    return round(cpu_s / elapsed, 4) if elapsed else 0.0


def _counts(differences: Sequence[Json] | None) -> Json:
    if differences is None:
        return {"checked": False, "differences": []}
    return {"checked": True, "differences": [one for one in differences if one]}


def _first(pattern: str, path: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return None
    return found[1].strip() if found else None
