"""Overload is refused by the headers alone, and only what overload is."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.end_to_end.dialects import EXT_AUTHZ, JUDGING, Dialect, assert_fails
from tests.server_process import HANG_S, ServerProcess
from tests.tiny_categories import build_categorized

KEY = {"X-API-Key": "k1"}
_WINDOW = 64
_ROOM = 1024
BROKEN = b'{"prompt": '


def head(path: str = "/classify", *lines: str, length: int, key: str = "k1") -> bytes:
    shown = "".join(f"{line}\r\n" for line in lines)
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-API-Key: {key}\r\nContent-Length: {length}\r\n{shown}\r\n"
    ).encode()


def read_reply(connection: socket.socket) -> bytes:
    """One whole answer: head, and as much body as it says."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        assert chunk, received
        received += chunk
    start, _, body = received.partition(b"\r\n\r\n")
    (length,) = re.findall(rb"content-length: (\d+)", start.lower())
    while len(body) < int(length):
        body += connection.recv(65536)
    return start + b"\r\n\r\n" + body


def waiting_tokens(server: ServerProcess) -> float:
    text = server.get("/metrics", headers=KEY).text
    (found,) = re.findall(r"^postern_queue_tokens (\S+)$", text, re.M)
    return float(found)


@pytest.fixture(scope="module")
def full(start_faulty_server: StartServer) -> Iterator[ServerProcess]:
    """A server whose model never returns and whose queue is full to the last token."""
    yield from _full(start_faulty_server)


