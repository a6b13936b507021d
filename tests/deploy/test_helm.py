"""What the Helm chart renders is valid, restricted, stops in time, and reads its keys."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

import jsonschema
import pytest

from tests.deploy.helm_chart import (
    ALWAYS,
    EVERY,
    NEWEST,
    OLDEST,
    Manifest,
    chart,
    check,
    container_of,
    kinds,
    manifests,
    mounted_files,
    only,
    pod_of,
    rendered,
    selects,
    values_of,
)
from tests.server_process import ROOT

# Beside those, by file of values.
ALSO = {
    "keys-made": {"Secret"},
    "ingress": {"Ingress"},
    "httproute": {"HTTPRoute"},
    "hpa": {"HorizontalPodAutoscaler"},
    "keda": {"ScaledObject", "ServiceMonitor"},
    "monitoring": {"ServiceMonitor", "PrometheusRule"},
}


# --- every file of values ---


@EVERY
def test_what_is_rendered_is_valid(name: str) -> None:
    found = rendered(name)
    assert kinds(found) == ALWAYS | ALSO.get(name, set())
    assert len(found) == len(kinds(found))
    for one in found:
        check(one, version=NEWEST)


def test_the_oldest_kubernetes_that_the_chart_names_takes_it() -> None:
    assert chart().metadata["kubeVersion"] == f">={OLDEST}.0-0"
    for one in [*rendered("keys-made"), *rendered("ingress"), *rendered("hpa")]:
        check(one, version=OLDEST)


def test_the_check_finds_a_misspelt_field_at_any_depth() -> None:
    for name, kind, path in (
        ("minimal", "Deployment", ("spec", "template", "spec", "containers", 0, "livenessProbe")),
        ("upstream", "NetworkPolicy", ("spec", "egress", 0)),
        ("keda", "ScaledObject", ("spec", "triggers", 0)),
        ("httproute", "HTTPRoute", ("spec", "rules", 0, "backendRefs", 0)),
        ("monitoring", "ServiceMonitor", ("spec", "endpoints", 0)),
        ("monitoring", "PrometheusRule", ("spec", "groups", 0, "rules", 0)),
    ):
        manifest: Any = only(rendered(name), kind)
        place = manifest
        for key in path:
            place = place[key]
        place["misspelt"] = "x"
        with pytest.raises(jsonschema.ValidationError, match="misspelt"):
            check(manifest, version=NEWEST)


@EVERY
def test_pods_are_restricted(name: str) -> None:
    """What the Pod Security Standard "restricted" asks, and a file system that is only read."""
    found = rendered(name)
    for pod in (pod_of(found), only(found, "Pod")["spec"]):
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert all(mount["readOnly"] for mount in container.get("volumeMounts", []))
        assert not any("emptyDir" in v or "hostPath" in v for v in pod.get("volumes", []))
        assert re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", container["image"])
        assert {"requests", "limits"} <= set(container["resources"])


def test_pods_run_as_the_image_does() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    user = pod_of(rendered("minimal"))["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}\n" in dockerfile
    container = container_of(rendered("minimal"))
    assert "command" not in container, "the image's own command starts the server"
    assert f"CMD {json.dumps(container['args'])}\n" in dockerfile
    (port,) = container["ports"]
    assert f"EXPOSE {port['containerPort']}\n" in dockerfile


@EVERY
def test_selectors_find_the_servers_and_nothing_else(name: str) -> None:
    found = rendered(name)
    template = only(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    service = only(found, "Service")
    selectors = [
        only(found, "Deployment")["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        only(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(found, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in spread_of(found)),
    ]
    for selector in selectors:
        assert selects(selector, template)
        assert not selects(selector, only(found, "Pod")["metadata"]["labels"])
        assert selector["app.kubernetes.io/instance"] == "postern"
    assert service["spec"]["ports"][0]["targetPort"] == container_of(found)["ports"][0]["name"]


def spread_of(found: list[Manifest]) -> list[Manifest]:
    spread: list[Manifest] = pod_of(found).get("topologySpreadConstraints", [])
    return spread


def test_pods_are_spread_and_leave_one_at_a_time() -> None:
    found = rendered("minimal")
    keys = [(one["topologyKey"], one["whenUnsatisfiable"]) for one in spread_of(found)]
    zone = "topology.kubernetes.io/zone"
    assert keys == [("kubernetes.io/hostname", "ScheduleAnyway"), (zone, "ScheduleAnyway")]
    assert only(found, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert only(found, "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    strict = {"whenUnsatisfiable": "DoNotSchedule", "keys": ["rack"]}
    (one,) = spread_of(manifests(values_of("minimal", topologySpread=strict)))
    assert (one["topologyKey"], one["whenUnsatisfiable"]) == ("rack", "DoNotSchedule")
    assert spread_of(manifests(values_of("minimal", topologySpread={"keys": []}))) == []


# --- stopping ---


@pytest.mark.parametrize(
    ("drain_ms", "grace_ms"), [(10_000, 20_000), (0, 1), (12_500, 600_000), (1, 999)]
)
def test_kubernetes_waits_for_longer_than_the_server_takes(drain_ms: int, grace_ms: int) -> None:
    changes = {"drain_delay_ms": drain_ms, "grace_period_ms": grace_ms}
    found = manifests(values_of("minimal", settings=changes))
    waits = pod_of(found)["terminationGracePeriodSeconds"]
    assert waits == math.ceil((drain_ms + grace_ms) / 1000) + 5
    given = {one["name"]: one["value"] for one in container_of(found)["env"]}
    assert given["POSTERN_DRAIN_DELAY_MS"] == str(drain_ms)
    assert given["POSTERN_GRACE_PERIOD_MS"] == str(grace_ms)


def test_the_drain_is_longer_than_two_readiness_probes() -> None:
    probe = container_of(rendered("minimal"))["readinessProbe"]
    drain_ms = chart().values["settings"]["drain_delay_ms"]
    assert drain_ms >= 1000 * probe["periodSeconds"] * probe["failureThreshold"]


def test_a_slow_start_is_waited_for() -> None:
    found = manifests(values_of("minimal", probes={"startupSeconds": 301}))
    probe = container_of(found)["startupProbe"]
    assert 301 <= probe["periodSeconds"] * probe["failureThreshold"] <= 302


# --- keys ---


def test_made_keys_are_one_secret_with_a_key_for_prometheus() -> None:
    secret = only(rendered("keys-made"), "Secret")
    entries = {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
    assert entries == {
        "keys": "key-of-chatbot\nkey-of-batch-job\nkey-of-prometheus",
        "metrics-key": "key-of-prometheus",
    }
    others = [one for one in rendered("keys-made") if one["kind"] != "Secret"]
    assert "key-of-" not in json.dumps(others)


def test_other_made_keys_mean_other_pods() -> None:
    def annotation(**keys: Any) -> str:
        found = manifests(values_of("keys-made", keys=keys))
        template = only(found, "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/keys"])

    assert annotation() == annotation()
    assert annotation() != annotation(create=["key-of-chatbot"])


@pytest.mark.parametrize(
    ("name", "secret", "entry"),
    [("keys-made", "postern-keys", "keys"), ("existing-secret", "postern-keys", "clients")],
)
def test_the_server_and_its_test_read_the_keys_from_a_file(
    name: str, secret: str, entry: str
) -> None:
    found = rendered(name)
    source = {"kind": "secret", "name": secret, "entry": entry}
    assert mounted_files(found)["/etc/postern/keys"] == source
    assert only(found, "Pod")["spec"]["volumes"][0]["projected"]["sources"] == [
        {"secret": {"name": secret, "items": [{"key": entry, "path": "keys"}]}}
    ]
    for volume in pod_of(found)["volumes"]:
        if "projected" in volume:
            assert volume["projected"]["defaultMode"] == 0o440
    assert pod_of(found)["securityContext"]["fsGroup"] == 65534


def test_no_key_stands_in_the_environment() -> None:
    found = rendered("upstream")
    assert not any("valueFrom" in one for one in container_of(found)["env"])
    source = {"kind": "secret", "name": "upstream-key", "entry": "api-key"}
    assert mounted_files(found)["/etc/postern/upstream-key"] == source
