"""All metrics live in one place, carry units and bounded labels, and belong to one server."""

from __future__ import annotations

import ast
from pathlib import Path

from postern.metrics import Metrics

APP = Path(__file__).resolve().parents[2] / "app" / "postern"
UNITS = (
    *("_seconds", "_tokens", "_ratio", "_windows", "_info", "_probability", "_psi"),
    *("_questions", "_state", "_bytes"),
)
LABELS = {
    *("route", "status", "stage", "reason", "verdict", "decided_by", "slice"),
    *("name", "version", "sha256", "outcome", "window"),
    *("trigger", "student", "teacher", "language", "category", "operating_point", "shadow"),
    *("expected", "limit", "policy", "list", "api", "part"),
}


def test_metrics_are_defined_in_one_module() -> None:
    for path in APP.rglob("*.py"):
        if path.name == "metrics.py":
            continue
        names = {
            node.module if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert not [name for name in names if name and name.startswith("prometheus_client")]


def test_names_have_a_prefix_a_unit_and_a_help_text() -> None:
    own = [
        family for family in Metrics().registry.collect() if not family.name.startswith("process_")
    ]
    assert len(own) > 10
    for family in own:
        assert family.name.startswith("postern_")
        assert family.documentation.endswith(".")
        if family.type in ("gauge", "histogram"):
            assert family.name.endswith(UNITS), family.name


def test_labels_are_of_the_known_few() -> None:
    metrics = Metrics()
    for value in vars(metrics).values():
        assert set(getattr(value, "_labelnames", ())) <= LABELS


def test_two_servers_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.cancelled.inc()
    assert one.registry.get_sample_value("postern_cancelled_total") == 1.0
    assert other.registry.get_sample_value("postern_cancelled_total") == 0.0


def test_the_queue_is_read_when_scraped() -> None:
    metrics = Metrics()
    tokens = [3.0]
    metrics.watch_queue(lambda: tokens[0], lambda: 0.5)
    assert b"postern_queue_tokens 3.0\n" in metrics.render()
    tokens[0] = 4.0
    assert b"postern_queue_tokens 4.0\n" in metrics.render()
    assert b"postern_queue_oldest_seconds 0.5\n" in metrics.render()
