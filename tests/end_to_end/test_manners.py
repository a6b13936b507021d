"""HTTP as clients of all kinds speak it: old versions, HEAD, OPTIONS, expectations, and the end."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.raw_http import exchange, head, read_replies
from tests.server_process import HANG_S, ServerProcess

BODY = b'{"prompt": "read a book"}'
JSON = {"Content-Type": "application/json"}
GET_PATHS = ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/info"]


@pytest.mark.parametrize("path", [*GET_PATHS, "/docs/swagger-ui.css", "/page/style.css"])
def test_head_is_get_without_the_body(server: ServerProcess, path: str) -> None:
    got, headed = server.get(path), server.request("HEAD", path)
    assert (got.status_code, headed.status_code) == (200, 200)
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # which has changed meanwhile
        assert headed.headers["content-length"] == got.headers["content-length"]
    assert server.request("HEAD", "/classify").status_code == 405
    assert server.request("HEAD", "/nowhere").status_code == 404


@pytest.mark.parametrize(("path", "method"), [("/classify", "POST"), ("/info", "GET")])
def test_options_names_the_methods(server: ServerProcess, path: str, method: str) -> None:
    reply = server.request("OPTIONS", path)
    assert reply.status_code == 204
    assert method in reply.headers["Allow"]
    assert server.request("OPTIONS", "/nowhere").status_code == 404
    assert server.request("TRACE", path).status_code == 405


def test_http_1_0_is_answered_to_the_end_of_the_connection(server: ServerProcess) -> None:
    data = head(length=len(BODY)).replace(b"HTTP/1.1", b"HTTP/1.0") + BODY
    (reply,) = exchange(server, data)
    assert reply.status == 200
    assert reply.headers["connection"] == "close"
    assert "transfer-encoding" not in reply.headers
    (reply,) = exchange(server, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert reply.status == 200


def test_an_expectation_is_met_before_the_body_comes(server: ServerProcess) -> None:
    with server.connect() as connection:
        connection.sendall(head("POST", "/classify", "Expect: 100-Continue", length=len(BODY)))
        assert connection.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert read_replies(connection, 1)[0].status == 200
    with server.connect() as connection:  # HTTP/1.0 does not know the word
        data = head("POST", "/classify", "Expect: 100-continue", length=len(BODY))
        connection.sendall(data.replace(b"HTTP/1.1", b"HTTP/1.0") + BODY)
        assert read_replies(connection)[0].status == 200


def test_a_byte_order_mark_is_skipped(server: ServerProcess) -> None:
    assert server.post("/classify", content=b"\xef\xbb\xbf" + BODY, headers=JSON).status_code == 200
    for path in ("/v1/moderations", "/predict"):
        field = b"inputs" if path == "/predict" else b"input"
        content = b'\xef\xbb\xbf{"%s": "read a book"}' % field
        assert server.post(path, content=content, headers=JSON).status_code == 200


def test_compressed_bodies_are_told_what_is_taken(server: ServerProcess) -> None:
    reply = server.post("/classify", content=BODY, headers=JSON | {"Content-Encoding": "gzip"})
    assert (reply.status_code, reply.headers["Accept-Encoding"]) == (415, "identity")
    reply = server.post("/classify", content=BODY, headers={"Content-Type": "text/plain"})
    assert reply.status_code == 415
    assert "Accept-Encoding" not in reply.headers


def test_the_documents_have_a_policy(server: ServerProcess) -> None:
    for path in ("/docs", "/docs/swagger-ui-bundle.js", "/docs/start.js", "/"):
        headers = server.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "'unsafe-inline'" not in headers["Content-Security-Policy"].split("style-src")[0]
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("value", [0, 1, "false"])
def test_raw_scores_is_a_boolean(server: ServerProcess, value: Any) -> None:
    reply = server.post("/predict", json={"inputs": "read a book", "raw_scores": value})
    assert reply.status_code == 422


# --- the end ---


def test_keep_alive_clients_see_no_reset_when_the_server_stops(start_server: StartServer) -> None:
    server = start_server(drain_delay_ms=1000)
    failures: list[str] = []
    stopped = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=HANG_S, verify=False) as client:
            while not stopped.is_set():
                try:
                    reply = client.post("/classify", content=BODY, headers=JSON)
                except httpx.ConnectError:
                    return  # nobody listens any more
                except httpx.TransportError as exc:
                    failures.append(repr(exc))
                    return
                if reply.headers.get("connection") == "close":
                    client.close()
                    return
                time.sleep(0.005)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.terminate()
    for thread in threads:
        thread.join(HANG_S)
    stopped.set()
    assert failures == []
    assert server.wait() == 0


def test_an_idle_client_that_asks_while_the_server_stops_is_told(
    start_faulty_server: StartServer,
) -> None:
    server = start_faulty_server({"delay_s": 1.0})
    server.wait_until_ready()
    with server.connect() as busy, server.connect() as idle:
        busy.sendall(head(length=len(BODY)) + BODY)
        idle.sendall(head("GET", "/healthz"))
        assert read_replies(idle, 1)[0].headers.get("connection") != "close"
        server.terminate()
        time.sleep(0.2)
        idle.sendall(head(length=len(BODY)) + BODY)
        (told,) = read_replies(idle)
        assert (told.status, told.headers["connection"]) == (503, "close")
        (last,) = read_replies(busy)
        assert (last.status, last.headers["connection"]) == (200, "close")


def test_a_hangup_stops_nothing(start_server: StartServer) -> None:
    server = start_server()
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert server.post("/classify", content=BODY, headers=JSON).status_code == 200
    deadline = time.monotonic() + HANG_S  # a thread writes the lines, when it has its turn
    while "hangup-ignored" not in server.stderr() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [line for line in server.log_lines() if line["event"] == "hangup-ignored"]


def test_the_log_of_a_refusal_holds_nothing_of_the_request(server: ServerProcess) -> None:
    exchange(server, b"GET /qqmarkerqq HTTP/1.1\r\nqqmarkerqq\r\n\r\n")
    assert "qqmarkerqq" not in server.stderr()
    assert [line for line in server.log_lines() if line["event"] == "refused"]
