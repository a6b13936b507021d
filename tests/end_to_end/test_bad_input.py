"""No input gives a 500, wedges the server, or shows in an error or a log; others are answered."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.server_process import HANG_S, ServerProcess

MARKER = "qqmarkerqq"
JSON = {"Content-Type": "application/json"}


class GoodStream:
    """Sends good requests one after the other until it ends; asserts that all were answered."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.statuses: list[object] = []

    def _send(self) -> None:
        with httpx.Client(base_url=self._server.url, timeout=HANG_S) as client:
            while not self._stop.is_set():
                try:
                    response = client.post("/classify", json={"prompt": "read a book"})
                    self.statuses.append(response.status_code)
                except httpx.HTTPError as exc:
                    self.statuses.append(type(exc).__name__)
                self._stop.wait(0.01)

    def __enter__(self) -> GoodStream:
        self._thread.start()
        while not self.statuses:
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        before = len(self.statuses)
        deadline = time.monotonic() + HANG_S
        while len(self.statuses) < before + 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        self._stop.set()
        self._thread.join(HANG_S)


@pytest.fixture(scope="module")
def hardened(start_server: StartServer) -> ServerProcess:
    """Logs everything it can, and waits three seconds for a body."""
    return start_server(body_timeout_ms=3000, log_level="debug")


@pytest.fixture(scope="module")
def _stream(hardened: ServerProcess) -> Iterator[None]:
    """Good requests all the while; in the end, no text of anyone in the log, and no defect."""
    with GoodStream(hardened) as stream:
        yield
    assert len(stream.statuses) > 10
    assert set(stream.statuses) == {200}
    assert hardened.get("/healthz").status_code == 200
    assert hardened.metric("postern_queue_tokens") == 0.0
    log = hardened.stderr()
    assert MARKER not in log
    assert "read a book" not in log
    lines = [json.loads(line) for line in log.splitlines()]
    assert not [line for line in lines if line["event"] == "defect" or "exception" in line]
    assert not [line for line in lines if line.get("status", 0) == 500]


@pytest.fixture(autouse=True)
def target(hardened: ServerProcess, _stream: None) -> ServerProcess:
    return hardened


def post(server: ServerProcess, content: Any, **headers: str) -> httpx.Response:
    sent = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
    response = server.post("/classify", content=content, headers=sent)
    assert MARKER not in response.text
    assert MARKER not in str(response.headers)
    return response


def talk(server: ServerProcess, data: bytes, *, half_close: bool = False) -> bytes:
    """Sends raw bytes; returns all that comes back until the server closes, or a second of
    silence."""
    with server.connect() as connection:
        received = b""
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(1.0)
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionError):
            pass
    assert MARKER.encode() not in received
    return received


def head(*lines: str, length: int | None = None) -> bytes:
    fixed = ["POST /classify HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    if length is not None:
        fixed.append(f"Content-Length: {length}")
    return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")


def status_of(reply: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3})", reply)
    assert found, reply[:200]
    return int(found[1])


