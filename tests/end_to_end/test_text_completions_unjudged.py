"""No string of the older completions or of embeddings passes unjudged, wherever it stands.

As in `test_chat_unjudged`: the server's model fails for every window that holds a word. A request
with that word must not arrive, an answer with it must not come back.
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
from tests.scripted_texts import VECTOR, embeddings, text_chunk, text_completion
from tests.scripted_upstream import DONE, StubUpstream, streamed, whole
from tests.server_process import HANG_S, ServerProcess

TEXT, VECTORS = "/v1/completions", "/v1/embeddings"
ASKED = "tell me a story"
NAMES = st.sampled_from(
    [
        *("prompt", "suffix", "text", "logprobs", "tokens", "top_logprobs", "index", "id", "model"),
        *("finish_reason", "echo", "stop", "user", "x_new", "embedding", "data", "object", ""),
    ]
)
FILLER, HIDDEN = filler(NAMES), hidden_in(NAMES)


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def watched(start_faulty_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    """Media pass, so that whatever is refused was judged."""
    server = start_faulty_server(
        {"raise_word": WORD}, upstream_url=upstream.url, judge_instructions=True, on_media="pass"
    )
    server.wait_until_ready()
    return server


@pytest.fixture(scope="module")
def client(watched: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=watched.url, timeout=HANG_S, verify=False) as opened:
        yield opened


def _in_request(draw: Any) -> tuple[str, dict[str, Any]]:
    path, given = draw(st.sampled_from([(TEXT, "prompt"), (VECTORS, "input")]))
    body: dict[str, Any] = {"model": "m", given: draw(st.sampled_from([ASKED, [ASKED, "read"]]))}
    place = draw(st.sampled_from(["given", "one of", "field", "key"]))
    if place == "given":
        body[given] = draw(HIDDEN)
    elif place == "one of":
        body[given] = ["read", draw(HIDDEN)]
    elif place == "field":
        fields = ["suffix", "stop", "user", "model", "x_new", "prompt_embeds", "guided_json", "n"]
        body[draw(st.sampled_from(fields))] = draw(HIDDEN)
    else:
        body[PHRASE] = draw(FILLER)
    return path, body


REQUESTS = st.composite(_in_request)()


@settings(max_examples=40)
@given(made=REQUESTS)
def test_no_string_of_a_request_reaches_the_upstream_unjudged(
    client: httpx.Client, upstream: StubUpstream, made: tuple[str, dict[str, Any]]
) -> None:
    path, body = made
    upstream.play(whole(text_completion("read a book")))
    reply = client.post(path, json=body)
    assert reply.status_code in (400, 500), reply.text
    assert not upstream.seen
    assert WORD not in reply.text


@settings(max_examples=40)
@given(name=NAMES, hidden=HIDDEN, in_choice=st.booleans(), embeds=st.booleans())
def test_no_string_of_an_answer_reaches_the_user_unjudged(
    client: httpx.Client,
    upstream: StubUpstream,
    name: str,
    hidden: Any,
    in_choice: bool,
    embeds: bool,
) -> None:
    if embeds:
        told = embeddings(list(VECTOR))
        inside = told["data"][0]
    else:
        told = text_completion("read a book")
        inside = told["choices"][0]
    where = inside if in_choice else told
    where[name] = hidden
    upstream.play(whole(told))
    if embeds:
        reply = client.post(VECTORS, json={"input": ASKED})
    else:
        reply = client.post(TEXT, json={"prompt": ASKED, "logprobs": 1})
    assert WORD not in reply.text
    assert reply.status_code in (500, 502), reply.text


@settings(max_examples=40)
@given(name=NAMES, hidden=HIDDEN, in_choice=st.booleans(), last=st.booleans())
def test_no_string_of_a_stream_reaches_the_user_unjudged(
    client: httpx.Client,
    upstream: StubUpstream,
    name: str,
    hidden: Any,
    in_choice: bool,
    last: bool,
) -> None:
    choice: dict[str, Any] = {"text": "a", "index": 0, "finish_reason": "stop" if last else None}
    told: dict[str, Any] = {"id": "cmpl-stub", "object": "text_completion", "choices": [choice]}
    where = choice if in_choice else told
    where[name] = hidden
    hiding = f"data: {json.dumps(told)}\n\n".encode()
    upstream.play(
        streamed([text_chunk("read a book. "), hiding, text_chunk("", finish="stop"), DONE])
    )
    reply = client.post(TEXT, json={"prompt": ASKED, "stream": True})
    assert WORD not in reply.text
    assert "[DONE]" not in reply.text
