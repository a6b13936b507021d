"""Whatever stands before Postern waits longer than Postern itself does."""

from __future__ import annotations

import re

import yaml
from postern.settings.settings import read_settings

from loadtests.fleet.haproxy import CONFIGURATION
from tests.server_process import ROOT


def test_haproxy_waits_for_verdicts_and_for_models() -> None:
    settings = read_settings()
    text = CONFIGURATION.read_text()
    defaults, once = (
        int(re.findall(r"timeout server (\d+)s", part)[0])
        for part in (text.partition("frontend")[0], text.partition("backend postern_once")[2])
    )
    assert defaults * 1000 > settings.limits.request_timeout_ms
    assert once * 1000 > settings.upstream.total_timeout_ms


def test_ray_serve_waits_for_models() -> None:
    options = yaml.safe_load((ROOT / "deploy/ray/serve.yaml").read_text())["http_options"]
    assert options["request_timeout_s"] * 1000 > read_settings().upstream.total_timeout_ms


def test_compose_leaves_the_grace_period() -> None:
    compose = yaml.safe_load((ROOT / "examples/compose/compose.yaml").read_text())
    found = re.fullmatch(r"(\d+)s", compose["services"]["postern"]["stop_grace_period"])
    server = read_settings().server
    assert found is not None
    assert int(found[1]) * 1000 > server.drain_delay_ms + server.grace_period_ms


def test_the_alert_of_overload_counts_refusals_of_the_server_alone() -> None:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    (rule,) = (
        one for group in groups for one in group["rules"] if one["alert"] == "PosternOverloaded"
    )
    (reasons,) = re.findall(r'postern_rejected_total\{reason=~"([^"]+)"', rule["expr"])
    assert set(reasons.split("|")) == {
        *("queue-full", "text-work-full", "deadline-unreachable", "overloaded")
    }
    assert 'status="429"' not in rule["expr"]
