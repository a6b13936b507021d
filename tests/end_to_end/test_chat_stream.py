"""Streams through the guarded proxy over real sockets: held back, scored, released, cut, broken."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.end_to_end.test_chat_guard import ASK, BAD_TEXT, PATH, REFUSAL, user, wait_for_request
from tests.scripted_upstream import (
    DONE,
    ROLE,
    STOP,
    Step,
    StubUpstream,
    answer,
    chunk,
    completion,
    streamed,
    whole,
)
from tests.server_process import HANG_S, ServerProcess

STREAM = ASK | {"stream": True}


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(
        upstream_url=upstream.url,
        stream_score_tokens=8,
        stream_doubt_tokens=0,
        upstream_idle_timeout_ms=100_000,
    )


def stream(server: ServerProcess, *messages: dict[str, Any], **fields: Any) -> httpx.Response:
    body = STREAM | ({"messages": list(messages)} if messages else {}) | fields
    return server.post(PATH, json=body)


def events(response: httpx.Response) -> list[Any]:
    """The data of all events, [DONE] left as text; every event must be well-formed."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    parts = response.text.split("\n\n")
    assert parts.pop() == ""
    assert all(part.startswith("data: ") and "\n" not in part for part in parts)
    data = [part.removeprefix("data: ") for part in parts]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


def text(found: list[Any], index: int = 0) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for one in found
        if one != "[DONE]"
        for choice in one.get("choices", [])
        if choice["index"] == index
    )


def assert_cut(found: list[Any]) -> dict[str, Any]:
    assert found[-1] == "[DONE]"
    (choice,) = found[-2]["choices"]
    assert choice["finish_reason"] == "content_filter"
    verdict: dict[str, Any] = found[-2]["postern"]
    assert verdict["harmful"] is True
    return verdict


def assert_broken(response: httpx.Response, code: str) -> list[Any]:
    found = events(response)
    assert "[DONE]" not in found
    assert set(found[-1]) == {"error"}
    assert found[-1]["error"]["code"] == code
    assert not any(c.get("finish_reason") for one in found[:-1] for c in one["choices"])
    return found


# --- harmless ---------------------------------------------------------------------------------


def test_a_harmless_stream_passes_whole(guarded: ServerProcess, upstream: StubUpstream) -> None:
    words = [f"read a book with friends number {n} " for n in range(40)]
    usage = chunk({}, usage={"total_tokens": 3})
    usage = usage.replace(b'[{"index": 0, "delta": {}, "finish_reason": null}]', b"[]")
    note = chunk("a story", x_unknown={"n": 12345678901234567890})
    upstream.play(streamed([ROLE, *map(chunk, words), note, STOP, usage, DONE]))
    response = stream(guarded)
    found = events(response)
    assert text(found) == "".join(words) + "a story"
    assert response.headers["x-postern-verdict"] == "pending"
    assert response.headers["cache-control"] == "no-cache"
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [one.get("x_unknown") for one in found[-4:-3]] == [{"n": 12345678901234567890}]
    assert found[-3]["choices"][0]["finish_reason"] == "stop"
    assert found[-3]["postern"]["harmful"] is False
    assert found[-2]["usage"] == {"total_tokens": 3}
    assert found[-1] == "[DONE]"
    assert len(found) == 40 + 5
    assert upstream.seen[0].json == STREAM


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


ODD = "read a b\u00fccher \u4e66 \U0001f4d6 with friends"
UNESCAPED = chunk(ODD).replace(json.dumps(ODD).encode(), f'"{ODD}"'.encode())


@pytest.mark.parametrize(
    "steps",
    [
        _pieces(b"".join([ROLE, chunk(ODD), STOP, DONE]), 1),
        _pieces(b"".join([ROLE, UNESCAPED, STOP, DONE]), 3),
        [b"".join([ROLE, chunk(ODD), STOP, DONE])],
        _pieces(b"".join([ROLE, chunk(ODD), STOP, DONE]).replace(b"\n", b"\r\n"), 2),
        _pieces(b"".join([ROLE, chunk(ODD), STOP, DONE]).replace(b"\n", b"\r"), 2),
        [b": ping\n\n: ping\n", b"event: x\nid: 5\nretry: 3\n" + chunk(ODD), STOP, b":\n\n", DONE],
        [chunk(ODD).replace(b"data: ", b"data:"), STOP, DONE],
        [chunk(ODD), STOP],
        [chunk(ODD), DONE],
        [chunk(ODD), STOP, b"data: [DONE]"],
        [chunk(ODD), STOP, DONE, b"data: nonsense\n\n"],
    ],
    ids=[
        *("bytes", "utf-8 cut", "at once", "crlf", "cr", "comments", "no space", "no done"),
        *("no finish", "no last line end", "after done"),
    ],
)
def test_streams_are_read_however_they_are_cut(
    guarded: ServerProcess, upstream: StubUpstream, steps: list[Step]
) -> None:
    upstream.play(streamed(steps))
    found = events(stream(guarded))
    assert text(found) == ODD
    assert found[-1] == "[DONE]"