DEEP = 10_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b" ", 400),
        (b'{"prompt": ' + b"[" * DEEP + b"]" * DEEP + b"}", 400),
        (b'{"prompt": ' + b'{"a":' * DEEP + b"1" + b"}" * (DEEP + 1), 400),
        (b"[" * DEEP, 400),
        (b'{"inputs": ' + b"[" * 150 + b"]" * 150 + b"}", 422),
        (b'{"prompt": "qqmarkerqq", "prompt": 3}', 422),
        (b'{"prompt": "qqmarkerqq", "x": ' + b"9" * 100_000 + b"}", (400, 422)),
        (b'{"threshold": ' + b"9" * 100_000 + b', "prompt": "qqmarkerqq"}', (400, 422)),
        (b'{"qqmarkerqq": "' + b"q" * 100_000 + b'", "prompt": "a"}', 422),
        (b'{"' + b'a":1,"'.join(b"k%d" % i for i in range(20_000)) + b'":1}', (400, 422)),
        (b'{"prompt": "qqmarkerqq\x00"}', 400),  # a raw control character is not JSON
        (b'{"prompt": "qqmarkerqq\\u0000"}', 200),
        (b'{"prompt": "qqmarkerqq\\ud83d"}', 400),
        (b'{"prompt": "qqmarkerqq\xed\xa0\x80"}', 400),  # a surrogate in UTF-8
        (b'{"prompt": "qqmarkerqq\xc0\xaf"}', 400),  # an overlong slash
        (b"\xff\xfe{\x00}\x00", 400),  # UTF-16
        (b"\x1f\x8b" + b"\x00" * 100, 400),
        (b'{"prompt": "\\u202eqqmarkerqq\\u202c"}', 200),
        (b'{"prompt": "' + "\u200f\u202e\u2066".encode() + b'"}', 422),
        (b'{"prompt": "' + "\U000e0041\U000e0042".encode() + b'"}', 200),  # tags spell "AB"
        (b'{"prompt": "' + "\u200b".encode() * 1000 + b'"}', 422),
        (b'{"prompt": "' + "\ue000".encode() + b'"}', 422),
        (b'{"prompt": "' + "\ufdfa".encode() * 90_000 + b'"}', 413),
        (b'{"prompt": "' + b"a" + "\u0301".encode() * 50_000 + b'"}', 200),
        (b'{"prompt": "a' + "\u0316\u0301".encode() * 49_000 + b'"}', 200),  # quadratic to sort
        (b'{"inputs": [' + b"1," * 500_000 + b"1]}", 422),  # 500,000 problems to tell of
        (b'{"messages": [' + b"{}," * 300_000 + b"1]}", 422),
        (b'{"prompt": "' + b"." * 1_000_000 + b'"}', 413),
        (b'{"prompt": "' + b"." * 90_000 + b'"}', 413),
        (b'{"prompt": "' + b"x" * 90_000 + b'"}', (200, 413)),
        (b'{"prompt": "[PAD] [CLS] [SEP] [MASK] [UNK]"}', 200),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else str(value),
)
def test_a_strange_body_gets_its_answer(
    target: ServerProcess, body: bytes, status: int | tuple[int, ...]
) -> None:
    response = post(target, body)
    assert response.status_code in (status if isinstance(status, tuple) else (status,))
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"


def test_tags_are_read_as_the_letters_that_they_spell(target: ServerProcess) -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "bomb")
    spelt = post(target, json.dumps({"prompt": "read a bomb"})).json()["results"][0]
    result = post(target, json.dumps({"prompt": f"read a {hidden}"})).json()["results"][0]
    assert result["harmful"] is True
    assert result["probability"] == pytest.approx(spelt["probability"], abs=1e-3)


def test_zero_width_characters_hide_nothing(target: ServerProcess) -> None:
    for joiner in ("\u200b", "\u200d", "\u2060", "\u00ad", "\ufeff", "\ufe0f", "\u202e"):
        word = joiner.join("bomb")
        result = post(target, json.dumps({"prompt": f"read a {word}"})).json()["results"][0]
        assert result["harmful"] is True, ascii(joiner)


