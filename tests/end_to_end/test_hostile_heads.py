"""Heads of any size and framing of any kind: refused at a bound, in flat memory and linear time."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import PATIENT, StartServer
from tests.raw_http import RawReply, exchange, head, read_replies
from tests.server_process import HANG_S, ServerProcess
from tests.system_packages import require

BODY = b'{"prompt": "read a book"}'
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
LIMIT = 60 << 10


@pytest.fixture(scope="module")
def target(start_server: StartServer) -> ServerProcess:
    return start_server(max_connections=500)


def refused(replies: list[RawReply], status: int, slug: str) -> None:
    assert [reply.status for reply in replies] == [status]
    (reply,) = replies
    assert reply.headers["connection"] == "close"
    problem = json.loads(reply.body)
    assert problem["type"] == f"urn:postern:problem:{slug}"
    assert reply.headers["x-request-id"] == problem["request_id"]


@pytest.mark.parametrize(
    ("data", "status", "slug"),
    [
        (GET + b"A: b\r\n" * 101 + b"\r\n", 431, "headers-too-large"),
        (GET + b"A: " + b"b" * LIMIT + b"\r\n\r\n", 431, "headers-too-large"),
        (GET + b"A" * LIMIT + b": b\r\n\r\n", 431, "headers-too-large"),
        (GET + b"A: " + b"b" * 2 * LIMIT, 431, "headers-too-large"),
        (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "url-too-long"),
        (b"GET /" + b"a" * 9000, 414, "url-too-long"),
        (b"a" * 9000, 414, "url-too-long"),
        (GET + b"qqq\r\n\r\n", 400, "malformed-request"),
        (b"GET /\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed-request"),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400, "malformed-request"),
        (b"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed-request"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "malformed-request"),
        (GET + b" Upgrade: x\r\n\r\n", 400, "malformed-request"),
        (GET.replace(b"\r\n", b"\n") + b"\n" + b"\r\n\r\n", 400, "malformed-request"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else str(value),
)
def test_a_head_beyond_a_bound_is_refused_and_the_connection_closed(
    target: ServerProcess, data: bytes, status: int, slug: str
) -> None:
    before = target.metric(f'postern_rejected_total{{reason="{slug}"}}')
    refused(exchange(target, data), status, slug)
    assert target.metric(f'postern_rejected_total{{reason="{slug}"}}') == before + 1
    assert not [line for line in target.log_lines() if line["event"] == "defect"]


def test_a_head_at_the_bounds_is_read(target: ServerProcess) -> None:
    rest = b"Connection: close\r\n\r\n"
    many = GET + b"".join(b"X-%d: y\r\n" % i for i in range(98)) + rest
    large = GET + b"X: " + b"y" * (LIMIT - len(GET) - len(rest) - 5) + b"\r\n" + rest
    url = b"GET /healthz?" + b"a" * (8192 - 9) + b" HTTP/1.1\r\nHost: localhost\r\n" + rest
    for data in (many, large, url, b"\r\n\r\n" + GET + rest):
        for parts in ([data], [data[:50], data[50:]], [data[:-1], data[-1:]]):
            assert [reply.status for reply in exchange(target, *parts)] == [200]


def _resident_kib(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def _flood(server: ServerProcess, start: bytes, piece: bytes, size: int) -> list[RawReply]:
    """Sends as much as the server takes, while it takes it."""
    with server.connect() as connection:
        connection.sendall(start)
        block = piece * max(1, (1 << 16) // len(piece))
        try:
            for _ in range(size // len(block)):
                connection.sendall(block)
        except (ConnectionError, TimeoutError):
            pass
        connection.settimeout(HANG_S)
        return read_replies(connection)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (GET, b"a:b\r\n"),
        (GET + b"A: ", b"b" * 1024),
        (b"GET /", b"a" * 1024),
        (b"", b"\r\n"),
        (head("POST", "/classify", "Transfer-Encoding: chunked") + b"0\r\n", b"a:b\r\n"),
        (head("POST", "/classify", "Transfer-Encoding: chunked") + b"0\r\nA: ", b"b" * 1024),
        (head("POST", "/classify", "Transfer-Encoding: chunked") + b"1;", b"e" * 1024),
    ],
    ids=["lines", "header", "url", "blank", "trailers", "trailer", "extension"],
)
def test_40_megabytes_of_head_leave_the_memory_flat(
    target: ServerProcess, start: bytes, piece: bytes
) -> None:
    """40 MB of `a:b` lines once took 1 GB."""
    before = _resident_kib(target.process.pid)
    started = time.monotonic()
    _flood(target, start, piece, 40_000_000)
    assert _resident_kib(target.process.pid) - before < 20_000
    assert time.monotonic() - started < HANG_S
    assert target.get("/healthz").status_code == 200


def test_trailers_are_no_headers(start_server: StartServer) -> None:
    """They were once added to the headers of a request that had passed its checks."""
    server = start_server(api_keys="right")
    data = head("POST", "/classify", "Transfer-Encoding: chunked", "Connection: close")
    chunks = b"%x\r\n%s\r\n0\r\nX-API-Key: right\r\n\r\n" % (len(BODY), BODY)
    assert [reply.status for reply in exchange(server, data + chunks)] == [401]
    keyed = head(
        "POST", "/classify", "Transfer-Encoding: chunked", "Connection: close", "X-API-Key: right"
    )
    for parts in ([chunks], [chunks[:1], chunks[1:]], [chunks[:-2], chunks[-2:]]):
        assert [reply.status for reply in exchange(server, keyed, *parts)] == [200]


def test_chunks_of_one_byte_with_small_extensions_are_a_body(target: ServerProcess) -> None:
    data = head("POST", "/classify", "Transfer-Encoding: chunked", "Connection: close")
    body = json.dumps({"prompt": "read a book " * 2000}).encode()
    chunks = b"".join(b"1;a\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    assert [reply.status for reply in exchange(target, data + chunks)] == [200]


def test_a_header_in_single_bytes_is_read_in_linear_time(target: ServerProcess) -> None:
    data = GET + b"X: " + b"y" * 3000 + b"\r\nConnection: close\r\n\r\n"
    with target.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            connection.sendall(bytes([byte]))
        assert [reply.status for reply in read_replies(connection)] == [200]


def test_it_survives_floods_in_little_memory(tiny_artifact: Path) -> None:
    """Under `ulimit -v` a flood of headers once ended in a segmentation fault."""
    with ServerProcess(["-m", "postern", "serve"], PATIENT | {"artifact": tiny_artifact}) as server:
        server.wait_until_ready()
        limit = _address_space(server.process.pid) + (300 << 20)
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (limit, limit))
        for piece in (b"a:b\r\n", b"b" * 1024):
            _flood(server, GET, piece, 40_000_000)
        assert server.classify({"prompt": "read a book"}).status_code == 200


def _address_space(pid: int) -> int:
    found = re.search(r"VmSize:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) << 10


# --- offers to upgrade ---


@pytest.mark.parametrize("offer", ["h2c", "x", "websocket", "TLS/1.0", "H2C"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_offer_to_upgrade_is_ignored_and_the_body_read(
    target: ServerProcess, offer: str, framing: str
) -> None:
    """A body in a second segment once ran as a request of its own."""
    smuggled = b"GET /info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    body = json.dumps({"prompt": "read a book"}).encode().ljust(len(smuggled) + 30)
    lines = [f"uPGRADE: {offer}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMA"]
    if framing == "length":
        data, sent = head("POST", "/classify", *lines, length=len(body)), body
    else:
        data = head("POST", "/classify", *lines, "Transfer-Encoding: chunked")
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    last = head("GET", "/healthz", "Connection: close")
    for segments in ([data + sent + last], [data, sent, last], [data[:40], data[40:], sent + last]):
        assert [reply.status for reply in exchange(target, *segments)] == [200, 200]
    poisoned = smuggled.ljust(len(body))
    sent = poisoned if framing == "length" else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), poisoned)
    assert [reply.status for reply in exchange(target, data, sent, last)] == [400, 200]


CURL_BODY = json.dumps({"prompt": "read a book"})


def test_curl_offers_http_2_and_is_answered(target: ServerProcess) -> None:
    (curl,) = require("curl")
    done = subprocess.run(
        [
            *(curl, "--silent", "--show-error", "--http2", "--header"),
            *("Content-Type: application/json", "--data", CURL_BODY, f"{target.url}/classify"),
        ],
        capture_output=True,
        timeout=HANG_S,
        check=True,
    )
    assert json.loads(done.stdout)["harmful"] is False


JAVA = """
import java.net.URI;
import java.net.http.*;

class Client {
    public static void main(String[] given) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int i = 0; i < 3; i++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(given[0] + "/classify"))
                .header("Content-Type", "application/json")
                .POST(i == 1
                    ? HttpRequest.BodyPublishers.ofInputStream(
                        () -> new java.io.ByteArrayInputStream(given[1].getBytes()))
                    : HttpRequest.BodyPublishers.ofString(given[1]))
                .build();
            HttpResponse<String> reply = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(reply.statusCode() + " " + reply.version() + " " + reply.body());
        }
    }
}
"""


def test_javas_own_client_is_answered(target: ServerProcess, tmp_path: Path) -> None:
    """`HttpClient.newHttpClient()` offers h2c with every request; each POST once got 400."""
    java, _ = require("java", "javac")
    source = tmp_path / "Client.java"
    source.write_text(JAVA)
    done = subprocess.run(
        [java, str(source), target.url, CURL_BODY],
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )
    lines = done.stdout.decode().splitlines()
    assert [line[:12] for line in lines] == ["200 HTTP_1_1"] * 3, done.stderr.decode()