def test_text_is_released_while_the_upstream_goes_on(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    gate = threading.Event()
    first = "read a book with your best friends. "
    upstream.play(streamed([ROLE, chunk(first), chunk("then "), gate, chunk("rest"), STOP, DONE]))
    with httpx.stream(
        "POST", guarded.url + PATH, json=STREAM, timeout=HANG_S, verify=False
    ) as response:
        lines = response.iter_lines()
        got = ""
        while first not in got:
            line = next(lines)
            if line.startswith("data: "):
                got += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
        gate.set()
        rest = "".join(lines)
    assert "rest" in rest
    assert rest.endswith("[DONE]")


# --- harmful ----------------------------------------------------------------------------------


def test_a_harmful_stream_is_cut_before_the_harm(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    good = ["read a book with your friends. ", "then make some music. "]
    bad = ["now build ", "a ", "bo", "mb ", "of ", "poison. ", "more ", "more "]
    gate = threading.Event()
    upstream.play(streamed([ROLE, *map(chunk, good + bad), *[chunk("more ")] * 20, gate]))
    response = stream(guarded)
    found = events(response)
    verdict = assert_cut(found)
    assert verdict["stage"] == "response"
    assert verdict["choice"] == 0
    assert "".join(good + bad).startswith(text(found))
    assert "bomb" not in text(found)
    assert "poison" not in text(found)
    assert upstream.seen[0].left.wait(HANG_S)  # it was broken off


def test_harm_in_the_first_words_is_answered_with_the_refusal(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(answer("build ", "a ", "bomb ", "of ", "poison. ", "and ", "more"))
    response = stream(guarded)
    assert response.headers["x-postern-verdict"] == "harmful"
    found = events(response)
    assert_cut(found)
    assert text(found) == REFUSAL
    assert "bomb" not in response.text


def test_a_harmful_prompt_is_answered_with_a_stream_of_the_refusal(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(answer("read"))
    response = stream(guarded, user(BAD_TEXT))
    found = events(response)
    assert assert_cut(found)["stage"] == "prompt"
    assert text(found) == REFUSAL
    assert response.headers["x-postern-verdict"] == "harmful"
    assert upstream.seen == []


def test_where_a_block_is_an_error_it_is_one_before_and_within_a_stream(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(
        upstream_url=upstream.url, on_block="error", stream_score_tokens=8, stream_doubt_tokens=0
    )
    upstream.play(answer("read a book with your friends. ", "now a ", "bomb of poison. "))
    found = events(stream(server))
    assert text(found[:-1]) == "read a book with your friends. "
    assert found[-1]["error"]["code"] == "content_filter"
    assert found[-1]["postern"]["harmful"] is True
    upstream.play(answer("a bomb of poison. "))
    for response in (stream(server), stream(server, user(BAD_TEXT))):
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "content_filter"


@pytest.mark.parametrize(
    "deltas",
    [
        [{"reasoning_content": "build a "}, {"reasoning_content": "bomb"}],
        [{"refusal": "a bomb"}],
        [{"brand_new_field": {"x": ["a bomb"]}}],
        [
            {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"q": "a \\u00'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '62omb"}'}}]},
        ],
        [
            {"function_call": {"name": "f", "arguments": '{"q": "poi'}},
            {"function_call": {"arguments": 'son"}'}},
        ],
    ],
    ids=["reasoning", "refusal", "unknown field", "tool call", "function call"],
)
def test_every_channel_is_judged(
    guarded: ServerProcess, upstream: StubUpstream, deltas: list[dict[str, Any]]
) -> None:
    upstream.play(streamed([ROLE, *map(chunk, deltas), chunk({}, finish="stop"), DONE]))
    response = stream(guarded)
    assert_cut(events(response))
    for word in ("bomb", "u0062", "poison", "arguments"):
        assert word not in response.text


def test_a_harmful_sentence_is_held_until_it_is_sure(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, stream_doubt_tokens=12)
    good, bad = "read a book with your friends. ", "then build a bomb of poison. "
    upstream.play(answer(good, bad, "and so on.", finish="stop"))
    found = events(stream(server))
    assert_cut(found)
    assert text(found) == good
    gate = threading.Event()  # it is cut before the upstream goes on
    upstream.play(streamed([ROLE, chunk(good), chunk(bad), chunk(bad), chunk("And"), gate]))
    found = events(stream(server))
    assert_cut(found)
    assert text(found) == good


def test_tool_calls_are_held_until_they_are_complete(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    gate = threading.Event()
    parts = [f"read a book {n}. " for n in range(20)]
    calls = [
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in parts
    ]
    upstream.play(streamed([ROLE, *calls, gate, chunk({}, finish="tool_calls"), DONE]))
    with httpx.Client(verify=False, timeout=HANG_S) as client:
        results: list[httpx.Response] = []
        thread = threading.Thread(
            target=lambda: results.append(client.post(guarded.url + PATH, json=STREAM))
        )
        thread.start()
        wait_for_request(upstream)
        time.sleep(0.5)
        assert not results
        gate.set()
        thread.join(HANG_S)
    found = events(results[0])
    got = [
        call["function"]["arguments"]
        for one in found[:-1]
        for call in one["choices"][0]["delta"].get("tool_calls", [])
    ]
    assert got == parts


def test_choices_are_cut_one_by_one(guarded: ServerProcess, upstream: StubUpstream) -> None:
    both = json.loads(chunk("read ")[6:])
    both["choices"].append({"index": 1, "delta": {"content": "read "}, "finish_reason": None})
    steps = [f"data: {json.dumps(both)}\n\n".encode()]
    for _ in range(10):
        steps += [chunk("a book. "), chunk("a bomb. ", index=1)]
    steps += [chunk({}, finish="stop"), chunk({}, index=1, finish="stop"), DONE]
    upstream.play(streamed(steps))
    found = events(stream(guarded, n=2))
    assert text(found, 0) == "read " + "a book. " * 10
    assert text(found, 1) == REFUSAL
    ends = {
        choice["index"]: choice["finish_reason"]
        for one in found[:-1]
        for choice in one["choices"]
        if choice["finish_reason"]
    }
    assert ends == {0: "stop", 1: "content_filter"}


def test_a_long_answer_is_scored_by_its_tail_and_at_the_end_as_a_whole(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(
        upstream_url=upstream.url,
        stream_tail_chars=200,
        stream_score_tokens=8,
        stream_doubt_tokens=0,
    )
    words = ["read a book with friends. "] * 100
    upstream.play(answer(*words))
    assert text(events(stream(server))) == "".join(words)
    upstream.play(answer(*words, "now a bomb of poison. ", *words))
    found = events(stream(server))
    assert_cut(found)
    assert "bomb" not in text(found)


# --- broken streams ---------------------------------------------------------------------------

GOOD = "read a book with your friends. "


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([b"data: {nonsense\n\n"], "upstream_invalid"),
        ([b'data: "text"\n\n'], "upstream_invalid"),
        ([b'data: {"error": {"message": "out of memory"}}\n\n'], "upstream_told"),
        ([b'data: {"choices": [5]}\n\n'], "upstream_invalid"),
        ([b'data: {"choices": [{"index": "x"}]}\n\n'], "upstream_invalid"),
        ([b'data: {"choices": [{"index": 1000000}]}\n\n'], "upstream_invalid"),
        ([b'data: {"choices": "x"}\n\n'], "upstream_invalid"),
        ([b"data: \xff\xfe\n\n"], "upstream_invalid"),
        ([b"data: " + b"a" * 70_000] * 20, "upstream_invalid"),
        ([chunk({"audio": {"data": "AAAA"}})], "upstream_invalid"),
        ([chunk("read " * 30_000)], "upstream_invalid"),
        ([], "upstream_invalid"),
        ([chunk(" more")[:30]], "upstream_invalid"),
    ],
    ids=[
        *("not json", "no object", "error", "choice", "index", "far index", "choices", "utf-8"),
        *("endless line", "audio", "too long", "ends early", "half an event"),
    ],
)
def test_a_broken_stream_ends_in_an_error_and_never_as_if_it_were_whole(
    guarded: ServerProcess, upstream: StubUpstream, steps: list[Step], code: str
) -> None:
    upstream.play(streamed([ROLE, chunk(GOOD), chunk("unscored"), 0.3, *steps]))
    found = assert_broken(stream(guarded), code)
    assert GOOD.startswith(text(found[:-1])) or text(found[:-1]) == GOOD + "unscored"
    upstream.play(streamed(steps))  # at the very beginning there is a status for it
    response = stream(guarded)
    assert response.status_code == 502
    told = response.json()["error"]
    assert told.get("code") == code or told == {"message": "out of memory"}


def test_a_connection_that_breaks_ends_in_an_error(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(streamed([ROLE, chunk(GOOD), 0.3, chunk("uns")], ends=False))
    found = assert_broken(stream(guarded), "upstream_unreachable")
    assert text(found[:-1]) == GOOD


def test_an_upstream_that_falls_silent_ends_in_an_error(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, upstream_idle_timeout_ms=500)
    upstream.play(streamed([ROLE, chunk(GOOD), threading.Event()]))
    found = assert_broken(stream(server), "upstream_timeout")
    assert text(found[:-1]) == GOOD
    assert upstream.seen[0].left.wait(HANG_S)
    upstream.play([threading.Event()])
    assert stream(server).status_code == 504


def test_a_stream_without_end_meets_the_total_time(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, upstream_total_timeout_ms=1000)
    drip = [part for _ in range(2000) for part in (chunk(GOOD), 0.02)]
    upstream.play(streamed([ROLE, *drip]))
    assert_broken(stream(server), "upstream_timeout")
    assert upstream.seen[0].left.wait(HANG_S)


def test_an_upstream_that_does_not_stream_is_refused(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(completion()))
    response = stream(guarded)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_invalid")


def test_a_failure_to_judge_in_mid_stream_releases_nothing_more(
    start_faulty_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_faulty_server({"raise_word": "cake"}, upstream_url=upstream.url)
    server.wait_until_ready()
    upstream.play(streamed([chunk(GOOD), 0.3, chunk("bake a cake. "), *[chunk(GOOD)] * 5]))
    found = assert_broken(stream(server), "inference_failed")
    assert text(found[:-1]) == GOOD
    upstream.play(answer("bake a cake with your friends. "))
    assert stream(server).status_code == 500


# --- clients ----------------------------------------------------------------------------------


def _ask(connection: socket.socket) -> None:
    body = json.dumps(STREAM).encode()
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


def test_a_client_that_leaves_breaks_the_upstream_off(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    left = guarded.metric('postern_proxied_total{outcome="left"}')
    for steps in ([chunk(GOOD)] * 3, [ROLE]):  # while it is streaming, and before it does
        upstream.play(streamed([*steps, threading.Event()]))
        with guarded.connect() as connection:
            _ask(connection)
            wait_for_request(upstream)
            if len(steps) > 1:
                assert connection.recv(100)
        assert upstream.seen[0].left.wait(HANG_S)
    guarded.wait_for_metric('postern_proxied_total{outcome="left"}', left + 2.0)


def test_a_slow_client_holds_the_upstream_back_and_memory_stays_flat(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(
        upstream_url=upstream.url, max_exchange_chars=100_000_000, stream_tail_chars=200
    )
    # Little text in large events: 200 MB in all, if anybody took it.
    padding = [10**4000] * 25
    big = chunk("", x_padding=padding)
    upstream.play(streamed([chunk(GOOD), *[big] * 2000]))
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        _ask(connection)
        seen = wait_for_request(upstream)
        before = -1
        while seen.sent_bytes != before or before == 0:
            before = seen.sent_bytes
            time.sleep(1.0)
        assert seen.sent_bytes < 40_000_000
        assert not seen.left.is_set()
        resident = server.metric("process_resident_memory_bytes")
        assert resident < 600_000_000
    assert seen.left.wait(HANG_S)


def test_a_client_that_stops_reading_is_left_in_the_end(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, upstream_total_timeout_ms=5000)
    upstream.play(streamed([chunk(GOOD), *[chunk("", x_padding=[10**4000] * 25)] * 2000]))
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        _ask(connection)
        seen = wait_for_request(upstream)
        assert seen.left.wait(HANG_S)
        server.wait_for_metric('postern_proxied_total{outcome="left"}', 1.0)


def test_streams_in_flight_finish_while_the_server_drains(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url)
    gate = threading.Event()
    upstream.play(streamed([ROLE, chunk(GOOD), gate, chunk("and play. "), STOP, DONE]))
    results: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: results.append(stream(server)))
    thread.start()
    wait_for_request(upstream)
    server.terminate()
    time.sleep(0.5)
    gate.set()
    thread.join(HANG_S)
    found = events(results[0])
    assert text(found) == GOOD + "and play. "
    assert found[-1] == "[DONE]"
    assert server.wait() == 0


def test_a_stream_that_outlives_the_grace_period_does_not_end_as_if_it_were_whole(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, grace_period_ms=1000)
    upstream.play(streamed([ROLE, chunk(GOOD), threading.Event()]))
    got = b""
    with server.connect() as connection:
        _ask(connection)
        while GOOD.encode() not in got:
            got += connection.recv(65536)
        server.terminate()
        while piece := connection.recv(65536):
            got += piece
    assert not got.endswith(b"0\r\n\r\n")
    assert b"[DONE]" not in got
    assert server.wait() == 0


def test_waiting_for_verdicts_is_measured(guarded: ServerProcess, upstream: StubUpstream) -> None:
    upstream.play(answer(GOOD, GOOD))
    before = guarded.metric("postern_held_back_seconds_count")
    stream(guarded)
    assert guarded.metric("postern_held_back_seconds_count") > before
    assert all("exception" not in line for line in guarded.log_lines())
