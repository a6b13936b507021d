"""Headers and status lines, to the upstream and back, byte by byte."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.scripted_upstream import DONE, STOP, StubUpstream, chunk, completion, streamed, whole
from tests.server_process import HANG_S, ServerProcess

PATH = "/v1/chat/completions"
ASK = {"messages": [{"role": "user", "content": "tell me a story"}]}
BODY = json.dumps(ASK).encode()


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url)


@pytest.fixture(scope="module")
def keyed(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url, api_keys="postern-key")


@pytest.fixture(scope="module")
def with_key(
    start_server: StartServer, upstream: StubUpstream, tmp_path_factory: pytest.TempPathFactory
) -> ServerProcess:
    key = tmp_path_factory.mktemp("key") / "upstream"
    key.write_text("upstream-key\n")
    return start_server(upstream_url=upstream.url, upstream_api_key_file=key)


def raw(server: ServerProcess, *lines: bytes) -> bytes:
    """What is answered to a request with these header lines."""
    head = [b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", b"Connection: close"]
    head += [b"Content-Type: application/json", b"Content-Length: %d" % len(BODY), *lines]
    with server.connect() as connection:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + BODY)
        got = b""
        while piece := connection.recv(65536):
            got += piece
    return got


@pytest.mark.parametrize("name", [b"Authorization", b"authorization", b"AUTHORIZATION"])
def test_there_is_one_authorization_whatever_its_case(
    guarded: ServerProcess, with_key: ServerProcess, upstream: StubUpstream, name: bytes
) -> None:
    for server, key in ((guarded, "Bearer clients"), (with_key, "Bearer upstream-key")):
        upstream.play(whole(completion("sure")))
        assert b"200 OK" in raw(server, name + b": Bearer clients", b"api-key: clients")
        (seen,) = upstream.seen
        sent = [value for one, value in seen.header_lines if one.lower() == "authorization"]
        assert sent == [key]
        assert ("api-key" in seen.headers) is (server is guarded)


def test_only_what_is_listed_is_sent_on(guarded: ServerProcess, upstream: StubUpstream) -> None:
    upstream.play(whole(completion("sure")))
    listed = {
        "api-key": "k",
        "HTTP-Referer": "https://example.org/chat",
        "X-Title": "My chat",
        "OpenAI-Organization": "o",
        "traceparent": "00-1-2-01",
        "Idempotency-Key": "i",
    }
    others = {
        "Cookie": "a=b",
        "X-Api-Key": "s",
        "X-Forwarded-For": "1.2.3.4",
        "X-Secret": "s",
        "Forwarded": "for=1",
        "X-Postern-Operating-Point": "strict",
    }
    guarded.post(PATH, json=ASK, headers=listed | others)
    (seen,) = upstream.seen
    assert {name: seen.headers.get(name.lower()) for name in listed} == listed
    assert not {name.lower() for name in others} & set(seen.headers)


def test_behind_keys_of_the_server_the_upstream_s_has_a_header_of_its_own(
    keyed: ServerProcess, with_key: ServerProcess, upstream: StubUpstream
) -> None:
    given = {"Authorization": "Bearer postern-key", "X-Upstream-Authorization": "Bearer theirs"}
    for server, key in ((keyed, "Bearer theirs"), (with_key, "Bearer upstream-key")):
        upstream.play(whole(completion("sure")))
        assert server.post(PATH, json=ASK, headers=given).status_code == 200
        (seen,) = upstream.seen
        assert seen.headers["authorization"] == key
        assert "x-upstream-authorization" not in seen.headers
        assert "postern-key" not in repr(seen)


def test_a_header_that_cannot_be_sent_on_is_refused(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(completion("sure")))
    for line in (b"Authorization: Bearer \xe4", b"X-Title: \xf0\x9f\x98\x80"):
        got = raw(guarded, line)
        assert b" 400 " in got.split(b"\r\n")[0]
        assert b"invalid_header" in got
    assert not upstream.seen


def test_the_upstream_s_id_stands_beside_ours(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    stream = streamed([chunk("sure"), STOP, DONE], X_Request_Id="req_theirs")
    for script, more in (
        (whole(completion(), X_Request_Id="req_theirs"), {}),
        (stream, {"stream": True}),
    ):
        upstream.play(script)
        reply = guarded.post(PATH, json=ASK | more, headers={"X-Request-Id": "ours"})
        assert reply.headers["x-request-id"] == "ours"
        assert reply.headers["x-upstream-request-id"] == "req_theirs"
    upstream.play(whole({"error": {"message": "busy"}}, status=429, X_Request_Id="req_theirs"))
    assert guarded.post(PATH, json=ASK).headers["x-upstream-request-id"] == "req_theirs"


JSON_HEAD = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(
    json.dumps(completion()).encode()
)
WHOLE = json.dumps(completion()).encode()


@pytest.mark.parametrize(
    "script",
    [
        [b"HTTP/1.1 200 OK\r\nX-RateLimit-Limit: \xff\xfe\r\n" + JSON_HEAD + b"\r\n" + WHOLE],
        ["HTTP/1.1 200 OK\r\nX-Request-Id: \u4e66\r\n".encode() + JSON_HEAD + b"\r\n" + WHOLE],
        [b"HTTP/1.1 099 X\r\n" + JSON_HEAD + b"\r\n" + WHOLE],
        [b"HTTP/1.1 600 X\r\n" + JSON_HEAD + b"\r\n" + WHOLE],
        [b"HTTP/1.1 999 X\r\n" + JSON_HEAD + b"\r\n" + WHOLE],
        whole(b'{"choices": [{"message": {"content": "a"}}], "x": NaN}'),
        whole(b'{"choices": [{"message": {"content": "a"}}], "x": -Infinity}'),
        whole(b'{"choices": [{"message": {"content": "a"}}], "x": 1e999}'),
        streamed([b'data: {"choices": [{"delta": {"content": "a"}}], "x": NaN}\n\n']),
        streamed([b'data: {"choices": [{"delta": {"content": "a"}, "x": 1e999}]}\n\n']),
    ],
    ids=["latin", "utf-8", "099", "600", "999", "nan", "inf", "1e999", "sse nan", "sse 1e999"],
)
def test_what_no_client_could_read_becomes_502(
    guarded: ServerProcess, upstream: StubUpstream, script: list[Any]
) -> None:
    upstream.play(script)
    more = {"stream": True} if b"event-stream" in script[0] else {}
    reply = guarded.post(PATH, json=ASK | more)
    assert reply.status_code == 502
    assert reply.json()["error"]["code"] in ("upstream_invalid", "upstream_unreachable")
    upstream.play(whole(completion("sure")))
    assert guarded.post(PATH, json=ASK).status_code == 200


@pytest.mark.parametrize("late_s", [0.0, 0.2])
def test_bytes_after_a_reply_are_not_the_reply_to_the_next_request(
    start_server: StartServer, upstream: StubUpstream, late_s: float
) -> None:
    server = start_server(upstream_url=upstream.url)
    forged = whole(completion("forged for the next user"))
    head, body = (part for part in whole(completion("sure")) if isinstance(part, bytes))
    surplus = b"".join(part for part in forged if isinstance(part, bytes))
    first: list[bytes | float] = (
        [head, body + surplus] if not late_s else [head, body, late_s, surplus]
    )
    upstream.play([*first, 0.0])
    with httpx.Client(base_url=server.url, verify=False, timeout=HANG_S) as client:
        assert client.post(PATH, json=ASK).json()["choices"][0]["message"]["content"] == "sure"
        time.sleep(late_s * 2)
        upstream.script = whole(completion("right"))
        reply = client.post(PATH, json=ASK).json()
        assert reply["choices"][0]["message"]["content"] == "right"


def test_a_connection_without_surplus_is_used_again(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url)
    upstream.play(whole(completion("sure")))
    before = upstream.n_connections
    for _ in range(3):
        assert server.post(PATH, json=ASK).status_code == 200
    assert upstream.n_connections - before == 1


def test_a_query_of_the_upstream_s_address_is_kept(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url + "/?api-version=2024-10-21")
    upstream.play(whole(completion("sure")))
    assert server.post(PATH, json=ASK).status_code == 200
    assert upstream.seen[0].path == "/v1/chat/completions?api-version=2024-10-21"
