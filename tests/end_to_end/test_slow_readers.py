"""Clients that send and do not read: they cost a bounded amount, for a bounded time."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.raw_http import head, read_replies
from tests.server_process import HANG_S, ServerProcess

LARGE = head("GET", "/docs/swagger-ui-bundle.js")
SMALL = head("GET", "/healthz")
GOOD = {"prompt": "read a book"}


@contextmanager
def pipelining(server: ServerProcess, count: int, request: bytes) -> Iterator[list[socket.socket]]:
    """Sockets that send requests until the server takes no more, and never read."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(server.connect()) for _ in range(count)]
        for connection in sockets:
            connection.setblocking(False)
            sent = 0
            try:
                while sent < 1 << 20:
                    sent += connection.send(request * 100)
            except OSError:
                pass
        yield sockets


def resident_mib(server: ServerProcess) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def turned_away(server: ServerProcess) -> float:
    """Connections that were cut off as slow readers, or refused because the server was full."""
    text = server.get("/metrics").text
    found = re.findall(
        r'^postern_(?:connections_cut_total{reason="slow-reader"}'
        r'|rejected_total{reason="too-many-connections"}) (\S+)$',
        text,
        re.M,
    )
    return sum(map(float, found))


def test_105_sockets_that_never_read_turn_nobody_away_for_long(start_server: StartServer) -> None:
    """They once held all connections for a minute, and each a copy of the file."""
    server = start_server(max_connections=100, write_timeout_ms=1000)
    server.get("/docs/swagger-ui-bundle.js")
    before = resident_mib(server)
    with pipelining(server, 105, LARGE):
        deadline = time.monotonic() + 30.0
        while server.classify(GOOD).status_code != 200:
            assert time.monotonic() < deadline
        # Those that come while the server is full are answered with 503 and closed, not cut off.
        while turned_away(server) < 105:
            assert time.monotonic() < deadline, turned_away(server)
            time.sleep(0.1)
        assert resident_mib(server) - before < 60.0
    assert server.classify(GOOD).status_code == 200


def test_the_end_does_not_wait_for_them(start_server: StartServer) -> None:
    server = start_server(grace_period_ms=60_000)
    with pipelining(server, 20, LARGE), pipelining(server, 20, SMALL):
        time.sleep(0.5)
        started = time.monotonic()
        server.terminate()
        assert server.wait() == 0
        assert time.monotonic() - started < 20.0


def test_requests_that_wait_are_neither_parsed_nor_lost(server: ServerProcess) -> None:
    """Thousands at once on one connection: each gets its answer, one after the other."""
    with server.connect() as connection:
        data = SMALL * 3000 + head("GET", "/healthz", "Connection: close")
        connection.settimeout(HANG_S)
        before = resident_mib(server)
        connection.sendall(data)
        replies = read_replies(connection)
    assert [reply.status for reply in replies] == [200] * 3001
    assert resident_mib(server) - before < 40.0


@pytest.mark.parametrize("path", ["/docs/swagger-ui-bundle.js", "/openapi.json"])
def test_a_slow_reader_that_reads_gets_all_of_it(start_server: StartServer, path: str) -> None:
    server = start_server(write_timeout_ms=2000)
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        connection.sendall(head("GET", path, "Connection: close"))
        received = bytearray()
        while chunk := connection.recv(1 << 15):
            received += chunk
            time.sleep(0.02)
    body = bytes(received).partition(b"\r\n\r\n")[2]
    assert body == server.get(path).content


def test_a_reader_of_one_byte_at_a_time_is_cut_off(start_server: StartServer) -> None:
    server = start_server(write_timeout_ms=1000)
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        connection.sendall(LARGE * 20)
        started = time.monotonic()
        connection.settimeout(0.1)
        while server.metric('postern_connections_cut_total{reason="slow-reader"}') < 1:
            connection.recv(1)
            assert time.monotonic() - started < HANG_S
