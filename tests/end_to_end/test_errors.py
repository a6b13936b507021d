"""Every row of api.md's error table over HTTP, each a problem document without user text."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.server_process import ServerProcess

MARKER = "zzmarkerzz"
GOOD = {"prompt": "read a book"}
PROBLEM_KEYS = {"type", "title", "status", "detail", "request_id"}


def assert_problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert (response.status_code, response.json()["type"]) == (
        *(status,),
        f"urn:postern:problem:{slug}",
    ), response.text
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert PROBLEM_KEYS <= set(problem) <= PROBLEM_KEYS | {"errors", "index"}
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"]
    assert MARKER not in response.text
    return dict(problem)


def post(server: ServerProcess, content: bytes, **headers: str) -> httpx.Response:
    sent = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return server.post("/classify", content=content, headers=sent)


@pytest.fixture(scope="module")
def limited(start_server: StartServer) -> ServerProcess:
    """Small limits, and a key."""
    return start_server(
        max_body_bytes=4096,
        max_items=3,
        max_exchange_chars=1000,
        max_exchange_tokens=100,
        chat_max_exchanges=20,
        api_keys="key-one,key-two",
    )


@pytest.fixture(scope="module")
def slow(start_faulty_server: StartServer) -> ServerProcess:
    """A fifth of a second for every batch of one window; a queue of 17 of them; no deadline."""
    server = start_faulty_server(
        {"delay_s": 0.2},
        max_queue_tokens=1024,
        max_exchange_tokens=1024,
        max_batch_tokens=64,
        request_timeout_ms=600_000,
    )
    server.wait_until_ready()
    return server


@pytest.fixture(scope="module")
def broken(start_faulty_server: StartServer) -> ServerProcess:
    """Fails for every window with "garden" in it, gives NaN for "music"; slow, so that all queue
    up behind the first and share a batch."""
    server = start_faulty_server({"raise_word": "garden", "nan_word": "music", "delay_s": 0.1})
    server.wait_until_ready()
    return server


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'prompt': 'zzmarkerzz'}",
        b'{"prompt": "zzmarkerzz"} trailing',
        b'{"prompt": "zzmarkerzz\xff"}',
        b'{"prompt": "zzmarkerzz \\ud800"}',
        b'{"prompt": "zzmarkerzz \\udc00\\ud800"}',
    ],
)
def test_400_malformed_body(server: ServerProcess, body: bytes) -> None:
    assert_problem(post(server, body), 400, "malformed-body")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"null", ""),
        (b"[]", ""),
        (b'"zzmarkerzz"', ""),
        (b"12", ""),
        (b"{}", "prompt"),
        (b'{"prompt": 1}', "prompt"),
        (b'{"prompt": null}', "prompt"),
        (b'{"prompt": true}', "prompt"),
        (b'{"prompt": ["zzmarkerzz"]}', "prompt"),
        (b'{"prompt": {"zzmarkerzz": 1}}', "prompt"),
        (b'{"prompt": "zzmarkerzz", "response": 5}', "response"),
        (b'{"prompt": "zzmarkerzz", "zzmarkerzz": 1}', ""),
        (b'{"prompt": "zzmarkerzz", "inputs": [{"prompt": "a"}]}', "prompt"),
        (b'{"prompt": "zzmarkerzz", "messages": [{"role": "user", "content": "a"}]}', "prompt"),
        (b'{"inputs": []}', "inputs"),
        (b'{"inputs": {"prompt": "a"}}', "inputs"),
        (b'{"inputs": [{"prompt": "a"}, {"response": "b"}]}', "inputs.1.prompt"),
        (b'{"inputs": ["zzmarkerzz"]}', "inputs.0"),
        (b'{"messages": []}', "messages"),
        (b'{"messages": [{"role": "zzmarkerzz", "content": "a"}]}', "messages.0.role"),
        (b'{"messages": [{"role": "user", "content": null}]}', "messages.0.content"),
        (b'{"messages": [{"role": "user"}]}', "messages.0.content"),
        (b'{"prompt": "a", "threshold": 1.5}', "threshold"),
        (b'{"prompt": "a", "threshold": "0.5"}', "threshold"),
        (b'{"prompt": "a", "threshold": true}', "threshold"),
        (b'{"prompt": "a", "threshold": NaN}', "threshold"),
        (b'{"prompt": "a", "threshold": Infinity}', "threshold"),
        (b'{"prompt": "a", "threshold": -1e999}', "threshold"),
        (b'{"prompt": "a", "fallback": "zzmarkerzz"}', "fallback"),
        (b'{"prompt": "a", "on_overflow": "truncate"}', "on_overflow"),
        (b'{"prompt": "a", "operating_point": 3}', "operating_point"),
    ],
)
def test_422_body_mismatch(server: ServerProcess, body: bytes, field: str) -> None:
    problem = assert_problem(post(server, body), 422, "body-mismatch")
    assert field in {error["field"] for error in problem["errors"]}


@pytest.mark.parametrize(
    "prompt", ["", " \n\t ", "\u200b\u200d\ufeff", "\u202e\u2066", "\u0000", "\u3164", "\u0301"]
)
def test_422_empty_prompt(server: ServerProcess, prompt: str) -> None:
    assert_problem(server.classify({"prompt": prompt}), 422, "empty-prompt")
    pair = {"prompt": prompt, "response": "read a book"}
    assert_problem(server.classify(pair), 422, "empty-prompt")
    among_others = {"inputs": [GOOD, {"prompt": prompt}]}
    problem = assert_problem(server.classify(among_others), 422, "empty-prompt")
    assert problem["index"] == 1  # which of them is to blame


def test_422_nothing_to_judge_and_unknown_operating_point(server: ServerProcess) -> None:
    system = {"messages": [{"role": "system", "content": MARKER}]}
    assert_problem(server.classify(system), 422, "nothing-to-judge")
    unknown = server.classify({"prompt": "a", "operating_point": MARKER})
    problem = assert_problem(unknown, 422, "unknown-operating-point")
    assert "balanced" in problem["detail"]


def test_401_missing_or_wrong_key(limited: ServerProcess) -> None:
    for headers in (
        {},
        {"X_API_Key": MARKER},
        {"X_API_Key": ""},
        {"X_API_Key": "key-one "[:-2]},
        {"Authorization": f"Bearer {MARKER}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic a2V5LW9uZQ=="},
        {"Authorization": "key-one"},
        {"X_API_Key": "key-one,key-two"},
    ):
        response = limited.classify(GOOD, **headers)
        assert_problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
    for headers in (
        {"X_API_Key": "key-one"},
        {"X_API_Key": "key-two"},
        {"Authorization": "Bearer key-one"},
        {"Authorization": "bearer key-two"},
    ):
        assert limited.classify(GOOD, **headers).status_code == 200


def test_401_comes_before_the_body_is_looked_at(limited: ServerProcess) -> None:
    assert_problem(post(limited, b"{" * 10_000), 401, "unauthorized")


def test_413_of_each_limit(limited: ServerProcess) -> None:
    key = {"X_API_Key": "key-one"}

    def refused(body: Any, limit: str) -> None:
        problem = assert_problem(limited.classify(body, **key), 413, "exchange-too-long")
        assert limit in problem["detail"]

    body = post(limited, b'{"prompt": "' + b"a" * 5000 + b'"}', **key)
    assert "4096 bytes" in assert_problem(body, 413, "body-too-large")["detail"]
    refused({"inputs": [GOOD] * 4}, "3 exchanges")
    # A conversation may be longer; it is judged in parts.
    refused({"messages": [{"role": "user", "content": "cake"}] * 21}, "20 exchanges")
    refused({"prompt": "cake " * 201}, "1000 characters")
    refused({"prompt": "a" * 501, "response": "b" * 500}, "1000 characters")
    refused({"prompt": "\ufdfa" * 60}, "1000 characters")  # each becomes 18 characters
    refused({"prompt": "a " * 101}, "100 tokens")
    refused({"prompt": "a " * 51, "response": "a " * 50}, "100 tokens")
    for fits in (
        {"inputs": [GOOD] * 3},
        {"prompt": "a " * 100},
        {"prompt": "a " * 50, "response": "a " * 50},
    ):
        assert limited.classify(fits, **key).status_code == 200


def test_415_wrong_content_type_or_any_encoding(server: ServerProcess) -> None:
    body = b'{"prompt": "zzmarkerzz"}'
    for content_type in ("text/plain", "", "application/xml", "multipart/form-data", "*/*"):
        response = post(server, body, Content_Type=content_type)
        assert_problem(response, 415, "unsupported-media-type")
    for encoding in ("gzip", "br", "deflate", "zstd", "gzip, identity", MARKER):
        response = post(server, body, Content_Encoding=encoding)
        assert_problem(response, 415, "unsupported-media-type")


def test_404_and_405_are_problems_too(server: ServerProcess) -> None:
    assert_problem(server.get(f"/{MARKER}"), 404, "not-found")
    response = server.get("/classify")
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


def test_429_when_the_queue_is_full(slow: ServerProcess) -> None:
    body = {"prompt": "a " * 58}  # 60 with the special tokens
    with ThreadPoolExecutor(30) as threads:
        responses = list(threads.map(lambda _: slow.classify(body), range(30)))
    refused = [response for response in responses if response.status_code == 429]
    answered = [response for response in responses if response.status_code == 200]
    assert len(refused) + len(answered) == 30
    assert 17 <= len(answered) < 30  # what fits the queue is answered
    kinds = {response.json()["type"] for response in refused}
    assert kinds == {"urn:postern:problem:queue-full"}
    for response in refused:
        assert_problem(response, 429, "queue-full")
        assert int(response.headers["retry-after"]) >= 1
    assert slow.metric("postern_queue_tokens") == 0.0


def test_429_when_the_finish_lies_past_the_deadline(slow: ServerProcess) -> None:
    body = {"prompt": "a " * 58}
    assert slow.classify(body).status_code == 200  # from here on the cost of a token is known
    with ThreadPoolExecutor(10) as threads:
        others = [threads.submit(slow.classify, body) for _ in range(10)]
        slow.wait_for_metric("postern_queue_tokens", 1.0)
        response = slow.classify(body, X_Request_Timeout_Ms="200")
        assert_problem(response, 429, "deadline-unreachable")
        assert int(response.headers["retry-after"]) >= 1
        assert all(other.result().status_code == 200 for other in others)


def test_504_when_the_deadline_passes_while_waiting(slow: ServerProcess) -> None:
    started = time.monotonic()
    response = slow.classify(GOOD, X_Request_Timeout_Ms="100")
    assert_problem(response, 504, "deadline-exceeded")
    assert time.monotonic() - started >= 0.1
    slow.wait_for_metric("postern_batch_windows_count", 1.0)


@pytest.mark.parametrize("word", ["garden", "music"])
def test_500_for_the_poisoned_input_alone(broken: ServerProcess, word: str) -> None:
    good = [{"prompt": f"read a book {'please ' * n}"} for n in range(12)]
    bodies = [*good[:6], {"prompt": f"read a {word}"}, *good[6:]]
    with ThreadPoolExecutor(len(bodies)) as threads:
        responses = list(threads.map(broken.classify, bodies))
    poisoned = responses.pop(6)
    assert_problem(poisoned, 500, "inference-failed")
    assert [response.status_code for response in responses] == [200] * 12
    # A failed input takes the other inputs of its own request with it: no partial verdicts.
    one_of_two = broken.classify({"inputs": [GOOD, {"prompt": word}]})
    assert_problem(one_of_two, 500, "inference-failed")
    assert one_of_two.json()["index"] == 1
    assert broken.metric("postern_inference_failures_total") >= 2.0
    assert broken.metric("postern_queue_tokens") == 0.0
    assert broken.classify(GOOD).status_code == 200


def test_503_while_draining(start_faulty_server: StartServer) -> None:
    server = start_faulty_server({"draining": True})
    response = server.classify(GOOD)
    assert_problem(response, 503, "not-ready")
    assert response.headers["connection"] == "close"
    assert server.get("/healthz").status_code == 200


def test_503_when_inference_is_stuck(start_faulty_server: StartServer) -> None:
    server = start_faulty_server({"hang": True}, stall_timeout_ms=100, grace_period_ms=1000)
    assert_problem(server.classify(GOOD, X_Request_Timeout_Ms="200"), 504, "deadline-exceeded")
    assert_problem(server.get("/healthz"), 503, "not-ready")
    assert_problem(server.get("/readyz"), 503, "not-ready")
    # And it still ends with 0 when told to (asserted by the fixture), though the model never does.


def test_logs_hold_no_text_and_are_json(
    server: ServerProcess, limited: ServerProcess, broken: ServerProcess
) -> None:
    for process in (server, limited, broken):
        for text in (MARKER, f"{MARKER} garden"):
            process.classify({"prompt": text}, X_API_Key="key-one")
        assert MARKER not in process.stderr()
        assert process.log_lines()
    failed = [line for line in broken.log_lines() if line.get("problem") == "inference-failed"]
    assert failed
    assert all(line["status"] == 500 and line["request_id"] for line in failed)


def test_a_flood_with_one_key_does_not_delay_another(start_faulty_server: StartServer) -> None:
    """Fair sharing from the header to the batch: thirty of one key wait, one of another comes."""
    server = start_faulty_server(
        {"delay_s": 0.1}, max_batch_tokens=64, request_timeout_ms=600_000, api_keys="key-a,key-b"
    )
    body = {"prompt": "a " * 58}

    def scraped() -> str:
        return server.get("/metrics", headers={"X-API-Key": "key-a"}).text

    with ThreadPoolExecutor(30) as threads:
        flood = [threads.submit(server.classify, body, X_API_Key="key-a") for _ in range(30)]
        waiting = 0.0
        while waiting < 900.0:  # half of them
            assert not all(one.done() for one in flood)
            waiting = float(scraped().partition("\npostern_queue_tokens ")[2].split()[0])
        assert server.classify(body, X_API_Key="key-b").status_code == 200
        assert not all(one.done() for one in flood)
        assert all(one.result().status_code == 200 for one in flood)
    assert "key-a" not in scraped()
