"""`PosternFailing` is raised for failures of the server, not of the upstream behind it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import StartServer
from tests.deploy.test_drift_alerts import holds
from tests.deploy.test_monitoring import ALERTS

RAISED = {
    "labels": 'ALERTS{alertname="PosternFailing", alertstate="firing", instance="a", '
    'severity="critical"}',
    "value": 1,
}


def _requests(route: str, status: str, per_minute: float) -> dict[str, str]:
    labels = f'instance="a", route="{route}", status="{status}"'
    return {"series": f"postern_requests_total{{{labels}}}", "values": f"0+{per_minute}x30"}


@pytest.mark.parametrize(
    ("route", "raised"),
    [
        ("/classify", True),
        ("/v1/moderations", True),
        ("/ext_authz/{path}", True),
        ("/v1/chat/completions", False),
        ("/openai/deployments/{deployment}/chat/completions", False),
        ("/v1/models/{model}", False),
        ("/readyz", False),
    ],
)
def test_only_failures_of_the_server_count(route: str, raised: bool, tmp_path: Path) -> None:
    # Many chats that end well must not hide what fails beside them, either.
    series = [
        _requests("/classify", "200", 10),
        _requests("/v1/chat/completions", "200", 1000),
        _requests(route, "503", 1),
    ]
    assert holds("PosternFailing", 20, series, [RAISED], tmp_path) is raised
    assert holds("PosternFailing", 20, series, [], tmp_path) is not raised


def test_the_routes_left_out_are_those_that_ask_the_upstream(start_server: StartServer) -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    (query,) = [
        rule["expr"]
        for group in groups
        for rule in group["rules"]
        if rule["alert"] == "PosternFailing"
    ]
    left_out = set(re.findall(r'route!~"([^"]+)"', query))
    assert len(left_out) == 1
    pattern = re.compile(left_out.pop())
    document = httpx.get(f"{start_server().url}/openapi.json").json()
    for route, methods in document["paths"].items():
        documented = {code for method in methods.values() for code in method["responses"]}
        asks_upstream = "502" in documented
        if route not in {"/healthz", "/readyz", "/health"}:
            assert bool(pattern.fullmatch(route)) is asks_upstream, route
