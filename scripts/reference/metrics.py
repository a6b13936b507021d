"""The page of metrics."""

from __future__ import annotations

from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from scripts.reference import sources
from scripts.reference.markdown import NOTE, page, table


def metrics_page() -> str:
    rows = []
    for collector in vars(sources.metrics()).values():
        if not isinstance(collector, MetricWrapperBase):
            continue
        name = collector._name + ("_total" if isinstance(collector, Counter) else "")
        labels = ", ".join(f"`{one}`" for one in collector._labelnames) or "none"
        rows.append((f"`{name}`", collector._type, labels, collector._documentation))
    buckets = [
        (f"`{one._name}`", ", ".join(f"{bound:g}" for bound in one._upper_bounds[:-1]))
        for one in vars(sources.metrics()).values()
        if isinstance(one, Histogram)
    ]
    return page(
        [
            "# Metrics",
            NOTE,
            "`GET /metrics` answers in Prometheus's text format. If API keys are set, it needs "
            "one. Labels are bounded: no label holds text of users or a key. "
            "[Deploy](../guides/deploy.md#7-watch-it) says how to scrape, draw and alert.",
            table(("metric", "type", "labels", "meaning"), rows),
            "The usual `process_*` metrics, such as `process_cpu_seconds_total` and "
            "`process_resident_memory_bytes`, stand beside them.",
            "## Buckets",
            "Upper bounds of the histograms, in the unit of the metric.",
            table(("histogram", "bounds"), buckets),
        ]
    )