def test_50_megabytes_are_refused(target: ServerProcess) -> None:
    size = 50_000_000
    chunk = b'{"prompt": "' + MARKER.encode() * 10_000

    def chunks() -> Iterator[bytes]:
        sent = 0
        while sent < size:
            yield chunk
            sent += len(chunk)

    before = _resident_bytes(target)
    with_length = post(target, chunk * (size // len(chunk)))
    without_length = post(target, chunks())
    for response in (with_length, without_length):
        assert response.status_code == 413
        assert response.json()["type"] == "urn:postern:problem:body-too-large"
    assert _resident_bytes(target) - before < 40_000_000  # it was never held


def test_chunked_without_length_is_read(target: ServerProcess) -> None:
    response = post(target, iter([b'{"prompt": ', b'"read a ', b'book"}']))
    assert response.status_code == 200


def test_a_gzip_bomb_is_not_opened(target: ServerProcess) -> None:
    bomb = gzip.compress(b'{"prompt": "' + b"a" * 100_000_000 + b'"}', compresslevel=1)
    assert len(bomb) < 1_000_000
    before = _resident_bytes(target)
    assert post(target, bomb, Content_Encoding="gzip").status_code == 415
    assert post(target, bomb).status_code == 400
    assert _resident_bytes(target) - before < 40_000_000


def test_many_answers_do_not_multiply_a_long_prompt(target: ServerProcess) -> None:
    """Two long user turns before thousands of answers were once joined for each answer."""
    turns = [{"role": "user", "content": "a" * 250_000}] * 2
    turns += [{"role": "assistant", "content": ""}] * 12_000
    before = _resident_bytes(target)
    assert post(target, json.dumps({"messages": turns})).status_code == 413
    assert _resident_bytes(target) - before < 100_000_000
    expanding = [{"role": "user", "content": "\ufdfa" * 90_000}]
    expanding += [{"role": "assistant", "content": "a"}] * 120
    body = json.dumps({"messages": expanding}, ensure_ascii=False).encode()
    started = time.monotonic()
    assert post(target, body).status_code == 413
    assert time.monotonic() - started < HANG_S


def test_a_dripping_body_is_given_up(target: ServerProcess) -> None:
    with target.connect() as connection:
        connection.sendall(head(length=1000) + b'{"prompt": "qqmarkerqq')
        started = time.monotonic()
        reply = b""
        connection.settimeout(0.1)
        # On a busy machine the head of the reply arrives before its body.
        while not reply.endswith(b"}") and time.monotonic() - started < HANG_S:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"a")
            with contextlib.suppress(TimeoutError, ConnectionError):
                reply += connection.recv(65536)
    assert status_of(reply) == 408
    assert b"body-too-slow" in reply


def test_a_header_that_never_ends_holds_nothing_up(target: ServerProcess) -> None:
    connections = [target.connect() for _ in range(50)]
    try:
        for connection in connections:
            connection.sendall(b"POST /classify HTTP/1.1\r\nX-Part: qqmarker")
        assert post(target, b'{"prompt": "read a book"}').status_code == 200
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("half_close", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"qqmarkerqq\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03qqmarkerqq",  # TLS to a plain port
        b"\x00" * 5000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /classify HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /classify HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /classify HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nabcde",
        b"POST /classify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nqqmarkerqq",
        b"POST /classify HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n",
        b"POST /classify HTTP/1.1\r\nHost: a\r\nqqmarkerqq\r\n\r\n",
        b"POST /classify HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        head(length=100) + b'{"prompt": "qqmarkerqq',
        head("Upgrade: websocket", "Connection: Upgrade", length=0),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /%00%ff%2e%2e/qqmarkerqq?a=%ff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value),
)
def test_garbage_on_the_wire(target: ServerProcess, data: bytes, half_close: bool) -> None:
    reply = talk(target, data, half_close=half_close)
    if reply:
        assert 400 <= status_of(reply) < 500


def test_a_client_may_hang_up_at_any_byte(target: ServerProcess) -> None:
    rng = random.Random(3)
    body = json.dumps({"prompt": "read a book " * 50}).encode()
    whole = head(length=len(body)) + body
    for _ in range(40):
        with target.connect() as connection:
            connection.sendall(whole[: rng.randrange(len(whole) + 1)])
    assert post(target, body).status_code == 200


def test_pipelined_requests_are_answered_in_order(target: ServerProcess) -> None:
    bodies = [json.dumps({"prompt": p}).encode() for p in ("read a book", "bomb", "")]
    data = b"".join(head(f"X-Request-Id: p{i}", length=len(b)) + b for i, b in enumerate(bodies))
    reply = talk(target, data)
    assert re.findall(rb"HTTP/1\.1 (\d{3})", reply) == [b"200", b"200", b"422"]
    assert re.findall(rb"x-request-id: (p\d)", reply.lower()) == [b"p0", b"p1", b"p2"]


def test_random_bytes_never_give_a_500(target: ServerProcess) -> None:
    rng = random.Random(5)
    good = json.dumps({"inputs": [{"prompt": MARKER, "response": "é\u200d😀"}]}).encode()
    with httpx.Client(base_url=target.url, timeout=HANG_S, headers=JSON) as client:
        for _ in range(150):
            body = bytearray(good)
            for _ in range(rng.randint(1, 6)):
                at = rng.randrange(len(body))
                body[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
            response = client.post("/classify", content=bytes(body))
            assert response.status_code in (200, 400, 422)
            assert MARKER not in response.text


def test_strange_headers_are_no_trouble(target: ServerProcess) -> None:
    body = b'{"prompt": "read a book"}'
    lines = [
        "X-Request-Id: qqmarkerqq\xff",
        "Authorization: Bearer \xe9qqmarkerqq",
        "Cookie: " + "qqmarkerqq=1; " * 500,
        "Expect: 100-continue",
        "X-Forwarded-For: qqmarkerqq",
    ]
    for line in lines:
        data = head(line, "Connection: close", length=len(body)) + body
        assert talk(target, data).endswith(b"}")


def _resident_bytes(server: ServerProcess) -> float:
    return server.metric("process_resident_memory_bytes")
