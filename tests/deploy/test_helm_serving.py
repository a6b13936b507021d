"""Real servers with the environment, the files and the probes that the Helm chart renders."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from postern.settings.settings import FIELDS, read_settings

from tests.deploy.helm_chart import (
    VALUES,
    Manifest,
    container_of,
    environment,
    manifests,
    mounted_files,
    only,
    placed,
    rendered,
    values_of,
)
from tests.server_process import HANG_S, ServerProcess

PREFIX = "POSTERN_"
# As a kubelet and a Prometheus call: by the address of the pod.
POD = {"Host": "10.1.2.3:8000"}
CONTENTS = {
    "keys": "key-of-chatbot\nkey-of-prometheus\n",
    "teacher-key": "key-of-student\n",
    "upstream-key": "key-of-upstream\n",
    "teacher-ca.crt": trustme.CA().cert_pem.bytes().decode(),
    "upstream-ca.crt": trustme.CA().cert_pem.bytes().decode(),
    "policies.toml": f"""
[policies.chatbot]
keys = ["sha256:{hashlib.sha256(b"key-of-chatbot").hexdigest()}"]
operating_point = "strict"
""",
}


@pytest.mark.parametrize("name", sorted(VALUES))
def test_the_server_takes_the_whole_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rendered(name)
    given = environment(found)
    assert {one.removeprefix(PREFIX).lower() for one in given} <= set(FIELDS)
    files = {value for value in given.values() if value.startswith("/etc/postern/")}
    assert files == set(mounted_files(found))
    for old in [one for one in os.environ if one.startswith(PREFIX)]:
        monkeypatch.delenv(old)
    for variable, value in placed(found, tmp_path, CONTENTS).items():
        monkeypatch.setenv(variable, value)
    settings = read_settings()
    served_openly = settings.access.allow_anonymous
    assert bool(settings.access.accepted_keys()) is not served_openly
    assert served_openly is (name == "minimal")


def test_values_of_every_type_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in placed(rendered("existing-secret"), tmp_path, CONTENTS).items():
        monkeypatch.setenv(variable, value)
    settings = read_settings()
    assert settings.server.page is False
    assert settings.server.grace_period_ms == 1_000_000
    assert settings.limits.max_body_bytes == 1_048_576
    assert settings.teacher.audit_share == 0.25
    assert settings.server.log_level == "warning"
    origins = ("https://app.example.org", "https://other.example.org")
    assert settings.access.cors_origins == origins
    assert settings.engine.artifact == Path("/artifacts/my-student/1.0.0")


@dataclass(frozen=True)
class Release:
    """A server that runs as one release of the chart would."""

    found: list[Manifest]
    server: ServerProcess
    keys: Path | None


@pytest.fixture(scope="module", params=["minimal", "upstream"])
def release(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    folder = tmp_path_factory.mktemp(request.param)
    changes: dict[str, Any] = {"settings": {"drain_delay_ms": 10}}
    if request.param == "upstream":
        changes["teacher"] = {"url": "http://127.0.0.1:9/v1"}  # where nobody listens
    found = manifests(values_of(request.param, **changes))
    given = placed(found, folder, CONTENTS)
    settings = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
    *arguments, port = container_of(found)["args"]
    assert port == "8000"
    keys = folder / "keys"
    with ServerProcess(["-m", "postern", "serve", *arguments, "0"], settings) as server:
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        server.wait_until_ready()
        yield Release(found, server, keys if keys.exists() else None)


def test_the_probes_are_answered(release: Release) -> None:
    container = container_of(release.found)
    (port,) = container["ports"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] == port["name"]
        assert release.server.get(asked["path"], headers=POD).status_code == 200, probe


def test_prometheus_reads_the_metrics_with_its_key(release: Release) -> None:
    keyed = POD | {"Authorization": "Bearer key-of-prometheus"}
    assert release.server.get("/metrics", headers=keyed).status_code == 200
    without = release.server.get("/metrics", headers=POD).status_code
    assert without == (200 if release.keys is None else 401)


def test_policies_of_the_config_map_are_in_force(release: Release) -> None:
    source = mounted_files(release.found).get("/etc/postern/policies.toml")
    if release.keys is None:
        assert source is None
        return
    of = {"kind": "configMap", "name": "postern-policies", "entry": "of-the-proxy.toml"}
    assert source == of
    for key, policy in (("key-of-chatbot", "chatbot"), ("key-of-prometheus", "default")):
        keyed = {"Host": "postern:8000", "X-API-Key": key}  # as another pod calls the Service
        reply = release.server.post("/classify", json={"prompt": "cake"}, headers=keyed)
        assert (reply.status_code, reply.headers["x-postern-policy"]) == (200, policy)


def helm_test(release: Release, keys: Path | None) -> subprocess.CompletedProcess[str]:
    (container,) = only(release.found, "Pod")["spec"]["containers"]
    assert container["command"] == ["python", "-c"]
    script, service, port, *files = container["args"]
    assert (service, port) == (only(release.found, "Service")["metadata"]["name"], "8000")
    assert files == ([] if release.keys is None else ["/etc/postern/keys"])
    host, number = release.server.address
    command = [sys.executable, "-c", script, host, str(number), *([keys] if keys else [])]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=HANG_S, check=False
    )


def test_helm_test_gets_a_verdict(release: Release) -> None:
    done = helm_test(release, release.keys)
    assert (done.stdout, done.returncode) == ("a verdict was given\n", 0), done.stderr


def test_helm_test_fails_without_a_verdict(release: Release, tmp_path: Path) -> None:
    other = tmp_path / "keys"
    other.write_text("# of another server\nwrong\n")
    done = helm_test(release, other)
    assert done.returncode == 1
    told = "a request without a key is answered with" if release.keys is None else "no verdict"
    assert done.stdout.startswith(told)