@pytest.fixture(scope="module")
def full_with_cache(
    start_faulty_server: StartServer, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Its bodies are read first. Its artifact tells categories apart, as some dialects ask."""
    artifact = build_categorized(tiny_artifact, tmp_path_factory.mktemp("categorized"))
    yield from _full(start_faulty_server, cache_entries=100, artifact=artifact)


def _full(start: StartServer, **settings: object) -> Iterator[ServerProcess]:
    server = start(
        {"hang": True},
        api_keys="k1",
        max_queue_tokens=_ROOM,
        max_exchange_tokens=_ROOM,
        header_timeout_ms=1500,
        grace_period_ms=1000,
        **settings,
    )
    waiting = []
    try:
        for number in range(1 + _ROOM // _WINDOW):
            words = ["a"] * (_WINDOW - 2)  # with the special ones, the tokens of one window
            words[number] = "book"  # no two alike, or a cache would join them
            body = json.dumps({"prompt": " ".join(words)})
            connection = server.connect()
            waiting.append(connection)
            connection.sendall(head(length=len(body)) + body.encode())
            deadline = time.monotonic() + HANG_S
            # The first one alone gets into the model, so that all others wait.
            while waiting_tokens(server) < number * _WINDOW or not running(server):
                assert time.monotonic() < deadline, (number, waiting_tokens(server))
        assert waiting_tokens(server) == _ROOM
        yield server
    finally:
        for connection in waiting:
            connection.close()


def running(server: ServerProcess) -> bool:
    """Whether the first request is past the queue: parsed, and no longer waiting."""
    text = server.get("/metrics", headers=KEY).text
    parsed = re.findall(
        r'^postern_stage_duration_seconds_count{stage="tokenize"} (\S+)$', text, re.M
    )
    return bool(parsed) and float(parsed[0]) >= 1.0


# A gateway's own routes have any path, so they are looked at later.
@pytest.mark.parametrize("dialect", [one for one in JUDGING if one is not EXT_AUTHZ], ids=str)
def test_a_body_that_is_refused_for_overload_is_not_even_parsed(
    full: ServerProcess, dialect: Dialect
) -> None:
    sent = KEY | {"Content-Type": "application/json"}
    reply = full.post(dialect.path, content=BROKEN, headers=sent)
    assert_fails(reply, dialect, 429, "queue-full")
    assert int(reply.headers["retry-after"]) >= 1


@pytest.mark.parametrize("dialect", JUDGING, ids=str)
def test_a_body_that_was_read_is_refused_in_the_same_words(
    full_with_cache: ServerProcess, dialect: Dialect
) -> None:
    reply = full_with_cache.post(dialect.path, json=dialect.body("read a book"), headers=KEY)
    assert_fails(reply, dialect, 429, "queue-full")
    assert int(reply.headers["retry-after"]) >= 1


def test_the_refused_are_counted_where_they_were_going(full: ServerProcess) -> None:
    def counted(line: str) -> float:
        text = full.get("/metrics", headers=KEY).text
        return sum(float(s.rpartition(" ")[2]) for s in text.splitlines() if s.startswith(line))

    lines = (
        'postern_requests_total{route="/classify",status="429"}',
        'postern_rejected_total{reason="queue-full"}',
    )
    before = [counted(line) for line in lines]
    for _ in range(3):
        assert full.post("/classify", content=BROKEN, headers=KEY).status_code == 429
    assert [counted(line) for line in lines] == [one + 3.0 for one in before]


def test_what_is_wrong_with_the_caller_is_said_even_so(full: ServerProcess) -> None:
    """No stranger learns how busy the server is, and a bad header is not called overload."""
    assert full.post("/classify", content=BROKEN).status_code == 401
    wrong = KEY | {"X-Request-Timeout-Ms": "soon", "Content-Type": "application/json"}
    assert full.post("/classify", content=BROKEN, headers=wrong).status_code == 400
    assert full.get("/classify", headers=KEY).status_code == 405
    assert full.get("/info", headers=KEY).status_code == 200


def test_the_connection_is_kept_and_its_next_request_found(full: ServerProcess) -> None:
    """Whether the body comes with the headers or long after the refusal."""
    with full.connect() as connection:
        for _ in range(2):
            connection.sendall(head(length=len(BROKEN)) + BROKEN)
            assert read_reply(connection).startswith(b"HTTP/1.1 429 ")
        connection.sendall(head(length=100_000))
        assert read_reply(connection).startswith(b"HTTP/1.1 429 ")
        connection.sendall(b"a" * 100_000)
        connection.sendall(b"GET /info HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k1\r\n\r\n")
        assert read_reply(connection).startswith(b"HTTP/1.1 200 ")


def test_a_refused_body_that_never_ends_does_not_keep_its_connection(full: ServerProcess) -> None:
    with full.connect() as connection:
        connection.sendall(head(length=100) + b"a")
        assert read_reply(connection).startswith(b"HTTP/1.1 429 ")
        assert connection.recv(1) == b""  # closed after the time for headers, not after 15 s idle


def refusal_while_sending(server: ServerProcess, version: bytes, length: int) -> bytes:
    """The whole reply to a client that closes after it, as HTTP/1.0 proxies do, and sends on."""
    asked = head("/classify", "Connection: close", length=length)
    with server.connect() as connection:
        connection.sendall(asked.replace(b"HTTP/1.1", b"HTTP/" + version))
        for _ in range(10):
            connection.sendall(b"a" * (length // 10))
            time.sleep(0.02)
        reply = read_reply(connection)
        assert b"connection: close" in reply.lower()
        assert connection.recv(1) == b""
    return reply


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_refusal_reaches_a_client_that_still_sends(
    full: ServerProcess, server: ServerProcess, version: bytes
) -> None:
    """Closing on unread bytes would reset the connection, and the reply with it."""
    assert b" 429 " in refusal_while_sending(full, version, 100_000)
    assert b" 429 " in refusal_while_sending(full, version, 1_000_000)
    assert b" 413 " in refusal_while_sending(full, version, 3_000_000)  # at any other time, too
    assert b" 413 " in refusal_while_sending(server, version, 3_000_000)


def test_a_refused_body_that_is_no_http_ends_the_connection_without_a_word(
    full: ServerProcess,
) -> None:
    asked = head("/classify", "Connection: close", "Transfer-Encoding: chunked", length=0, key="?")
    with full.connect() as connection:
        connection.sendall(asked.replace(b"Content-Length: 0\r\n", b""))
        assert b" 401 " in read_reply(connection)
        connection.sendall(b"no chunk\r\n")
        assert connection.recv(1) == b""
    assert full.get("/healthz").status_code == 200
    assert "Fatal" not in full.stderr()
    assert "Traceback" not in full.stderr()


def test_a_client_that_closes_but_never_ends_is_left(full: ServerProcess) -> None:
    with full.connect() as connection:
        connection.sendall(head("/classify", "Connection: close", length=100_000) + b"a")
        assert read_reply(connection).startswith(b"HTTP/1.1 429 ")
        deadline = time.monotonic() + HANG_S
        try:
            while time.monotonic() < deadline:
                connection.sendall(b"a")
                time.sleep(0.1)
        except ConnectionError:
            return  # the server is gone
        pytest.fail("the server still listens")


def test_a_client_that_waits_for_our_word_is_told_to_close(full: ServerProcess) -> None:
    """It may send its body now or not, so nobody could tell where its next request begins."""
    with full.connect() as connection:
        connection.sendall(head("/classify", "Expect: 100-continue", length=5))
        refused = read_reply(connection)
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"connection: close" in refused.lower()
        assert connection.recv(1) == b""


def test_with_a_cache_bodies_are_read_because_it_may_hold_the_answer(
    full_with_cache: ServerProcess,
) -> None:
    sent = KEY | {"Content-Type": "application/json"}
    assert full_with_cache.post("/classify", content=BROKEN, headers=sent).status_code == 400
