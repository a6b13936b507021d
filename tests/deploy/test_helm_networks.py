"""Whom the Helm chart's pods may call, who may call them, and by which way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.helm_chart import (
    NAMESPACE,
    VALUES,
    Manifest,
    container_of,
    manifests,
    only,
    rendered,
    selects,
    values_of,
)

DNS_PORTS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]


def egress_of(found: list[Manifest]) -> list[Manifest]:
    policy = only(found, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    rules: list[Manifest] = policy["egress"]
    return rules


def port_of(rule: Manifest) -> Any:
    (port,) = rule["ports"]
    assert port["protocol"] == "TCP"
    return port["port"]


@pytest.mark.parametrize("name", sorted(set(VALUES) - {"upstream", "student-of-teacher"}))
def test_nothing_is_called_where_there_is_nobody_to_call(name: str) -> None:
    assert egress_of(rendered(name)) == []


def test_only_teacher_upstream_and_dns_may_be_called() -> None:
    teacher, upstream, dns = egress_of(rendered("upstream"))
    assert (teacher["to"], port_of(teacher)) == ([{"ipBlock": {"cidr": "10.20.30.40/32"}}], 8000)
    assert (upstream["to"], port_of(upstream)) == ([{"ipBlock": {"cidr": "203.0.113.0/24"}}], 443)
    assert dns["ports"] == DNS_PORTS
    assert dns["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}


@pytest.mark.parametrize(
    ("url", "pod_port", "port"),
    [
        ("http://10.0.0.5/v1", 0, 80),
        ("https://10.0.0.5/v1", 0, 443),
        ("http://10.0.0.5:11434/v1", 0, 11434),
        ("http://10.0.0.5:80/v1", 11434, 11434),
    ],
)
def test_dns_is_not_needed_for_an_address(url: str, pod_port: int, port: int) -> None:
    policy = {"upstreamPort": pod_port}
    (rule,) = egress_of(
        manifests(values_of("minimal", upstream={"url": url}, networkPolicy=policy))
    )
    assert (rule["to"], port_of(rule)) == ([{"ipBlock": {"cidr": "10.0.0.5/32"}}], port)


def test_a_student_reaches_the_release_of_its_teacher() -> None:
    student = rendered("student-of-teacher")
    teacher = manifests(values_of("teacher"), release="postern-teacher")
    to_teacher, dns = egress_of(student)
    (peer,) = to_teacher["to"]
    labels = only(teacher, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selects(peer["podSelector"]["matchLabels"], labels)
    assert port_of(to_teacher) == container_of(teacher)["ports"][0]["containerPort"]
    assert dns["ports"] == DNS_PORTS
    given = {one["name"]: one["value"] for one in container_of(student)["env"]}
    service = only(teacher, "Service")
    port = service["spec"]["ports"][0]["port"]
    assert given["POSTERN_TEACHER_URL"] == f"http://{service['metadata']['name']}:{port}"
    assert given["POSTERN_TEACHER_KIND"] == "postern"
    (rule,) = only(teacher, "NetworkPolicy")["spec"]["ingress"]
    ours = only(student, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert any(selects(peer["podSelector"]["matchLabels"], ours) for peer in rule["from"])


def test_who_may_call_can_be_said_and_the_test_always_may() -> None:
    (rule,) = only(rendered("minimal"), "NetworkPolicy")["spec"]["ingress"]
    assert "from" not in rule
    found = rendered("ingress")
    (rule,) = only(found, "NetworkPolicy")["spec"]["ingress"]
    assert port_of(rule) == 8000
    controller, test = rule["from"]
    assert "namespaceSelector" in controller
    labels = only(found, "Pod")["metadata"]["labels"]
    assert selects(test["podSelector"]["matchLabels"], labels)


@pytest.mark.parametrize(("name", "prefix"), [("ingress", "/postern"), ("httproute", None)])
def test_routes_lead_to_the_service_and_the_server_knows_its_prefix(
    name: str, prefix: str | None
) -> None:
    found = rendered(name)
    service = only(found, "Service")
    given = {one["name"]: one["value"] for one in container_of(found)["env"]}
    assert given.get("POSTERN_ROOT_PATH") == prefix
    if name == "ingress":
        (rule,) = only(found, "Ingress")["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        assert path["backend"]["service"] == {"name": "postern", "port": {"name": "http"}}
        assert service["spec"]["ports"][0]["name"] == "http"
        hosts = given["POSTERN_ALLOWED_HOSTS"].split(",")
        assert {"inside.example.org", rule["host"], "postern"} <= set(hosts)
        assert f"postern.{NAMESPACE}.svc.cluster.local" in hosts
    else:
        (rule,) = only(found, "HTTPRoute")["spec"]["rules"]
        assert rule["backendRefs"] == [{"name": "postern", "port": 80}]
        assert service["spec"]["ports"][0]["port"] == 80
