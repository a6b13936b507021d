"""Values of the Helm chart that are wrong stop the rendering with one message that names them."""

from __future__ import annotations

from typing import Any

import helm_python
import pytest

from tests.deploy.helm_chart import texts, values_of


def refusal(name: str, changes: dict[str, Any]) -> str:
    with pytest.raises(helm_python.HelmError) as caught:
        texts(values_of(name, **changes))
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicaz": 3}, "- at '': additional properties 'replicaz' not allowed"),
        ({"settings": {"max_itms": 3}}, "- at '/settings': additional properties 'max_itms'"),
        ({"settings": {"api_keys": "k"}}, "- at '/settings': additional properties 'api_keys'"),
        ({"settings": {"max_items": "many"}}, "- at '/settings/max_items': got string, want int"),
        ({"settings": {"max_items": 0}}, "- at '/settings/max_items': minimum: got 0, want 1"),
        ({"settings": {"log_level": "loud"}}, "- at '/settings/log_level': value must be one of"),
        ({"image": {"digest": "latest"}}, "- at '/image/digest': 'latest' does not match"),
        ({"autoscaling": {"mode": "vpa"}}, "- at '/autoscaling/mode': value must be one of"),
        ({"networkPolicy": {"from": [{"pods": 1}]}}, "additional properties 'pods' not allowed"),
        ({"service": {"port": 70000}}, "- at '/service/port': maximum"),
    ],
    ids=str,
)
def test_the_schema_names_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    told = refusal("minimal", changes)
    assert message in told
    assert told.count("- at '") == 1


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("minimal", {"allowAnonymous": False}, "no API keys: set keys.existingSecret or keys.cre"),
        ("minimal", {"keys": {"create": ["k"]}}, "allowAnonymous=true and API keys contradict"),
        ("keys-made", {"keys": {"existingSecret": "s"}}, "keys.create and keys.existingSecret are"),
        ("keys-made", {"keys": {"create": ["a", "b c"]}}, "key number 2 must be printable ASCII"),
        ("keys-made", {"keys": {"create": ["#zzsecret"]}}, "key number 1 must be printable ASCII"),
        (
            "keys-made",
            {"keys": {"metricsKey": ""}, "monitoring": {"serviceMonitor": {"enabled": True}}},
            "keys.metricsKey: /metrics asks for an API key",
        ),
        ("minimal", {"image": {"repository": ""}}, "image.repository: name the registry"),
        ("minimal", {"image": {"digest": ""}}, "image.digest: give the sha256:… of the image"),
        ("existing-secret", {"artifact": {"path": ""}}, "artifact.path: say which folder"),
        ("minimal", {"settings": {"traces": True}}, "settings.traces: the image has no exporter"),
        ("minimal", {"settings": {"feedback_file": "/f.jsonl"}}, "settings.feedback_file: pods"),
        ("minimal", {"settings": {"device": "cuda"}}, "settings.device: the image has ONNX"),
        ("minimal", {"settings": {"grace_period_ms": None}}, "settings.grace_period_ms: the time"),
        ("minimal", {"resources": {"limits": {"cpu": None}}}, "resources.limits.cpu is not set"),
        (
            "ingress",
            {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}},
            "ingress.enabled and httpRoute.enabled are two ways",
        ),
        ("ingress", {"ingress": {"host": ""}}, "ingress.host: name the host"),
        ("httproute", {"httpRoute": {"parentRefs": []}}, "httpRoute.parentRefs: name the Gateway"),
        ("student-of-teacher", {"teacher": {"url": "http://10.0.0.1"}}, "are two teachers"),
        ("student-of-teacher", {"teacher": {"release": "postern"}}, "cannot be its own teacher"),
        (
            "student-of-teacher",
            {"settings": {"teacher_artifacts": ["/artifacts/t/1.0.0"]}},
            "settings.teacher_artifacts and the teacher's URL are two teachers",
        ),
        ("upstream", {"teacher": {"model": ""}}, "teacher.model: name the model"),
        (
            "upstream",
            {"networkPolicy": {"upstreamPeers": []}},
            "networkPolicy.upstreamPeers: a Net",
        ),
        ("upstream", {"teacher": {"url": "http://guard/v1"}}, "networkPolicy.teacherPeers: a Netw"),
        ("hpa", {"autoscaling": {"minReplicas": 20}}, "autoscaling.maxReplicas must be at least"),
        (
            "hpa",
            {"resources": {"requests": {"cpu": None}, "limits": {"cpu": None}}}
            | {"settings": {"workers": 2}},
            "resources.requests.cpu: autoscaling compares",
        ),
        ("hpa", {"autoscaling": {"mode": "keda"}}, "autoscaling.keda.serverAddress: give the URL"),
        (
            "keda",
            {"monitoring": {"serviceMonitor": {"enabled": False}}},
            "autoscaling.keda.query: without monitoring.serviceMonitor",
        ),
    ],
    ids=str,
)
def test_what_contradicts_is_told_in_one_sentence(
    name: str, changes: dict[str, Any], message: str
) -> None:
    told = refusal(name, changes)
    assert message in told
    assert "\n" not in told
    assert "zzsecret" not in told


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("upstream", {"networkPolicy": {"enabled": False}}),
        ("minimal", {"resources": {"limits": {"cpu": None}}, "settings": {"workers": 2}}),
        ("minimal", {"global": {"of": "a parent chart"}}),
    ],
)
def test_what_was_decided_is_taken(name: str, changes: dict[str, Any]) -> None:
    assert "deployment.yaml" in texts(values_of(name, **changes))


def test_a_volume_may_hold_only_what_stands_beside_the_images_student() -> None:
    changes = {"artifact": {"path": ""}, "settings": {"shadow_artifact": "/artifacts/new/1.0.0"}}
    rendered = texts(values_of("existing-secret", **changes))["deployment.yaml"]
    assert "POSTERN_ARTIFACT\n" not in rendered
    assert "/artifacts/new/1.0.0" in rendered
