"""Corrections of chats through the guarded proxy, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.end_to_end.test_chat_guard import BAD_TEXT, PATH, REFUSAL, user
from tests.end_to_end.test_feedback import correct, lines, problem
from tests.scripted_upstream import StubUpstream, answer, completion, whole
from tests.server_process import ServerProcess

FIRST = {"X-API-Key": "first"}
SECOND = {"X-API-Key": "second"}
AUDITED = "/v1/completions"


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback") / "labels.jsonl"


@pytest.fixture(scope="module")
def taking(start_server: StartServer, upstream: StubUpstream, path: Path) -> ServerProcess:
    return start_server(
        feedback_file=path,
        upstream_url=upstream.url,
        api_keys="first,second",
        route_modes=json.dumps({AUDITED: "audit"}),
        audit_wait_ms=60_000,
        stream_score_tokens=8,
        stream_doubt_tokens=0,
    )


def chat(server: ServerProcess, *messages: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {"model": "stub-1", "messages": list(messages), **fields}
    return server.post(PATH, json=body, headers=FIRST)


def corrected(server: ServerProcess, path: Path, reply: httpx.Response, **fields: Any) -> Any:
    """What the server says, and the line without the verdict that was given."""
    done = correct(server, reply, headers=FIRST, **fields)
    assert done.status_code == 200, done.text
    line = lines(path)[-1]
    given = line.pop("feedback")
    said = done.json()
    assert [given[name] for name in ("id", "index", "verdict")] == [
        said[name] for name in ("id", "index", "verdict")
    ]
    return (said["index"], said["verdict"]), line


def test_a_blocked_prompt_is_corrected_by_its_own_key_alone(
    taking: ServerProcess, path: Path, upstream: StubUpstream
) -> None:
    upstream.say(content="not asked")
    reply = chat(taking, user("hello"), {"role": "assistant", "content": "hi"}, user(BAD_TEXT))
    assert reply.json()["choices"][0]["message"]["content"] == REFUSAL
    other = correct(taking, reply, expected="unharmful", headers=SECOND)
    assert problem(other) == (404, "verdict-unknown")
    assert lines(path) == []
    found = corrected(taking, path, reply, expected="unharmful")
    assert found == ((0, "harmful"), {"prompt": BAD_TEXT, "prompt_label": 0})


def test_an_answer_that_passed_and_its_prompt_are_corrected_one_by_one(
    taking: ServerProcess, path: Path, upstream: StubUpstream
) -> None:
    upstream.say(content="Once upon a time.")
    ask = user("tell me a story")
    for _ in range(2):  # the second time, both are answered out of the memory of judged turns
        reply = chat(taking, ask)
        assert reply.json()["choices"][0]["message"]["content"] == "Once upon a time."
        assert problem(correct(taking, reply, headers=FIRST)) == (422, "verdict-ambiguous")
        assert corrected(taking, path, reply, slice="pair") == (
            (1, "unharmful"),
            {"prompt": ask["content"], "response": "Once upon a time.", "response_label": 1},
        )
        assert corrected(taking, path, reply, index=0, expected="unharmful") == (
            (0, "unharmful"),
            {"prompt": ask["content"], "prompt_label": 0},
        )


def test_of_a_stream_the_text_is_kept_that_cut_it(
    taking: ServerProcess, path: Path, upstream: StubUpstream
) -> None:
    good = "read a book with your friends. "
    upstream.play(answer(good, "now a bomb of poison. ", "and more. ", "and more. "))
    reply = chat(taking, user("tell me"), stream=True)
    assert good in reply.text
    assert "content_filter" in reply.text
    assert "bomb" not in reply.text
    decided, line = corrected(taking, path, reply, index=1, expected="unharmful")
    assert decided == (1, "harmful")
    assert line["response"].startswith(good + "now a bomb of poison.")
    assert "more. and more" not in line["response"]
    assert (line["prompt"], line["response_label"]) == ("tell me", 0)


def test_of_a_stream_that_passed_the_whole_is_kept(
    taking: ServerProcess, path: Path, upstream: StubUpstream
) -> None:
    words = ["read a book with your friends. ", "then sing a song. ", "then sleep. "] * 3
    upstream.play(answer(*words))
    reply = chat(taking, user("tell me"), stream=True)
    assert "content_filter" not in reply.text
    decided, line = corrected(taking, path, reply, slice="pair")
    assert decided == (1, "unharmful")
    assert line["response"] == "".join(words)


def test_what_only_audits_is_corrected_too(
    taking: ServerProcess, path: Path, upstream: StubUpstream
) -> None:
    said = completion() | {
        "object": "text_completion",
        "choices": [{"index": 0, "text": BAD_TEXT, "logprobs": None, "finish_reason": "stop"}],
    }
    upstream.play(whole(said))
    body = {"model": "stub-1", "prompt": "tell me a story"}
    reply = taking.post(AUDITED, json=body, headers=FIRST)
    assert reply.json()["choices"][0]["text"] == BAD_TEXT
    assert reply.headers["X-Postern-Would-Block"] == "response"
    assert corrected(taking, path, reply, index=1, expected="unharmful") == (
        (1, "harmful"),
        {"prompt": body["prompt"], "response": BAD_TEXT, "response_label": 0},
    )


def test_embeddings_have_a_prompt_alone(
    taking: ServerProcess, path: Path, upstream: StubUpstream
) -> None:
    embedded = {"object": "embedding", "index": 0, "embedding": [0.5]}
    upstream.play(whole({"object": "list", "data": [embedded], "model": "stub-1"}))
    body = {"model": "stub-1", "input": ["a book"]}
    reply = taking.post("/v1/embeddings", json=body, headers=FIRST)
    assert reply.status_code == 200, reply.text
    assert corrected(taking, path, reply) == (
        (0, "unharmful"),
        {"prompt": "a book", "prompt_label": 1},
    )
