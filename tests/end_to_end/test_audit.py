"""Audit mode over real sockets: nothing is blocked, and what would have been is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from postern.contract.audit import GUARDING

from tests.conftest import StartServer
from tests.end_to_end.test_chat_guard import ASK, BAD_TEXT, PATH, chat, user
from tests.scripted_upstream import (
    DONE,
    ROLE,
    STOP,
    Step,
    StubUpstream,
    chunk,
    completion,
    streamed,
    whole,
)
from tests.server_process import ServerProcess

HOOK = "/beta/litellm_basic_guardrail_api"
MARKER = "zzmarkerzz"
PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def auditing(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(
        mode="audit",
        upstream_url=upstream.url,
        audit_wait_ms=60_000,
        stream_score_tokens=8,
        stream_doubt_tokens=0,
    )


def stream(server: ServerProcess, *messages: dict[str, Any]) -> httpx.Response:
    body = ASK | ({"messages": list(messages)} if messages else {}) | {"stream": True}
    return server.post(PATH, json=body)


def counted(server: ServerProcess, outcome: str, route: str = PATH) -> float:
    return server.metric(f'postern_audited_total{{outcome="{outcome}",route="{route}"}}')


class Counting:
    """One more of an outcome, and of no other."""

    def __init__(self, server: ServerProcess, outcome: str, route: str = PATH) -> None:
        self._server = server
        self._line = f'postern_audited_total{{outcome="{outcome}",route="{route}"}}'

    def __enter__(self) -> None:
        self._all = self._total()
        self._before = self._server.metric(self._line)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._server.wait_for_metric(self._line, self._before + 1)
            assert self._total() == self._all + 1

    def _total(self) -> float:
        lines = self._server.get("/metrics").text.splitlines()
        found = [one for one in lines if one.startswith("postern_audited_total{")]
        return sum(float(one.rpartition(" ")[2]) for one in found)


# --- chats ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "answer", "outcome", "named"),
    [
        ("tell me a story", "sure here is a story", "passed", None),
        ("tell me a story", BAD_TEXT, "blocked_response", "response"),
        (BAD_TEXT, BAD_TEXT, "blocked_prompt", "prompt, response"),
    ],
)
def test_a_whole_answer_passes_byte_for_byte(
    auditing: ServerProcess,
    upstream: StubUpstream,
    prompt: str,
    answer: str,
    outcome: str,
    named: str | None,
) -> None:
    # Spacing and order of names are the upstream's own.
    sent = json.dumps(completion(answer), indent=3).encode()
    upstream.play(whole(sent, openai_processing_ms="12"))
    with Counting(auditing, outcome):
        response = chat(auditing, user(prompt))
    assert response.content == sent
    assert response.headers["openai-processing-ms"] == "12"
    assert response.headers["x-postern-mode"] == "audit"
    assert response.headers.get("x-postern-would-block") == named
    assert response.headers["x-postern-verdict"] == ("harmful" if named else "unharmful")
    assert upstream.seen[0].json["messages"] == [user(prompt)]


def _sent(steps: list[Step]) -> bytes:
    return b"".join(step for step in steps if isinstance(step, bytes))


def test_a_harmful_stream_passes_whole(auditing: ServerProcess, upstream: StubUpstream) -> None:
    pieces = [ROLE, b": a comment\r\n\r\n", *[chunk(f"{BAD_TEXT}. ")] * 20, STOP, DONE]
    upstream.play(streamed(pieces))
    with Counting(auditing, "blocked_response"):
        response = stream(auditing)
    assert response.content == b"".join(pieces)
    assert response.headers["x-postern-verdict"] == "pending"
    assert "x-postern-would-block" not in response.headers
    with Counting(auditing, "blocked_prompt"):
        response = stream(auditing, user(BAD_TEXT))
    assert response.content == b"".join(pieces)
    assert response.headers["x-postern-would-block"] == "prompt"


def test_a_stream_is_not_held(auditing: ServerProcess, upstream: StubUpstream) -> None:
    """The first piece, which no verdict could release yet, comes before the second is sent."""
    from threading import Event

    come = Event()
    upstream.play(streamed([ROLE, chunk("tell me"), come, chunk(" a story"), STOP, DONE]))
    url, got = auditing.url + PATH, b""
    with (
        Counting(auditing, "passed"),
        httpx.stream(
            "POST", url, json=ASK | {"stream": True}, timeout=60.0, verify=False
        ) as response,
    ):
        for piece in response.iter_raw():
            got += piece
            if b"tell me" in got:
                come.set()
    assert got.endswith(DONE)


def test_errors_of_the_upstream_pass_as_they_came(
    auditing: ServerProcess, upstream: StubUpstream
) -> None:
    sent = b'{"error":   {"message": "' + BAD_TEXT.encode() + b'"}}'
    upstream.play(whole(sent, status=429, Retry_After="7"))
    with Counting(auditing, "upstream_error"):
        response = chat(auditing)
    assert (response.status_code, response.content) == (429, sent)
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-postern-verdict"] == "none"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (json.dumps(ASK | {"messages": [user(PICTURE)]}).encode(), "unreadable-content"),
        (json.dumps(ASK | {"messages": [user("")]}).encode(), "empty-prompt"),
        (b'{"messages": 7}', "body-mismatch"),
        (b'{"model": NaN, "messages": [', "malformed-body"),
        (json.dumps(ASK | {"messages": [user("a " * 60_000)]}).encode(), "exchange-too-long"),
    ],
)
def test_what_cannot_be_read_passes_as_it_came(
    auditing: ServerProcess, upstream: StubUpstream, body: bytes, reason: str
) -> None:
    upstream.say(content="sure here is a story")
    line = f'postern_audit_failures_total{{reason="{reason}",route="{PATH}"}}'
    before = auditing.metric(line)
    with Counting(auditing, "failed"):
        response = auditing.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert response.json() == completion("sure here is a story")
    assert response.headers["x-postern-audit-failed"] == reason
    assert response.headers["x-postern-verdict"] == "none"
    assert upstream.seen[0].body == body
    assert auditing.metric(line) == before + 1


def test_a_verdict_that_comes_too_late_blocks_nothing(
    start_faulty_server: StartServer, upstream: StubUpstream
) -> None:
    slow = start_faulty_server(
        {"delay_s": 1.0}, mode="audit", upstream_url=upstream.url, audit_wait_ms=0
    )
    slow.wait_until_ready()
    sent = json.dumps(completion(BAD_TEXT)).encode()
    upstream.play(whole(sent))
    headers = {"X-Request-Timeout-Ms": "200"}
    with Counting(slow, "failed"):
        response = slow.post(PATH, json=ASK, headers=headers)
    assert (response.status_code, response.content) == (200, sent)
    assert response.headers["x-postern-verdict"] == "pending"
    with Counting(slow, "blocked_response"):
        response = slow.post(PATH, json=ASK)
    assert response.content == sent
    assert "x-postern-would-block" not in response.headers


# --- LiteLLM's guardrail ----------------------------------------------------------------------


def guardrail(server: ServerProcess, **fields: Any) -> httpx.Response:
    return server.post(HOOK, json={"input_type": "request", "texts": []} | fields)


def test_a_gateway_is_told_to_block_nothing(auditing: ServerProcess) -> None:
    with Counting(auditing, "blocked_prompt", HOOK):
        response = guardrail(auditing, texts=[BAD_TEXT])
    body = response.json()
    assert (body["action"], body["blocked_reason"]) == ("NONE", None)
    assert body["postern"]["would_block"] is True
    assert body["postern"]["results"][0]["harmful"] is True
    assert response.headers["x-postern-would-block"] == "prompt"
    with Counting(auditing, "blocked_response", HOOK):
        response = guardrail(auditing, input_type="response", texts=[BAD_TEXT])
    assert response.headers["x-postern-would-block"] == "response"
    with Counting(auditing, "passed", HOOK):
        response = guardrail(auditing, texts=["tell me a story"])
    assert response.json()["postern"]["would_block"] is False
    assert "x-postern-would-block" not in response.headers


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no JSON", "malformed-body"),
        (b'{"input_type": "other"}', "body-mismatch"),
        (b'{"input_type": "request", "texts": []}', "nothing-to-judge"),
        (b'{"input_type": "request", "images": ["x"]}', "unreadable-content"),
        (b'{"input_type": "request", "texts": ["cake"], "images": ["x"]}', "unreadable-content"),
    ],
)
def test_a_failure_of_the_hook_blocks_nothing(
    auditing: ServerProcess, body: bytes, reason: str
) -> None:
    with Counting(auditing, "failed", HOOK):
        response = auditing.post(HOOK, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert response.json()["action"] == "NONE"
    assert response.json()["postern"]["would_block"] is None
    assert response.headers["x-postern-audit-failed"] == reason


# --- what tells the mode ----------------------------------------------------------------------


def test_a_pure_verdict_stays_one(auditing: ServerProcess) -> None:
    response = auditing.classify({"prompt": BAD_TEXT})
    assert response.json()["harmful"] is True
    assert "x-postern-mode" not in response.headers
    assert auditing.classify({"prompt": ""}).status_code == 422


def test_info_and_metrics_say_the_mode(auditing: ServerProcess, server: ServerProcess) -> None:
    assert auditing.get("/info").json()["modes"] == dict.fromkeys(GUARDING, "audit")
    assert server.get("/info").json()["modes"] == dict.fromkeys(GUARDING, "enforce")
    for one, state in ((auditing, 1.0), (server, 0.0)):
        text = one.get("/metrics").text
        assert f'postern_mode_state{{route="{PATH}"}} {state}' in text


def test_a_single_route_audits(start_server: StartServer, upstream: StubUpstream) -> None:
    mixed = start_server(upstream_url=upstream.url, route_modes=json.dumps({HOOK: "audit"}))
    upstream.say(content="sure here is a story")
    assert chat(mixed, user(BAD_TEXT)).json()["choices"][0]["finish_reason"] == "content_filter"
    assert guardrail(mixed, texts=[BAD_TEXT]).json()["action"] == "NONE"


def test_the_log_names_it_without_text(auditing: ServerProcess, upstream: StubUpstream) -> None:
    upstream.say(content=f"{MARKER} {BAD_TEXT}")
    body = ASK | {"messages": [user(f"{MARKER} {BAD_TEXT}")]}
    auditing.post(PATH, json=body, headers={"X-Request-Id": "the-one"})
    auditing.post(PATH, json={MARKER: MARKER}, headers={"X-Request-Id": "the-other"})
    lines = auditing.log_lines()
    (found,) = [
        one for one in lines if (one["event"], one.get("request_id")) == ("would_block", "the-one")
    ]
    assert (found["route"], found["stages"]) == (PATH, ["prompt", "response"])
    assert found["probability"] > found["threshold"]
    (failed,) = [
        one
        for one in lines
        if (one["event"], one.get("request_id")) == ("audit_failed", "the-other")
    ]
    assert failed["problem"] == "body-mismatch"
    assert MARKER not in auditing.stderr()
    assert MARKER not in auditing.get("/metrics").text
