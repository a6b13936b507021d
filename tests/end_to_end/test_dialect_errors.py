"""Every row of api.md's error table over HTTP, in the shape of each dialect, without user text."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.end_to_end.dialects import (
    AGENTGATEWAY,
    ALL,
    EVERY,
    JUDGING,
    LITELLM,
    OPENAI,
    PASSES_OVER_BLANKS,
    PERSPECTIVE,
    TEI,
    Dialect,
    assert_fails,
)
from tests.server_process import HANG_S, ServerProcess
from tests.tiny_categories import build_categorized

MARKER = "zzmarkerzz"
KEY = {"Authorization": "Bearer key-one"}

every_dialect = pytest.mark.parametrize("dialect", EVERY, ids=str)
judging_dialect = pytest.mark.parametrize("dialect", JUDGING, ids=str)


def send(server: ServerProcess, dialect: Dialect, content: bytes, **headers: str) -> httpx.Response:
    sent = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return server.post(dialect.path, content=content, headers=sent)


def ask(server: ServerProcess, dialect: Dialect, text: str, **headers: str) -> httpx.Response:
    return server.post(dialect.path, json=dialect.body(text), headers=headers)


@pytest.fixture(scope="module")
def limited(start_server: StartServer) -> ServerProcess:
    return start_server(
        max_body_bytes=4096,
        max_items=3,
        max_exchange_chars=1000,
        max_exchange_tokens=100,
        api_keys="key-one,key-two",
    )


@pytest.fixture(scope="module")
def categorized(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_categorized(tiny_artifact, tmp_path_factory.mktemp("categorized"))


@pytest.fixture(scope="module")
def broken(start_faulty_server: StartServer, categorized: Path) -> ServerProcess:
    server = start_faulty_server({"raise_word": "garden", "delay_s": 0.1}, artifact=categorized)
    server.wait_until_ready()
    return server


@pytest.fixture(scope="module")
def slow(start_faulty_server: StartServer, categorized: Path) -> ServerProcess:
    """Half a second for every batch of one window, and a queue of 17 of them."""
    server = start_faulty_server(
        {"delay_s": 0.5},
        artifact=categorized,
        max_queue_tokens=1024,
        max_exchange_tokens=1024,
        max_batch_tokens=64,
        request_timeout_ms=600_000,
    )
    server.wait_until_ready()
    return server


@every_dialect
@pytest.mark.parametrize(
    "text",
    [b"zzmarkerzz\xff", b"zzmarkerzz \\ud800", b"\\udc00\\ud800", b"zzmarkerzz\x00", b"\xc3\x28"],
    ids=repr,
)
def test_400_text_that_is_no_unicode(server: ServerProcess, dialect: Dialect, text: bytes) -> None:
    content = json.dumps(dialect.body("PLACE")).encode().replace(b"PLACE", text)
    assert_fails(send(server, dialect, content), dialect, 400, "malformed-body")


@every_dialect
@pytest.mark.parametrize("content", [b"", b"{", b"{'a': 1}", b'{"a": 1} zzmarkerzz', b"[" * 9000])
def test_400_no_json(server: ServerProcess, dialect: Dialect, content: bytes) -> None:
    assert_fails(send(server, dialect, content), dialect, 400, "malformed-body")


@pytest.mark.parametrize(
    ("dialect", "content"), [(dialect, content) for dialect in EVERY for content in dialect.wrong]
)
def test_422_another_shape(server: ServerProcess, dialect: Dialect, content: bytes) -> None:
    assert_fails(send(server, dialect, content), dialect, 422, "body-mismatch")


@every_dialect
def test_422_of_a_hundred_thousand_problems_is_short(
    server: ServerProcess, dialect: Dialect
) -> None:
    many = b"[" + b"7," * 100_000 + b"7]"
    body = b'{"input": %s, "inputs": %s, "texts": %s, "languages": %s}' % ((many,) * 4)
    reply = send(server, dialect, body)
    if dialect is AGENTGATEWAY:  # a chat's values are counted before they are looked at
        assert_fails(reply, dialect, 413, "exchange-too-long")
    else:
        assert_fails(reply, dialect, 422, "body-mismatch")
    assert len(reply.content) < 1000


@every_dialect
@pytest.mark.parametrize("text", ["\u200b\u200d\ufeff", "\u202e\u2066", "\u0000", "\u0301"])
def test_422_nothing_visible(server: ServerProcess, dialect: Dialect, text: str) -> None:
    # Some hand over parts that say nothing; a lone accent is text to all but the tokenizer.
    nothing = dialect in PASSES_OVER_BLANKS and text != "\u0301"
    slug = "nothing-to-judge" if nothing else "empty-prompt"
    assert_fails(ask(server, dialect, text), dialect, 422, slug)


@every_dialect
@pytest.mark.parametrize("text", ["", " \n\t "])
def test_422_blank(server: ServerProcess, dialect: Dialect, text: str) -> None:
    slug = "nothing-to-judge" if dialect in PASSES_OVER_BLANKS else "empty-prompt"
    assert_fails(ask(server, dialect, text), dialect, 422, slug)


def test_the_input_to_blame_is_named(server: ServerProcess) -> None:
    reply = server.post(OPENAI.path, json={"input": ["read a book", ""]})
    assert_fails(reply, OPENAI, 422, "empty-prompt")
    assert "input 1" in reply.json()["error"]["message"]
    reply = server.post(OPENAI.path, json={"input": ["read a book", 3]})
    assert reply.json()["error"]["param"] == "input.1"
    reply = server.post(TEI.path, json={"inputs": [["read a book"], [""]]})
    assert "input 1" in reply.json()["error"]


@every_dialect
def test_422_unknown_operating_point(server: ServerProcess, dialect: Dialect) -> None:
    reply = ask(server, dialect, "cake", **{"X-Postern-Operating-Point": MARKER})
    assert_fails(reply, dialect, 422, "unknown-operating-point")
    for name in ("strict", "balanced", "permissive"):
        reply = ask(server, dialect, "cake", **{"X-Postern-Operating-Point": name})
        assert reply.status_code == 200


@every_dialect
def test_400_invalid_header(server: ServerProcess, dialect: Dialect) -> None:
    reply = ask(server, dialect, "cake", **{"X-Request-Timeout-Ms": MARKER})
    assert_fails(reply, dialect, 400, "invalid-header")


def test_400_of_what_a_dialect_has_and_we_have_not(server: ServerProcess) -> None:
    image = {"type": "image_url", "image_url": {"url": f"https://example.com/{MARKER}"}}
    for parts in ([image], [{"type": "text", "text": "cake"}, image]):
        reply = server.post(OPENAI.path, json={"input": parts})
        assert_fails(reply, OPENAI, 400, "unsupported-content")
        assert "images" in reply.json()["error"]["message"]
    reply = server.post(TEI.path, json={"inputs": "cake", "raw_scores": True})
    assert_fails(reply, TEI, 400, "unsupported-content")
    asked: tuple[dict[str, dict[str, str]], ...] = ({"INSULT": {}}, {"TOXICITY": {}, MARKER: {}})
    for attributes in asked:
        body = PERSPECTIVE.body("cake") | {"requestedAttributes": attributes}
        reply = server.post(PERSPECTIVE.path, json=body)
        assert_fails(reply, PERSPECTIVE, 400, "unsupported-content")
    reply = ask(server, LITELLM, "cake", **{"X-Postern-Images": MARKER})
    assert_fails(reply, LITELLM, 400, "invalid-header")


@every_dialect
def test_401_missing_or_wrong_key(limited: ServerProcess, dialect: Dialect) -> None:
    # Wrong keys are throttled by address, so each dialect has one of its own.
    own = httpx.HTTPTransport(local_address=f"127.0.0.{2 + EVERY.index(dialect)}")
    with httpx.Client(base_url=limited.url, transport=own, timeout=HANG_S) as client:
        for headers in (
            {},
            {"X-API-Key": MARKER},
            {"Authorization": f"Bearer {MARKER}"},
            {"Authorization": "Basic a2V5LW9uZQ=="},
        ):
            reply = client.post(dialect.path, json=dialect.body("cake"), headers=headers)
            assert_fails(reply, dialect, 401, "unauthorized")
            assert reply.headers["www-authenticate"] == "Bearer"
    # Before the body is looked at.
    assert_fails(send(limited, dialect, b"{" * 10_000), dialect, 401, "unauthorized")
    for headers in (KEY, {"X-API-Key": "key-two"}):
        assert ask(limited, dialect, "cake", **headers).status_code == 200


def test_401_where_google_puts_its_keys(start_server: StartServer) -> None:
    limited = start_server(api_keys="key-one,key-two")  # wrong keys are throttled, by address
    body = PERSPECTIVE.body("cake")
    for query in ({"key": MARKER}, {"key": ""}, {"key": "key-one,key-two"}):
        reply = limited.post(PERSPECTIVE.path, json=body, params=query)
        assert_fails(reply, PERSPECTIVE, 401, "unauthorized")
    assert limited.post(PERSPECTIVE.path, json=body, params={"key": "key-one"}).status_code == 200
    google = {"X-Goog-Api-Key": "key-two"}
    assert limited.post(PERSPECTIVE.path, json=body, headers=google).status_code == 200
    # Elsewhere a key in the query, which proxies write into their logs, opens nothing.
    reply = limited.post(OPENAI.path, json=OPENAI.body("cake"), params={"key": "key-one"})
    assert_fails(reply, OPENAI, 401, "unauthorized")
    assert "key-one" not in limited.stderr()


@every_dialect
def test_413_of_each_limit(limited: ServerProcess, dialect: Dialect) -> None:
    reply = ask(limited, dialect, "a" * 5000, **KEY)
    assert_fails(reply, dialect, 413, "body-too-large")
    for text in ("cake " * 201, "a " * 101, "\ufdfa" * 60):
        reply = ask(limited, dialect, text, **KEY)
        assert_fails(reply, dialect, 413, "exchange-too-long")
    assert ask(limited, dialect, "a " * 100, **KEY).status_code == 200


def test_413_of_too_many(limited: ServerProcess) -> None:
    bodies: tuple[tuple[Dialect, Any], ...] = (
        (OPENAI, {"input": ["cake"] * 4}),
        (TEI, {"inputs": [["cake"]] * 4}),
    )
    for dialect, body in bodies:
        reply = limited.post(dialect.path, json=body, headers=KEY)
        assert_fails(reply, dialect, 413, "exchange-too-long")
        assert "3 exchanges" in reply.text


@every_dialect
def test_415_wrong_content_type_or_any_encoding(server: ServerProcess, dialect: Dialect) -> None:
    for content_type in ("text/plain", "", "application/x-www-form-urlencoded"):
        reply = send(server, dialect, b"{}", Content_Type=content_type)
        assert_fails(reply, dialect, 415, "unsupported-media-type")
    reply = send(server, dialect, b"{}", Content_Encoding="gzip")
    assert_fails(reply, dialect, 415, "unsupported-media-type")


@every_dialect
def test_405_another_method(server: ServerProcess, dialect: Dialect) -> None:
    reply = server.get(dialect.path)
    assert_fails(reply, dialect, 405, "method-not-allowed")
    assert reply.headers["allow"] == "POST"


def test_404_below_a_dialects_path(server: ServerProcess) -> None:
    for path, dialect in (
        ("/v1", OPENAI),
        (f"/v1/{MARKER}", OPENAI),
        ("/v1alpha1/comments:suggestscore", PERSPECTIVE),
        ("/v1beta", LITELLM),  # no dialect's: a problem document
    ):
        assert_fails(server.post(path, json={}), dialect, 404, "not-found")


@judging_dialect
def test_500_for_the_poisoned_input_alone(broken: ServerProcess, dialect: Dialect) -> None:
    assert_fails(ask(broken, dialect, "read a garden"), dialect, 500, "inference-failed")
    assert ask(broken, dialect, "read a book").status_code == 200


@judging_dialect
def test_504_when_the_deadline_passes_while_waiting(slow: ServerProcess, dialect: Dialect) -> None:
    reply = ask(slow, dialect, "read a book", **{"X-Request-Timeout-Ms": "50"})
    assert_fails(reply, dialect, 504, "deadline-exceeded")
    # Behind its batch, if the text came into one before its time was over.
    assert ask(slow, dialect, "read a book").status_code == 200


def test_429_while_the_queue_is_full(slow: ServerProcess) -> None:
    """Of one dialect, since it takes long; test_overload has all of them."""
    dialect = OPENAI
    with ThreadPoolExecutor(24) as threads:
        replies = list(threads.map(lambda _: ask(slow, dialect, "a " * 58), range(24)))
    refused = [reply for reply in replies if reply.status_code != 200]
    assert 0 < len(refused) < 24
    for reply in refused:
        assert_fails(reply, dialect, 429, "queue-full")
        assert int(reply.headers["retry-after"]) >= 1


def test_503_while_draining(start_faulty_server: StartServer) -> None:
    server = start_faulty_server({"draining": True})
    for dialect in JUDGING:
        reply = ask(server, dialect, "read a book")
        assert_fails(reply, dialect, 503, "not-ready")
        assert reply.headers["connection"] == "close"


def test_logs_and_metrics_hold_no_text(server: ServerProcess, limited: ServerProcess) -> None:
    for process in (server, limited):
        assert MARKER not in process.stderr()
        assert process.log_lines()
    text = server.get("/metrics").text
    assert MARKER not in text
    for dialect in ALL:
        status = 400 if dialect is OPENAI else 422
        assert f'postern_requests_total{{route="{dialect.path}",status="{status}"}}' in text
