"""How the Helm chart scales, and what Prometheus is told of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml
from postern.metrics import Metrics

from scripts.reference.chart import ALERTS
from tests.deploy.helm_chart import (
    EVERY,
    NAMESPACE,
    manifests,
    only,
    rendered,
    selects,
    values_of,
)
from tests.system_packages import require


@EVERY
def test_the_number_of_pods_has_one_owner(name: str) -> None:
    spec = only(rendered(name), "Deployment")["spec"]
    assert ("replicas" in spec) is (name not in ("hpa", "keda"))


def test_hpa_looks_at_cpu() -> None:
    spec = only(rendered("hpa"), "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 12)
    assert spec["metrics"][0]["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 65},
    }
    assert spec["scaleTargetRef"]["name"] == "postern"


def test_pods_are_added_at_once_and_removed_slowly() -> None:
    hpa = only(rendered("hpa"), "HorizontalPodAutoscaler")["spec"]["behavior"]
    advanced = only(rendered("keda"), "ScaledObject")["spec"]["advanced"]
    assert advanced["horizontalPodAutoscalerConfig"]["behavior"] == hpa
    assert hpa["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert hpa["scaleDown"] == {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }


def test_keda_looks_at_queued_tokens_and_cpu() -> None:
    queue, cpu = only(rendered("keda"), "ScaledObject")["spec"]["triggers"]
    asked = queue["metadata"]
    (gauge,) = re.findall(r"\w+(?=\{)", asked["query"])
    assert gauge in {family.name for family in Metrics().registry.collect()}
    assert f'namespace="{NAMESPACE}"' in asked["query"]
    assert f'service="{only(rendered("keda"), "Service")["metadata"]["name"]}"' in asked["query"]
    assert (asked["threshold"], asked["ignoreNullValues"]) == ("1000000", "false")
    assert (queue["authenticationRef"]["name"], asked["authModes"]) == (
        "prometheus-login",
        "bearer",
    )
    assert (cpu["type"], cpu["metadata"]) == ("cpu", {"value": "70"})


def test_prometheus_takes_the_rules_and_the_query(tmp_path: Path) -> None:
    (promtool,) = require("promtool")
    spec = only(rendered("monitoring"), "PrometheusRule")["spec"]
    query = only(rendered("keda"), "ScaledObject")["spec"]["triggers"][0]["metadata"]["query"]
    spec["groups"].append({"name": "keda", "rules": [{"record": "queued", "expr": query}]})
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    command = [promtool, "check", "rules", str(tmp_path / "rules.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_alerts_are_those_of_the_repository() -> None:
    assert only(rendered("monitoring"), "PrometheusRule")["spec"] == yaml.safe_load(
        ALERTS.read_text()
    )


def test_prometheus_finds_the_service_and_shows_its_key() -> None:
    found = manifests(values_of("monitoring"), release="guard")
    monitor, service = only(found, "ServiceMonitor"), only(found, "Service")
    labels = service["metadata"]["labels"]
    assert selects(monitor["spec"]["selector"]["matchLabels"], labels)
    # `up{job="postern"}` in the alerts, and the dashboard's default.
    assert labels[monitor["spec"]["jobLabel"]] == "postern"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    key = {"name": "postern-keys", "key": "prometheus"}
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": key}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    open_to_all = values_of("minimal", monitoring={"serviceMonitor": {"enabled": True}})
    (endpoint,) = only(manifests(open_to_all), "ServiceMonitor")["spec"]["endpoints"]
    assert "authorization" not in endpoint
