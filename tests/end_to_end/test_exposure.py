"""Who may come: keys that fail closed, guessing that is slow, names and pages that are foreign."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import PATIENT, StartServer
from tests.raw_http import exchange
from tests.server_process import HANG_S, ROOT, ServerProcess, environment, postern

GOOD = {"prompt": "read a book"}
FOREIGN = "https://evil.example"


def refusal_of(tiny_artifact: Path, *arguments: str, **settings: object) -> str:
    done = postern("serve", "--port", "0", *arguments, artifact=tiny_artifact, **settings)  # type: ignore[arg-type]
    message = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b""), message
    assert message.count("\n") == 1, message
    assert message.startswith("postern: ")
    return message


# --- keys ---


@pytest.mark.parametrize("value", ["", ",", " , "])
def test_empty_keys_are_refused(tiny_artifact: Path, value: str) -> None:
    assert "POSTERN_API_KEYS" in refusal_of(tiny_artifact, api_keys=value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("api_key", "POSTERN_API_KEYS"),
        ("apikeys", "POSTERN_API_KEYS"),
        ("max_conections", "POSTERN_MAX_CONNECTIONS"),
        ("zzz", ""),
    ],
)
def test_a_misspelt_setting_is_refused(tiny_artifact: Path, name: str, nearest: str) -> None:
    message = refusal_of(tiny_artifact, **{name: "zzsecretzz"})
    assert f"POSTERN_{name.upper()} is no setting" in message
    assert (f"did you mean {nearest}?" in message) is bool(nearest)
    assert "zzsecretzz" not in message


def test_other_peoples_names_are_none_of_ours(tiny_artifact: Path) -> None:
    """Kubernetes adds these for a service of that name."""
    names = {"service_host": "10.0.0.1", "service_port": "80", "port_80_tcp_addr": "10.0.0.1"}
    assert postern("info", artifact=tiny_artifact, **names).returncode == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_everyone_is_served_only_where_that_is_said(tiny_artifact: Path, host: str) -> None:
    message = refusal_of(tiny_artifact, "--host", host)
    assert "POSTERN_ALLOW_ANONYMOUS=true" in message
    said: list[dict[str, object]] = [{"allow_anonymous": "true"}, {"api_keys": "k"}]
    for settings in said:
        with ServerProcess(
            ["-m", "postern", "serve", "--host", host],
            {**PATIENT, "artifact": tiny_artifact, **settings},
        ) as server:
            server.url = server.url.replace("[::]", "[::1]").replace("0.0.0.0", "127.0.0.1")
            keyed = {"X_API_Key": "k", "Host": "any.example", "Origin": FOREIGN}
            assert server.classify(GOOD, **keyed).status_code == 200


@pytest.fixture(scope="module")
def keyed(start_server: StartServer) -> ServerProcess:
    return start_server(api_keys="right,other")


def test_guessing_is_slowed_down(keyed: ServerProcess) -> None:
    assert keyed.classify(GOOD, X_API_Key="right").status_code == 200
    assert [keyed.classify(GOOD).status_code for _ in range(12)] == [401] * 12  # no guess
    statuses = [keyed.classify(GOOD, X_API_Key=f"guess-{i}").status_code for i in range(14)]
    assert statuses[:10] == [401] * 10
    assert statuses[-1] == 429
    refused = keyed.classify(GOOD, X_API_Key="guess")
    assert 1 <= int(refused.headers["Retry-After"]) <= 6
    assert refused.json()["type"] == "urn:postern:problem:too-many-wrong-keys"
    google = keyed.post("/v1alpha1/comments:analyze?key=guess", json={})
    assert google.status_code == 429
    # A right key that is new here waits with the others: else a guess would be told from it.
    assert keyed.classify(GOOD, X_API_Key="other").status_code == 429
    assert keyed.classify(GOOD, X_API_Key="right").status_code == 200


# --- names and pages ---


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST.:8000", 200),
        ("app.localhost:80", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("169.254.169.254", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
def test_on_loopback_without_keys_a_foreign_host_is_refused(
    server: ServerProcess, host: str, status: int
) -> None:
    data = f"GET /info HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    (reply,) = exchange(server, data.encode())
    assert reply.status == status
    if status != 200:
        assert json.loads(reply.body)["type"] == "urn:postern:problem:foreign-host"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8000", 200),
        ("http://localhost:3000", 200),
        (FOREIGN, 403),
        ("null", 403),
        ("http://localhost.evil.example", 403),
        ("http://[", 403),
    ],
)
def test_on_loopback_without_keys_a_foreign_page_is_refused(
    server: ServerProcess, origin: str, status: int
) -> None:
    reply = server.classify(GOOD, Origin=origin)
    assert reply.status_code == status
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_names_and_pages_can_be_allowed(start_server: StartServer) -> None:
    server = start_server(
        allowed_hosts="guard.example, *.inner.example", cors_origins="https://app.example"
    )
    for host, status in (
        ("guard.example", 200),
        ("GUARD.example:443", 200),
        ("a.inner.example", 200),
        ("inner.example", 421),
        ("evil.example", 421),
    ):
        assert server.classify(GOOD, Host=host).status_code == status, host
    allowed = server.classify(GOOD, Origin="https://app.example")
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Origin" in allowed.headers["Vary"]
    assert server.classify(GOOD, Origin=FOREIGN).status_code == 403
    asks = {"Access-Control-Request-Method": "POST", "Origin": "https://app.example"}
    preflight = server.request("OPTIONS", "/classify", headers=asks)
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
    # An error is shown to the page as well: it must know what is wrong.
    wrong = server.post("/classify", content=b"{", headers={"Origin": "https://app.example"})
    assert wrong.headers["Access-Control-Allow-Origin"] == "https://app.example"


def test_without_a_list_no_page_of_elsewhere_may_call(keyed: ServerProcess) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Origin": FOREIGN}
    reply = keyed.request("OPTIONS", "/classify", headers=asks)
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert "POST" in reply.headers["Allow"]


def test_no_redirect_is_made_of_the_host(server: ServerProcess) -> None:
    for path in ("/classify/", "/info/", "//evil.example/", "/docs/"):
        for method in ("GET", "POST"):
            reply = server.request(method, path, follow_redirects=False)
            assert reply.status_code in (404, 405), path
            assert "Location" not in reply.headers


# --- other places to listen ---


def test_a_socket_in_the_file_system(tiny_artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    for _ in range(2):  # the second start finds the socket of the first
        process = subprocess.Popen(
            [sys.executable, "-m", "postern", "serve", "--uds", str(path)],
            cwd=ROOT,
            env=environment(PATIENT | {"artifact": tiny_artifact}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            assert f"--unix-socket '{path}'" in process.stdout.readline().decode()
            transport = httpx.HTTPTransport(uds=str(path))
            with httpx.Client(transport=transport, base_url="http://localhost") as client:
                assert client.post("/classify", json=GOOD, timeout=HANG_S).status_code == 200
                again = postern("serve", "--uds", str(path), artifact=tiny_artifact)
                assert again.returncode == 2
                assert b"cannot listen" in again.stderr
            process.kill()
            process.communicate(timeout=HANG_S)
        finally:
            process.kill()
            process.communicate()


def test_a_prefix_of_a_proxy_may_be_left_or_taken_off(start_server: StartServer) -> None:
    server = start_server(root_path="/guard/")
    for prefix in ("", "/guard"):
        assert server.get(f"{prefix}/healthz").status_code == 200
        assert server.post(f"{prefix}/classify", json=GOOD).status_code == 200
        assert server.get(f"{prefix}/docs").status_code == 200
    assert server.get("/openapi.json").json()["servers"] == [{"url": "/guard"}]
    assert server.get("/guardian/healthz").status_code == 404
    assert server.metric('postern_requests_total{route="/classify",status="200"}') == 2.0


def test_too_few_file_descriptors_are_said_at_the_start(tiny_artifact: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    process = subprocess.Popen(
        [sys.executable, "-m", "postern", "serve"],
        cwd=ROOT,
        env=environment(PATIENT | {"artifact": tiny_artifact, "port": 0}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=few,
    )
    assert process.stdout is not None
    greeting = process.stdout.readline().decode()
    found = re.search(r"http://127\.0\.0\.1:(\d+)", greeting)
    assert found
    connections: list[socket.socket] = []
    try:
        for _ in range(200):
            connections.append(socket.create_connection(("127.0.0.1", int(found[1])), 30.0))
        reply = httpx.post(f"{found[0]}/classify", json=GOOD, verify=False, timeout=HANG_S)
        assert reply.status_code == 503  # rather than no answer at all
    finally:
        for connection in connections:
            connection.close()
        process.terminate()
        _, log = process.communicate(timeout=HANG_S)
    said = [json.loads(line) for line in log.splitlines()]
    (line,) = [one for one in said if one["event"] == "few-file-descriptors"]
    assert (line["limit"], line["max_connections"]) == (256, 2048)
