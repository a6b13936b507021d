"""No string reaches a model or a user unjudged, wherever in a request or an answer it stands.

The server's model fails for every window that holds a word. Whoever carries that word to the other
side has not been judged: a request with it must not arrive, an answer with it must not come back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import StartServer
from tests.end_to_end.hidden_json import PHRASE, WORD, filler, hidden_in
from tests.scripted_upstream import DONE, StubUpstream, completion, streamed, whole
from tests.server_process import HANG_S, ServerProcess

PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def watched(start_faulty_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    server = start_faulty_server(
        {"raise_word": WORD}, upstream_url=upstream.url, judge_instructions=True
    )
    server.wait_until_ready()
    return server


@pytest.fixture(scope="module")
def client(watched: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=watched.url, timeout=HANG_S, verify=False) as opened:
        yield opened


# --- JSON with the phrase at one place ----------------------------------------------------------

NAMES = st.sampled_from(
    [
        *("content", "role", "name", "id", "type", "text", "refusal", "reasoning", "tool_calls"),
        *("function", "arguments", "tool_call_id", "audio", "index", "object", "annotations"),
        *("logprobs", "token", "finish_reason", "model", "x_new", "metadata", "url", "stop"),
    ]
)
FILLER, HIDDEN = filler(NAMES), hidden_in(NAMES)

MESSAGE = {"role": "user", "content": "tell me a story"}


def _in_request(draw: Any) -> dict[str, Any]:
    hidden, name = draw(HIDDEN), draw(NAMES)
    role = draw(st.sampled_from(["user", "assistant", "tool", "system", "developer", "function"]))
    message: dict[str, Any] = {"role": role, "content": "read a book"}
    place = draw(st.sampled_from(["field", "key", "message", "message key", "content", "part"]))
    body: dict[str, Any] = {"model": "m", "messages": [MESSAGE, message, MESSAGE]}
    if place == "field":
        body[draw(st.sampled_from(["tools", "stop", "user", "metadata", "model", "x_new"]))] = (
            hidden
        )
    elif place == "key":
        body[PHRASE] = hidden
    elif place == "message":
        message[name] = hidden
    elif place == "message key":
        message[PHRASE] = None
    elif place == "content":
        message["content"] = hidden
    else:
        part = {"type": "text", "text": "read"} | draw(st.dictionaries(NAMES, FILLER, max_size=2))
        message["content"] = [part | {draw(NAMES): hidden}]
    return body


REQUESTS = st.composite(_in_request)()


@settings(max_examples=100)
@given(body=REQUESTS)
def test_no_string_of_a_request_reaches_the_upstream_unjudged(
    client: httpx.Client, upstream: StubUpstream, body: dict[str, Any]
) -> None:
    upstream.play(whole(completion("read a book")))
    reply = client.post(PATH, json=body)
    assert reply.status_code in (400, 500), reply.text
    assert not upstream.seen
    assert WORD not in reply.text


def _in_answer(draw: Any) -> dict[str, Any]:
    """A choice and what stands beside it."""
    hidden, name = draw(HIDDEN), draw(NAMES)
    said: dict[str, Any] = {"role": "assistant", "content": "read a book"}
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    beside: dict[str, Any] = {}
    place = draw(st.sampled_from(["message", "choice", "beside", "key", "choice key", "outer key"]))
    if place == "message":
        said[name] = hidden
    elif place == "choice":
        choice[draw(st.sampled_from(["finish_reason", "logprobs", "x_new", "stop_reason"]))] = (
            hidden
        )
    elif place == "beside":
        beside[draw(st.sampled_from(["id", "model", "object", "usage", "x_new"]))] = hidden
    else:
        {"key": said, "choice key": choice, "outer key": beside}[place][PHRASE] = 1
    return {"said": said, "choice": choice, "beside": beside}


ANSWERS = st.composite(_in_answer)()


@settings(max_examples=100)
@given(answer=ANSWERS, n_pieces=st.integers(1, 3))
def test_no_string_of_an_answer_reaches_the_user_unjudged(
    client: httpx.Client, upstream: StubUpstream, answer: dict[str, Any], n_pieces: int
) -> None:
    choice, said, beside = answer["choice"], answer["said"], answer["beside"]
    upstream.play(whole(beside | {"choices": [choice | {"message": said}]}))
    reply = client.post(PATH, json={"messages": [MESSAGE]})
    assert WORD not in reply.text
    assert reply.status_code in (500, 502), reply.text
    events = [{"choices": [{"index": 0, "delta": {"content": "Read a book with a friend. "}}]}]
    events *= n_pieces
    events.append(beside | {"choices": [choice | {"delta": said}]})
    written = [f"data: {json.dumps(one)}\n\n".encode() for one in events]
    upstream.play(streamed([*written, DONE]))
    reply = client.post(PATH, json={"messages": [MESSAGE], "stream": True})
    assert WORD not in reply.text
    assert "[DONE]" not in reply.text


@settings(max_examples=40)
@given(hidden=HIDDEN, status=st.sampled_from([400, 429, 500]))
def test_no_string_of_an_error_reaches_the_user_unjudged(
    client: httpx.Client, upstream: StubUpstream, hidden: Any, status: int
) -> None:
    upstream.play(whole({"error": {"message": hidden, "code": 5}}, status=status))
    reply = client.post(PATH, json={"messages": [MESSAGE]})
    assert (reply.status_code, WORD in reply.text) == (status, False)
    told = json.dumps({"error": {"message": hidden, "code": status}}).encode()
    upstream.play(streamed([b"data: " + told + b"\n\n"]))
    reply = client.post(PATH, json={"messages": [MESSAGE], "stream": True})
    assert (reply.status_code, WORD in reply.text) == (status, False)


# --- the ones that were seen --------------------------------------------------------------------


def test_a_role_is_no_place_for_a_question(client: httpx.Client, upstream: StubUpstream) -> None:
    upstream.play(whole(completion("read")))
    message = {"role": f"user\n{PHRASE}?", "content": "please"}
    reply = client.post(PATH, json={"messages": [message]})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "body_mismatch"
    assert not upstream.seen


def test_a_word_on_the_way_in_pieces_of_an_id_is_judged(
    client: httpx.Client, upstream: StubUpstream
) -> None:
    events = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": piece}]}}]}
        for piece in PHRASE.replace(" ", "\0 \0").split("\0")
    ]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    written = [f"data: {json.dumps(one)}\n\n".encode() for one in events]
    upstream.play(streamed([*written, DONE]))
    reply = client.post(PATH, json={"messages": [MESSAGE], "stream": True})
    assert reply.status_code == 500
