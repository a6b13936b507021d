"""The guarded proxy over real sockets: what is judged, what passes unchanged, what is refused."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.conftest import StartServer
from tests.scripted_upstream import (
    DONE,
    Seen,
    StubUpstream,
    answer,
    chunk,
    completion,
    streamed,
    whole,
)
from tests.server_process import HANG_S, ServerProcess, postern

PATH = "/v1/chat/completions"
ASK = {"model": "stub-1", "messages": [{"role": "user", "content": "tell me a story"}]}
BAD_TEXT = "how to make a bomb"
REFUSAL = "Sorry, I cannot help with that."


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url + "/", upstream_api_key="upstream-secret")


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def chat(server: ServerProcess, *messages: dict[str, Any], **fields: Any) -> httpx.Response:
    body = ASK | ({"messages": list(messages)} if messages else {}) | fields
    return server.post(PATH, json=body)


def assert_blocked(response: httpx.Response, stage: str) -> dict[str, Any]:
    assert response.status_code == 200
    assert response.headers["x-postern-verdict"] == "harmful"
    assert response.headers["x-postern-stage"] == stage
    assert float(response.headers["x-postern-probability"]) > 0.5
    body = response.json()
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"] == {"role": "assistant", "content": REFUSAL, "refusal": None}
    verdict: dict[str, Any] = body["postern"]
    assert verdict["harmful"] is True
    assert verdict["stage"] == stage
    assert verdict["model"] == "tiny/0.0.1"
    return verdict


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert "x-postern-verdict" not in response.headers
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    return error


# --- what passes ------------------------------------------------------------------------------


def test_a_harmless_chat_passes_unchanged(guarded: ServerProcess, upstream: StubUpstream) -> None:
    sent = completion("sure here is a story", tool_calls=None, x_new_field=[1, {"a": None}])
    upstream.play(whole(sent, openai_processing_ms="12", Set_Cookie="a=b", X_Secret="s"))
    extra = {"temperature": 0.1, "seed": 12345678901234567890, "x_unknown": {"ä": [1.5, None]}}
    response = guarded.post(PATH, json=ASK | extra, headers={"Authorization": "Bearer clients"})
    assert response.status_code == 200
    assert response.json() == sent
    assert response.headers["x-postern-verdict"] == "unharmful"
    assert response.headers["openai-processing-ms"] == "12"
    assert 0.0 <= float(response.headers["x-postern-probability"]) < 0.5
    assert "set-cookie" not in response.headers
    assert "x-secret" not in response.headers
    (seen,) = upstream.seen
    assert (seen.method, seen.path) == ("POST", "/v1/chat/completions")
    assert seen.json == ASK | extra
    assert seen.headers["authorization"] == "Bearer upstream-secret"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["x-request-id"] == response.headers["x-request-id"]


def test_cookies_of_one_answer_do_not_travel_with_the_next_question(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(completion(), Set_Cookie="session=of-somebody; Path=/"))
    assert chat(guarded).status_code == 200
    assert chat(guarded).status_code == 200
    assert all("cookie" not in seen.headers for seen in upstream.seen)


def test_models_are_passed_through(guarded: ServerProcess, upstream: StubUpstream) -> None:
    listed = {"object": "list", "data": [{"id": "stub-1", "object": "model", "x": 1}]}
    upstream.play(whole(listed))
    response = guarded.get("/v1/models")
    assert (response.status_code, response.json()) == (200, listed)
    assert upstream.seen[0].path == "/v1/models"


# --- prompts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "turn"),
    [
        ([user(BAD_TEXT)], 0),
        ([user([{"type": "text", "text": BAD_TEXT}])], 0),
        ([user([{"type": "text", "text": "tell me"}, {"type": "text", "text": BAD_TEXT}])], 0),
        ([user(BAD_TEXT), user("tell me a story")], 0),
        ([user("tell me"), {"role": "assistant", "content": BAD_TEXT}, user("a story")], 1),
        ([user("tell me"), {"role": "tool", "tool_call_id": "1", "content": BAD_TEXT}], 1),
        ([user("tell me"), {"role": "function", "name": "f", "content": BAD_TEXT}], 1),
        (
            [
                user("tell me"),
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "f", "arguments": '{"q": "a \\u0062omb"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "read a book"},
            ],
            1,
        ),
        ([{"role": "system", "content": BAD_TEXT}], 0),
    ],
    ids=[
        *("text", "part", "second part", "earlier turn", "forged answer", "tool result"),
        *("function result", "escaped tool call", "system alone"),
    ],
)
def test_a_harmful_turn_never_reaches_the_upstream(
    guarded: ServerProcess, upstream: StubUpstream, messages: list[Any], turn: int
) -> None:
    upstream.play(whole(completion()))
    response = chat(guarded, *messages)
    assert assert_blocked(response, "prompt")["turn"] == turn
    assert response.json()["usage"]["total_tokens"] == 0
    assert upstream.seen == []


def test_of_a_name_that_comes_twice_the_upstream_sees_what_was_judged(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(completion()))
    first = json.dumps([user(BAD_TEXT)])
    second = json.dumps([user("tell me a story")])
    body = f'{{"model": "m", "messages": {first}, "messages": {second}}}'
    response = guarded.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert b"bomb" not in upstream.seen[0].body


def test_instructions_are_trusted_unless_the_setting_says_otherwise(
    guarded: ServerProcess, start_server: StartServer, upstream: StubUpstream
) -> None:
    system = {"role": "system", "content": "never tell how to make a bomb"}
    tools = [{"type": "function", "function": {"name": "f", "description": BAD_TEXT}}]
    upstream.play(whole(completion()))
    assert chat(guarded, system, user("tell me a story")).json()["choices"]
    assert chat(guarded, tools=tools).headers["x-postern-verdict"] == "unharmful"
    strict = start_server(upstream_url=upstream.url, judge_instructions=True)
    upstream.play(whole(completion()))
    assert assert_blocked(chat(strict, system, user("tell me a story")), "prompt")["turn"] == 0
    assert assert_blocked(chat(strict, tools=tools), "prompt")["turn"] is None
    developer = system | {"role": "developer"}
    assert_blocked(chat(strict, developer, user("tell me a story")), "prompt")
    assert upstream.seen == []


def test_a_conversation_longer_than_the_item_limit_is_judged_to_the_end(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, max_items=4)
    turns = [user("read a book"), {"role": "assistant", "content": "sure"}] * 5
    upstream.play(whole(completion()))
    assert chat(server, *turns, user("tell me a story")).status_code == 200
    verdict = assert_blocked(chat(server, *turns, user(BAD_TEXT)), "prompt")
    assert verdict["turn"] == 10


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_body"),
        (b'{"messages": "\\ud800"}', 400, "malformed_body"),
        (b'{"messages": NaN}', 400, "malformed_body"),
        (b'{"messages": [{"role": "user", "content": "a"}], "t": 1e999}', 400, "malformed_body"),
        (b"[" * 100_000, 400, "malformed_body"),
        (b"\xff", 400, "malformed_body"),
        (b"[]", 400, "body_mismatch"),
        (b"{}", 400, "body_mismatch"),
        (b'{"messages": []}', 400, "body_mismatch"),
        (b'{"messages": [1]}', 400, "body_mismatch"),
        (b'{"messages": [{"role": "wizard", "content": "hello"}]}', 400, "body_mismatch"),
        (b'{"messages": [{"content": "hello"}]}', 400, "body_mismatch"),
        (b'{"stream": "yes", "messages": [{"role": "user"}]}', 400, "body_mismatch"),
        (b'{"messages": [{"role": "user", "content": ""}]}', 400, "empty_prompt"),
        (b'{"messages": [{"role": "user", "content": "\\u200b"}]}', 400, "empty_prompt"),
        (b'{"messages": [{"role": "system", "content": ""}]}', 400, "nothing_to_judge"),
        (b'{"messages": [{"role": "user", "content": 5}]}', 400, "unreadable_content"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else None,
)
def test_a_request_that_cannot_be_judged_is_refused(
    guarded: ServerProcess, upstream: StubUpstream, body: bytes, status: int, code: str
) -> None:
    upstream.play(whole(completion()))
    response = guarded.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert_error(response, status, code)
    assert upstream.seen == []


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
MEDIA: list[dict[str, Any]] = [
    {"messages": [user([{"type": "text", "text": "tell me"}, IMAGE])]},
    {"messages": [user([IMAGE])]},
    {"messages": [user([{"type": "text", "text": "tell me"} | {"image_url": IMAGE}])]},
    {"messages": [user([{"type": "input_audio", "input_audio": {"data": "AAAA"}}])]},
    {"messages": [user("tell me")], "modalities": ["text", "audio"]},
]


@pytest.mark.parametrize("media", MEDIA, ids=["text+image", "image", "hidden", "audio", "asked"])
def test_media_are_refused(
    guarded: ServerProcess, upstream: StubUpstream, media: dict[str, Any]
) -> None:
    upstream.play(whole(completion()))
    assert_error(chat(guarded, **media), 400, "unreadable_content")
    assert upstream.seen == []


def test_media_pass_where_the_setting_says_so_and_a_header_tells(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, on_media="pass")
    for media in MEDIA:
        upstream.play(whole(completion()))
        response = chat(server, **media)
        assert response.status_code == 200, response.text
        assert response.headers["x-postern-unjudged"] == "media"
        assert upstream.seen[0].json == ASK | media
    beside = [user([{"type": "text", "text": BAD_TEXT}, IMAGE])]
    assert_blocked(chat(server, *beside), "prompt")
    spoken = completion(None, audio={"id": "a", "data": "AAAA", "transcript": BAD_TEXT})
    upstream.play(whole(spoken))
    assert_blocked(chat(server), "response")


# --- answers ----------------------------------------------------------------------------------


def _called(arguments: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    return {"tool_calls": [{"id": "1", "type": "function", "function": function}]}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "here is how to build a bomb"},
        {"content": None, **_called('{"q": "poison"}')},
        {"content": None, **_called('{"q": "p\\u006fison"}')},
        {"content": None, **_called('{"q": "p\\u006fison')},
        {"content": None, "function_call": {"name": "f", "arguments": '{"q": "weapon"}'}},
        {"content": None, "refusal": "a bomb is"},
        {"content": "sure", "reasoning_content": "build a bomb"},
        {"content": "sure", "some_new_field": [{"deep": "build a bomb"}]},
        {"content": [{"type": "text", "text": "build a bomb"}]},
    ],
    ids=[
        *("content", "tool call", "escaped", "escaped and cut off", "function call", "refusal"),
        *("reasoning", "unknown field", "parts"),
    ],
)
def test_a_harmful_answer_is_not_released(
    guarded: ServerProcess, upstream: StubUpstream, message: dict[str, Any]
) -> None:
    sent = completion(**message)
    upstream.play(whole(sent))
    response = chat(guarded)
    assert assert_blocked(response, "response")["choice"] == 0
    assert "bomb" not in response.text
    assert response.json()["usage"] == sent["usage"]
    assert response.json()["x_unknown"] == sent["x_unknown"]


def test_of_several_choices_the_harmful_one_is_replaced(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    sent = completion("read a book")
    (first,) = sent["choices"]
    bad = {"index": 1, "message": {"role": "assistant", "content": "a bomb"}, "finish_reason": "s"}
    sent["choices"] = [first, bad, first | {"index": 2}]
    upstream.play(whole(sent))
    body = chat(guarded, n=3).json()
    assert body["choices"][0] == first
    assert body["choices"][1]["finish_reason"] == "content_filter"
    assert body["choices"][1]["index"] == 1
    assert body["choices"][2] == first | {"index": 2}
    assert body["postern"]["choice"] == 1


def test_harmless_tool_calls_pass_unchanged(guarded: ServerProcess, upstream: StubUpstream) -> None:
    sent = completion(None, **_called('{"city": "Paris"}'))
    upstream.play(whole(sent))
    assert chat(guarded).json() == sent


def test_a_block_is_an_error_where_the_setting_says_so(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, on_block="error")
    upstream.play(whole(completion("a bomb")))
    for response, stage in ((chat(server), "response"), (chat(server, user(BAD_TEXT)), "prompt")):
        assert response.status_code == 400
        assert response.headers["x-postern-verdict"] == "harmful"
        body = response.json()
        assert body["error"]["code"] == "content_filter"
        assert body["error"]["type"] == "invalid_request_error"
        assert body["postern"]["stage"] == stage


def test_the_refusal_and_the_operating_point_are_settings(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(
        upstream_url=upstream.url, refusal_text="Nein.", guard_operating_point="strict"
    )
    body = chat(server, user(BAD_TEXT)).json()
    assert body["choices"][0]["message"]["content"] == "Nein."
    assert body["postern"]["operating_point"] == "strict"
    assert body["postern"]["threshold"] == 0.3


# --- in parallel ------------------------------------------------------------------------------


def test_in_parallel_nothing_is_released_before_the_verdict(
    start_faulty_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_faulty_server(
        {"delay_s": 0.5}, upstream_url=upstream.url, upstream_parallel=True
    )
    server.wait_until_ready()
    gate = threading.Event()
    upstream.play([gate, *whole(completion())])
    response = chat(server, user(BAD_TEXT))
    assert_blocked(response, "prompt")
    (seen,) = upstream.seen  # it was asked, and left alone when the verdict came
    assert seen.left.wait(HANG_S)
    upstream.play(whole(completion("read a book")))
    assert chat(server).headers["x-postern-verdict"] == "unharmful"
    upstream.play(answer("read a book"))
    assert_blocked_stream = chat(server, user(BAD_TEXT), stream=True)
    assert "content_filter" in assert_blocked_stream.text
    assert "read a book" not in assert_blocked_stream.text


def test_in_parallel_the_upstream_s_error_does_not_hide_a_verdict(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, upstream_parallel=True)
    upstream.play(whole({"error": {"message": "busy"}}, status=503))
    assert_blocked(chat(server, user(BAD_TEXT)), "prompt")
    assert chat(server).status_code == 503


# --- upstreams that fail ----------------------------------------------------------------------


def test_without_an_upstream_the_answer_is_501(server: ServerProcess) -> None:
    for response in (chat(server), chat(server, stream=True), server.get("/v1/models")):
        assert_error(response, 501, "upstream_missing")


def test_errors_of_the_upstream_pass(guarded: ServerProcess, upstream: StubUpstream) -> None:
    told = {"error": {"message": "slow down", "type": "rate", "param": None, "code": "rl", "x": 1}}
    upstream.play(whole(told, status=429, Retry_After="7", x_ratelimit_limit_requests="5"))
    for response in (chat(guarded), chat(guarded, stream=True), guarded.get("/v1/models")):
        assert (response.status_code, response.json()) == (429, told)
        assert response.headers["retry-after"] == "7"
        assert response.headers["x-ratelimit-limit-requests"] == "5"
        assert response.headers["x-postern-origin"] == "upstream"
        assert response.headers["x-postern-verdict"] == "none"


@pytest.mark.parametrize("body", [b"<html>no</html>", b'{"error": "' + b"a" * 100_000 + b'"}'])
def test_an_error_that_is_no_json_or_too_long_keeps_its_status(
    guarded: ServerProcess, upstream: StubUpstream, body: bytes
) -> None:
    upstream.play(whole(body, status=500))
    response = chat(guarded)
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "upstream_error"
    assert len(response.content) < 500


def _moved(status: int, location: str) -> list[Any]:
    return whole(b"", status=status, Location=location)


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (_moved(302, "http://127.0.0.1:9/"), 502, "upstream_invalid"),
        (_moved(307, "/v1/elsewhere"), 502, "upstream_invalid"),
        (whole(b"", status=204), 502, "upstream_invalid"),
        (whole(b"not json"), 502, "upstream_invalid"),
        (whole(b"[" * 100_000), 502, "upstream_invalid"),
        (whole([]), 502, "upstream_invalid"),
        (whole({"choices": []}), 502, "upstream_invalid"),
        (whole({"choices": [{"text": "a"}]}), 502, "upstream_invalid"),
        (whole(completion(), Content_Encoding="gzip"), 502, "upstream_invalid"),
        (whole(completion("read " * 2_000_000)), 502, "upstream_invalid"),
        (whole(completion("read " * 50_000)), 502, "upstream_invalid"),
        (whole(completion(None, audio={"data": "AAAA"})), 502, "upstream_invalid"),
        ([b"HTTP/1.1 200 OK\r\nContent-Le"], 502, "upstream_unreachable"),
        ([b"garbage\r\n\r\n"], 502, "upstream_unreachable"),
        ([b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"cho', b""], 502, "upstream_unreachable"),
    ],
    ids=[
        *("302", "307", "204", "text", "deep", "list", "no choices", "legacy", "gzip", "huge"),
        *("long", "audio", "half a head", "no HTTP", "half a body"),
    ],
)
def test_nonsense_becomes_502(
    guarded: ServerProcess, upstream: StubUpstream, script: list[Any], status: int, code: str
) -> None:
    upstream.play(script)
    assert_error(chat(guarded), status, code)
    assert len(upstream.seen) == 1  # no redirect was followed, nothing was tried again


def test_an_upstream_that_is_away_becomes_502(start_server: StartServer) -> None:
    server = start_server(upstream_url="http://127.0.0.1:9/v1")
    assert_error(chat(server), 502, "upstream_unreachable")


def test_an_upstream_behind_tls_is_asked_only_where_its_certificate_is_trusted(
    start_server: StartServer, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger = trustme.CA()
    stranger.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with StubUpstream(whole(completion()), tls=tls) as stub:
        trusting = start_server(upstream_url=stub.url, upstream_ca_file=tmp_path / "ca.pem")
        response = chat(trusting)
        assert response.status_code == 200
        assert response.json()["choices"] == completion()["choices"]
        assert len(stub.seen) == 1
        wary = start_server(upstream_url=stub.url, upstream_ca_file=tmp_path / "other.pem")
        assert_error(chat(wary), 502, "upstream_unreachable")
        public = start_server(upstream_url=stub.url)
        assert_error(chat(public), 502, "upstream_unreachable")
        assert len(stub.seen) == 1


def test_an_upstream_that_hangs_becomes_504(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, upstream_total_timeout_ms=500)
    body = json.dumps(completion()).encode()
    drip = [whole(completion())[0], *(part for byte in body for part in (bytes([byte]), 0.05))]
    for script in ([threading.Event()], drip):
        upstream.play(script)
        assert_error(chat(server), 504, "upstream_timeout")
        assert upstream.seen[0].left.wait(HANG_S)


def test_an_answer_may_take_longer_than_a_judgement(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, upstream_idle_timeout_ms=200)
    upstream.play([1.0, *whole(completion())])
    headers = {"X-Request-Timeout-Ms": "100000"}
    assert server.post(PATH, json=ASK, headers=headers).status_code == 200


def test_the_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, start_server: StartServer, upstream: StubUpstream
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    server = _without_proxies(start_server, upstream)
    upstream.play(whole(completion()))
    with httpx.Client(trust_env=False, timeout=HANG_S) as client:
        assert client.post(server.url + PATH, json=ASK).status_code == 200


def _without_proxies(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    """httpx of the test reads the environment too, so readiness is not asked through it."""
    from tests import server_process

    original = server_process.ServerProcess.wait_until_ready
    server_process.ServerProcess.wait_until_ready = lambda self: None  # type: ignore[method-assign]
    try:
        return start_server(upstream_url=upstream.url)
    finally:
        server_process.ServerProcess.wait_until_ready = original  # type: ignore[method-assign]


# --- failing to judge, leaving, keys, figures -------------------------------------------------


def test_a_failure_to_judge_is_an_error_and_releases_nothing(
    start_faulty_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_faulty_server({"raise_word": "cake"}, upstream_url=upstream.url)
    server.wait_until_ready()
    upstream.play(whole(completion("bake a cake")))
    assert_error(chat(server, user("a cake")), 500, "inference_failed")
    assert upstream.seen == []
    response = chat(server)
    assert_error(response, 500, "inference_failed")
    assert "cake" not in response.text


def test_a_judgement_that_comes_too_late_is_an_error(
    start_faulty_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_faulty_server({"delay_s": 0.3}, upstream_url=upstream.url)
    server.wait_until_ready()
    upstream.play(whole(completion()))
    response = server.post(PATH, json=ASK, headers={"X-Request-Timeout-Ms": "50"})
    assert response.status_code in (429, 504)
    assert upstream.seen == []


def test_a_client_that_leaves_takes_the_upstream_request_with_it(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play([threading.Event()])
    left = guarded.metric('postern_proxied_total{outcome="left"}')
    body = json.dumps(ASK).encode()
    with guarded.connect() as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        wait_for_request(upstream)
    assert upstream.seen[0].left.wait(HANG_S)
    guarded.wait_for_metric('postern_proxied_total{outcome="left"}', left + 1.0)


def wait_for_request(upstream: StubUpstream) -> Seen:
    until = time.monotonic() + HANG_S
    while not upstream.seen:
        assert time.monotonic() < until
        time.sleep(0.01)
    return upstream.seen[0]


def test_keys_of_the_server_never_reach_the_upstream(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, api_keys="postern-key")
    upstream.play(whole(completion()))
    assert_error(chat(server), 401, "invalid_api_key")
    assert_error(server.get("/v1/models"), 401, "invalid_api_key")
    assert upstream.seen == []
    for headers in (
        {"Authorization": "Bearer postern-key"},
        {"X-API-Key": "postern-key", "Cookie": "a=b"},
    ):
        assert server.post(PATH, json=ASK, headers=headers).status_code == 200
    assert all(b"postern-key" not in repr(seen).encode() for seen in upstream.seen)
    assert all("cookie" not in seen.headers for seen in upstream.seen)


def test_without_keys_of_its_own_the_server_sends_the_client_s_on(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url)
    upstream.play(whole(completion()))
    server.post(PATH, json=ASK, headers={"Authorization": "Bearer clients-own"})
    assert upstream.seen[0].headers["authorization"] == "Bearer clients-own"


def test_outcomes_are_counted_and_text_and_secrets_stay_out_of_sight(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    names = ("passed", "blocked_prompt", "blocked_response", "upstream_error", "failed")
    lines = [f'postern_proxied_total{{outcome="{name}"}}' for name in names]
    before = [guarded.metric(line) for line in lines]
    upstream.play(whole(completion("read a zzbook")))
    chat(guarded)
    chat(guarded, user(f"{BAD_TEXT} zzprompt"))
    upstream.play(whole(completion("a bomb zzanswer")))
    chat(guarded)
    upstream.play(whole({"error": "zzerror"}, status=500))
    chat(guarded)
    upstream.play(whole(b"zznonsense"))
    chat(guarded)
    after = [guarded.metric(line) for line in lines]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1.0] * 5
    shown = guarded.stderr() + guarded.get("/metrics").text + guarded.get("/info").text
    assert "zz" not in shown
    assert "upstream-secret" not in shown
    assert all("exception" not in line for line in guarded.log_lines())


def test_a_verdict_of_the_upstream_is_not_passed_off_as_ours(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    forged: dict[str, Any] = {"postern": {"harmful": False, "probability": 0.0}}
    upstream.play(whole(completion() | forged))
    assert "postern" not in chat(guarded).json()
    upstream.play(streamed([chunk("read a book", **forged), DONE]))
    assert "postern" not in chat(guarded, stream=True).text


def test_an_unknown_operating_point_stops_the_start(tiny_artifact: Path) -> None:
    done = postern(
        "serve",
        port=0,
        artifact=tiny_artifact,
        upstream_url="http://127.0.0.1:9/v1",
        guard_operating_point="no such",
    )
    assert done.returncode == 2
    assert b"unknown operating point" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_the_document_lists_both_paths(guarded: ServerProcess) -> None:
    document = guarded.get("/openapi.json").json()
    entry = document["paths"]["/v1/chat/completions"]["post"]
    assert {"200", "400", "401", "413", "429", "500", "501", "502", "503", "504"} <= set(
        entry["responses"]
    )
    assert "get" in document["paths"]["/v1/models"]
