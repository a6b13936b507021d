"""Starting, stopping, flooding: what is accepted is answered, and a bad start says why."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.server_process import HANG_S, ServerProcess, environment, postern

GOOD = {"prompt": "read a book"}


# --- stopping ---------------------------------------------------------------------------------


def test_sigterm_finishes_what_was_accepted_and_exits_with_0(
    start_faulty_server: StartServer,
) -> None:
    server = start_faulty_server({"delay_s": 0.5})
    server.wait_until_ready()
    with ThreadPoolExecutor(8) as threads:
        accepted = [threads.submit(server.classify, GOOD) for _ in range(8)]
        server.wait_for_metric("postern_queue_tokens", 1.0)
        time.sleep(0.1)  # the last of them are on their way in
        server.terminate()
        assert [response.result().status_code for response in accepted] == [200] * 8
    assert server.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    assert all("exception" not in line for line in server.log_lines())


def test_with_a_drain_delay_requests_are_taken_while_readyz_says_503(
    start_server: StartServer,
) -> None:
    server = start_server(drain_delay_ms=1500)
    server.terminate()
    server.wait_for("/readyz", 503)
    problem = server.get("/readyz").json()
    assert problem["type"] == "urn:postern:problem:not-ready"
    health = server.get("/health")
    assert (health.status_code, health.json()["error_type"]) == (503, "unhealthy")
    assert server.get("/healthz").status_code == 200
    assert server.classify(GOOD).status_code == 200
    assert server.process.poll() is None
    server.terminate()  # a second signal neither hurries nor delays
    assert server.wait() == 0


def test_a_model_that_hangs_does_not_outlive_the_grace_period(
    start_faulty_server: StartServer,
) -> None:
    server = start_faulty_server({"hang": True}, grace_period_ms=1000)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(server.classify, GOOD)
        server.wait_for("/healthz", 200)
        time.sleep(0.2)
        started = time.monotonic()
        server.terminate()
        assert server.wait() == 0
        assert time.monotonic() - started < 20.0  # the model itself would take longer
        assert isinstance(waiting.exception(), httpx.TransportError) or (
            waiting.result().status_code in (500, 503, 504)
        )


def test_sigkill_and_start_again_on_the_same_port(tiny_artifact: Path) -> None:
    first = ServerProcess(["-m", "postern", "serve"], {"artifact": tiny_artifact})
    port = first.address[1]
    with first.connect() as connection:  # leaves a socket behind
        connection.sendall(b"POST /classify HTTP/1.1\r\n")
        first.process.kill()
        first.wait()
    first._stderr.close()
    with ServerProcess(
        ["-m", "postern", "serve", "--port", str(port)], {"artifact": tiny_artifact}
    ) as second:
        second.wait_until_ready()
        assert second.address[1] == port
        assert second.classify(GOOD).status_code == 200


# --- under pressure ---------------------------------------------------------------------------


def test_a_flood_of_300_connections_is_answered_to_the_last(server: ServerProcess) -> None:
    body = json.dumps(GOOD).encode()
    request = (
        b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body
    connections = [server.connect() for _ in range(300)]
    try:
        for connection in connections:
            connection.sendall(request)
        replies = [_read_all(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    assert {reply.split(b"\r\n")[0] for reply in replies} == {b"HTTP/1.1 200 OK"}
    ids = {json.loads(reply.partition(b"\r\n\r\n")[2])["id"] for reply in replies}
    assert len(ids) == 300
    assert server.metric("postern_queue_tokens") == 0.0


def _read_all(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def test_a_client_that_leaves_takes_its_work_with_it(start_faulty_server: StartServer) -> None:
    server = start_faulty_server({"delay_s": 0.2}, max_batch_tokens=64)
    server.wait_until_ready()
    cancelled = server.metric("postern_cancelled_total")
    body = json.dumps({"inputs": [{"prompt": "a " * 50}] * 100}).encode()  # 20 seconds of work
    with server.connect() as connection:
        connection.sendall(
            b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        connection.sendall(body)
        server.wait_for_metric("postern_queue_tokens", 1000.0)
    server.wait_for_metric("postern_cancelled_total", cancelled + 1.0)
    assert server.metric("postern_queue_tokens") == 0.0
    assert server.metric("postern_batch_windows_sum") < 50.0
    assert server.metric('postern_requests_total{route="/classify",status="499"}') == 1.0
    assert server.classify(GOOD).status_code == 200


def test_readyz_and_healthz_answer_under_load(server: ServerProcess) -> None:
    long = {"inputs": [{"prompt": "read a book with friends " * 200}] * 20}
    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(server.classify, long) for _ in range(4)]
        while not all(one.done() for one in work):
            assert server.get("/healthz").status_code == 200
            assert server.get("/readyz").status_code == 200
        assert {one.result().status_code for one in work} <= {200, 429}


def test_beyond_the_connection_limit_the_answer_is_503(start_server: StartServer) -> None:
    server = start_server(max_connections=5)
    time.sleep(0.1)
    idle = [server.connect() for _ in range(5)]
    try:
        time.sleep(0.1)
        refused = server.classify(GOOD)
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:postern:problem:too-many-connections"
        assert refused.headers["Retry-After"]
        assert refused.headers["X-Request-Id"] == refused.json()["request_id"]
        assert server.get("/healthz").status_code == 200  # an orchestrator must not kill it
    finally:
        for connection in idle:
            connection.close()
    deadline = time.monotonic() + HANG_S
    while server.classify(GOOD).status_code != 200:
        assert time.monotonic() < deadline


def read_reply(connection: socket.socket) -> bytes:
    """One reply whose body is a JSON object."""
    reply = b""
    while not reply.endswith(b"}"):
        part = connection.recv(65536)
        assert part
        reply += part
    return reply


def test_a_client_that_does_not_send_its_headers_is_cut_off(start_server: StartServer) -> None:
    server = start_server(header_timeout_ms=500, keep_alive_s=60)
    silent, dripping, served = (server.connect() for _ in range(3))
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    try:
        dripping.sendall(request)
        served.sendall(request + b"\r\n")
        for connection in (silent, dripping, served):
            connection.settimeout(HANG_S)
        assert read_reply(served).startswith(b"HTTP/1.1 200")
        assert silent.recv(1) == b""
        assert dripping.recv(1) == b""
        # Between requests a connection may idle: keep_alive_s is another clock.
        served.sendall(request + b"\r\n")
        assert read_reply(served).startswith(b"HTTP/1.1 200")
    finally:
        for connection in (silent, dripping, served):
            connection.close()


# --- keys -------------------------------------------------------------------------------------


def test_keys_come_from_the_environment_and_from_a_file(
    start_server: StartServer, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text("# of the team\nfile-key-1\n\n  file-key-2  \n")
    server = start_server(api_keys="env-key-1, env-key-2,", api_keys_file=file)
    for key in ("env-key-1", "env-key-2", "file-key-1", "file-key-2"):
        assert server.classify(GOOD, X_API_Key=key).status_code == 200, key
        assert server.classify(GOOD, Authorization=f"Bearer {key}").status_code == 200, key
    for key in ("wrong", "", "# of the team", "env-key-1,env-key-2", "ENV-KEY-1"):
        assert server.classify(GOOD, X_API_Key=key).status_code == 401, key
    assert server.get("/healthz").status_code == 200
    assert server.get("/readyz").status_code == 200
    for path in ("/info", "/metrics"):
        assert server.get(path).status_code == 401
        keyed = server.get(path, headers={"X-API-Key": "file-key-1"})
        assert keyed.status_code == 200
        assert "key-1" not in keyed.text
    assert "X-API-Key" in server.greeting
    assert "env-key" not in server.greeting
    assert "key-1" not in server.stderr()


# --- starts that must not succeed -------------------------------------------------------------


def assert_refused(*arguments: str, says: str, **settings: Any) -> None:
    done = postern("serve", "--port", "0", *arguments, **settings)
    message = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b""), message
    assert message.count("\n") == 1, message
    assert message.startswith("postern: ")
    assert says in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"port": "eighty"}, "POSTERN_PORT"),
        ({"workers": -1}, "POSTERN_WORKERS"),
        ({"log_level": "loud"}, "POSTERN_LOG_LEVEL"),
        ({"max_queue_tokens": 2000, "max_exchange_tokens": 3000}, "max_queue_tokens"),
        ({"api_keys_file": "/nonexistent/keys"}, "api_keys_file"),
        ({"host": "256.256.256.256"}, "cannot listen"),
    ],
    ids=str,
)
def test_bad_settings_stop_the_start(
    tiny_artifact: Path, settings: dict[str, Any], says: str
) -> None:
    arguments: dict[str, Any] = {"artifact": tiny_artifact} | settings
    done = postern("serve", **arguments)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert str(settings.get("api_keys_file", "eighty")).encode() not in done.stderr


def test_an_empty_key_file_does_not_open_the_server(tiny_artifact: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# none yet\n\n")
    assert_refused(says="no key", artifact=tiny_artifact, api_keys_file=file)


def test_a_port_in_use_stops_the_start(server: ServerProcess, tiny_artifact: Path) -> None:
    port = str(server.address[1])
    assert_refused("--port", port, says=f"127.0.0.1:{port}", artifact=tiny_artifact)


def _edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _flip_a_byte(folder: Path) -> None:
    path = folder / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _link_the_model_elsewhere(folder: Path) -> None:
    path = folder / "model.onnx"
    path.rename(folder.parent / "elsewhere.onnx")
    path.symlink_to(folder.parent / "elsewhere.onnx")


def _break_the_model(folder: Path) -> None:
    from postern.contract.artifact import file_entries

    (folder / "model.onnx").write_bytes(b"not a graph")
    entries = {name: entry.model_dump() for name, entry in file_entries(folder).items()}
    _edit_manifest(folder, files=entries)


def _pipe_for_the_model(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")


def _edit_entries(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    entries = json.loads((folder / "manifest.json").read_text())["files"]
    change(entries)
    _edit_manifest(folder, files=entries)


def _empty_the_vocabulary(folder: Path) -> None:
    from postern.contract.artifact import file_entries

    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"] = {}
    path.write_text(json.dumps(content))
    entries = {name: entry.model_dump() for name, entry in file_entries(folder).items()}
    _edit_manifest(folder, files=entries)


MODEL = "model.onnx"
_NAME = "a\0b\x1b[31m\n"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_pipe_for_the_model, "plain file"),
        (_empty_the_vocabulary, "tokenizer.json"),
        (lambda folder: _edit_manifest(folder, window_tokens=10**9), "window_tokens"),
        (
            lambda folder: _edit_entries(
                folder, lambda e: e["model.onnx"].update(size_bytes=10**18)
            ),
            "size_bytes",
        ),
        (
            lambda folder: _edit_entries(folder, lambda e: e.update({_NAME: e[MODEL]})),
            "a\\x00b\\x1b[31m\\n must be a plain file",
        ),
    ],
    ids=["pipe", "vocabulary", "window", "size", "name"],
)
def test_a_hostile_artifact_is_refused_in_one_line(
    tiny_artifact: Path, tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    folder = Path(shutil.copytree(tiny_artifact, tmp_path / "student"))
    damage(folder)
    assert_refused(says=says, artifact=folder)


@pytest.mark.parametrize("host", ["a" * 300, f"{'b' * 300}.example", "a..b"])
def test_a_host_that_no_resolver_takes_is_refused_in_one_line(
    tiny_artifact: Path, host: str
) -> None:
    assert_refused("--host", host, says="host is not a valid host name", artifact=tiny_artifact)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (shutil.rmtree, "cannot be read"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx"),
        (_flip_a_byte, "does not match the hash"),
        (lambda folder: _edit_manifest(folder, schema_version=2), "schema version 2"),
        (lambda folder: _edit_manifest(folder, text_format=99), "text format 99"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "not JSON"),
        (_link_the_model_elsewhere, "plain file"),
        (_break_the_model, "cannot be loaded"),
        # An id beyond the vocabulary: the graph loads, and its first batch fails.
        (lambda folder: _edit_manifest(folder, pad_id=10**6), "warm-up failed"),
    ],
    ids=["missing", "no model", "hash", "schema", "format", "json", "link", "graph", "warm-up"],
)
def test_a_damaged_artifact_stops_the_start(
    tiny_artifact: Path, tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    folder = Path(shutil.copytree(tiny_artifact, tmp_path / "student"))
    damage(folder)
    assert_refused(says=says, artifact=folder)


def test_settings_of_this_process_do_not_reach_the_servers_under_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTERN_WORKERS", "7")
    assert "POSTERN_WORKERS" not in environment({})
