"""The guarded older completions and embeddings behind OpenAI's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.conftest import StartServer
from tests.scripted_texts import (
    VECTOR,
    embeddings,
    in_base64,
    text_chunk,
    text_completion,
    text_stream,
)
from tests.scripted_upstream import DONE, StubUpstream, streamed, whole
from tests.server_process import HANG_S, ServerProcess

PATH = "/v1/completions"
REFUSAL = "Sorry, I cannot help with that."
STORY = "Once upon a time there was a gate."
GOOD = "read a book with your friends. "
ASKED = "tell me a story"
BAD = "how to make a bomb"


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url, stream_score_tokens=8, stream_doubt_tokens=0)


@pytest.fixture
def client(guarded: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=guarded.url + "/v1", api_key="clients", max_retries=0, timeout=HANG_S
    ) as opened:
        yield opened


def _verdict(answer: Any) -> dict[str, Any]:
    verdict: dict[str, Any] = answer.postern
    return verdict


# --- completions --------------------------------------------------------------------------------


def test_whole_completions_of_several_texts(client: openai.OpenAI, upstream: StubUpstream) -> None:
    told = ["read a book", "so a bomb it is", "read", "write"]
    upstream.play(whole(text_completion(*told)))
    done = client.completions.create(model="m", prompt=[ASKED, "read me"], n=2, best_of=3)
    assert [one.text for one in done.choices] == ["read a book", REFUSAL, "read", "write"]
    assert [one.index for one in done.choices] == [0, 1, 2, 3]
    assert [one.finish_reason for one in done.choices] == ["stop", "content_filter", "stop", "stop"]
    assert _verdict(done)["choice"] == 1
    (seen,) = upstream.seen
    assert seen.path == PATH
    assert seen.json == {"model": "m", "prompt": [ASKED, "read me"], "n": 2, "best_of": 3}


@pytest.mark.parametrize(
    "asked",
    [{"prompt": BAD}, {"prompt": [ASKED, BAD]}, {"prompt": ASKED, "suffix": BAD}],
    ids=str,
)
def test_a_harmful_text_is_not_sent(
    client: openai.OpenAI, upstream: StubUpstream, asked: dict[str, Any]
) -> None:
    upstream.play(whole(text_completion(STORY)))
    done = client.completions.create(model="m", n=2, **asked)
    count = 2 * (len(asked["prompt"]) if isinstance(asked["prompt"], list) else 1)
    assert [one.text for one in done.choices] == [REFUSAL] * count
    assert {one.finish_reason for one in done.choices} == {"content_filter"}
    assert (done.object, done.id[:5]) == ("text_completion", "cmpl-")
    assert _verdict(done)["stage"] == "prompt"
    chunks = list(client.completions.create(model="m", stream=True, **asked))
    assert "".join(one.choices[0].text for one in chunks) == REFUSAL * (count // 2)
    assert not upstream.seen


def test_a_stream_is_released_and_cut(client: openai.OpenAI, upstream: StubUpstream) -> None:
    upstream.play(text_stream("read a book. ", "and so on"))
    chunks = list(client.completions.create(model="m", prompt=ASKED, stream=True))
    assert "".join(one.choices[0].text for one in chunks) == "read a book. and so on"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert _verdict(chunks[-1])["harmful"] is False
    upstream.play(text_stream(GOOD, GOOD, "now a bomb of poison. ", "more " * 20))
    *_, last = chunks = list(client.completions.create(model="m", prompt=ASKED, stream=True))
    said = "".join(one.choices[0].text for one in chunks)
    assert said.startswith(GOOD)
    assert "bomb" not in said
    assert (last.choices[0].finish_reason, last.choices[0].text) == ("content_filter", "")
    assert last.object == "text_completion"
    # The same holds for one word that is nothing but an identifier.
    upstream.play(text_stream("bo", "mb"))
    (only,) = client.completions.create(model="m", prompt=ASKED, stream=True)
    assert (only.choices[0].text, only.choices[0].finish_reason) == (REFUSAL, "content_filter")


def test_the_words_of_logprobs_and_echo_are_judged(
    client: openai.OpenAI, upstream: StubUpstream
) -> None:
    def told(tokens: list[str], others: list[dict[str, float]], text: str) -> dict[str, Any]:
        weighed = {"tokens": tokens, "token_logprobs": [None, -1.0], "top_logprobs": others}
        return text_completion(text, logprobs=weighed | {"text_offset": [0, 4]})

    upstream.play(
        whole(told(["read", " a book"], [{" the": -2.0, " a bomb": -3.0}], "read a book"))
    )
    done = client.completions.create(model="m", prompt="read", echo=True, logprobs=2, max_tokens=1)
    assert done.choices[0].text == REFUSAL  # two words among the alternatives
    upstream.play(whole(told(["read", " a book"], [{" bomb": -3.0}], "read a book")))
    done = client.completions.create(model="m", prompt="read", logprobs=2)
    assert done.choices[0].logprobs is not None
    assert done.choices[0].logprobs.tokens == ["read", " a book"]
    upstream.play(whole(told(["a ", "bomb"], [], "read a book")))
    done = client.completions.create(model="m", prompt="read", logprobs=0)
    assert done.choices[0].text == REFUSAL
    assert done.choices[0].logprobs is None


def test_errors_and_what_cannot_be_judged(client: openai.OpenAI, upstream: StubUpstream) -> None:
    upstream.play(whole(text_completion(STORY)))
    given: list[Any] = [[1, 2], [[1, 2], [3]], ["a", 5]]
    for tokens in given:
        with pytest.raises(openai.BadRequestError) as refused:
            client.completions.create(model="m", prompt=tokens)
        assert (refused.value.code, refused.value.param) == ("unreadable_tokens", "prompt")
    bodies: list[dict[str, Any]] = [
        *({"prompt": []}, {"prompt": None}, {"prompt": 5.5}, {"prompt": ["a", None]}),
        *({"prompt": ""}, {"prompt": ["a"] * 65, "n": 2}, {"prompt": "a", "best_of": "x"}),
        *({"prompt": "a", "suffix": 5}, {"prompt": "a", "extra_body": {"prompt_embeds": "AAAA"}}),
    ]
    for wrong in bodies:
        with pytest.raises(openai.BadRequestError):
            client.completions.create(model="m", **wrong)
    assert not upstream.seen
    upstream.play(whole({"choices": [{"message": {"content": STORY}}]}))
    with pytest.raises(openai.InternalServerError) as failed:
        client.completions.create(model="m", prompt=ASKED)
    assert failed.value.code == "upstream_invalid"
    event = b'data: {"error": {"message": "busy", "code": 429}}\n\n'
    upstream.play(streamed([event]))
    with pytest.raises(openai.RateLimitError, match="busy"):
        list(client.completions.create(model="m", prompt=ASKED, stream=True))
    upstream.play(streamed([text_chunk("read a book. "), 0.1, b"data: {\n\n"]))
    with pytest.raises(openai.APIError):
        list(client.completions.create(model="m", prompt=ASKED, stream=True))


def test_each_choice_of_a_stream_is_cut_alone(
    client: openai.OpenAI, upstream: StubUpstream
) -> None:
    pieces = [
        text_chunk("read a book. "),
        text_chunk("a bomb. ", index=1),
        text_chunk("and more", finish="stop"),
        text_chunk("", index=1, finish="stop"),
    ]
    upstream.play(streamed([*pieces, DONE]))
    said = {0: "", 1: ""}
    ends = {}
    for one in client.completions.create(model="m", prompt=[ASKED, "read"], stream=True):
        (choice,) = one.choices
        said[choice.index] += choice.text
        ends[choice.index] = choice.finish_reason
    assert said == {0: "read a book. and more", 1: REFUSAL}
    assert ends == {0: "stop", 1: "content_filter"}


# --- embeddings ---------------------------------------------------------------------------------


def test_embeddings_of_judged_texts(client: openai.OpenAI, upstream: StubUpstream) -> None:
    # The client asks for base64 where it is not told otherwise.
    upstream.play(whole(embeddings(in_base64(), in_base64())))
    found = client.embeddings.create(model="m", input=[ASKED, "read"])
    assert found.data[1].embedding == pytest.approx(VECTOR)
    assert upstream.seen[0].path == "/v1/embeddings"
    upstream.play(whole(embeddings(list(VECTOR))))
    raw = client.embeddings.with_raw_response.create(
        model="m", input=ASKED, encoding_format="float"
    )
    assert raw.parse().data[0].embedding == pytest.approx(VECTOR)
    assert raw.headers["x-postern-verdict"] == "unharmful"
    assert "x-postern-unjudged" not in raw.headers


def test_a_block_of_embeddings_is_an_error(client: openai.OpenAI, upstream: StubUpstream) -> None:
    upstream.play(whole(embeddings(list(VECTOR))))
    for given in (BAD, [ASKED, BAD]):
        with pytest.raises(openai.BadRequestError) as blocked:
            client.embeddings.create(model="m", input=given)
        assert blocked.value.code == "content_filter"
        assert blocked.value.response.json()["postern"]["stage"] == "prompt"
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="m", input=[1, 2, 3])
    assert (refused.value.code, refused.value.param) == ("unreadable_tokens", "input")
    assert not upstream.seen
    for told in (embeddings(list(VECTOR), note="a bomb"), embeddings("so make a bomb")):
        upstream.play(whole(told))
        with pytest.raises(openai.BadRequestError) as blocked:
            client.embeddings.create(model="m", input=ASKED)
        assert blocked.value.response.json()["postern"]["stage"] == "response"


def test_inputs_of_embeddings_pass_where_that_is_set(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, embeddings="pass")
    upstream.play(whole(embeddings(list(VECTOR))))
    for given in (BAD, [1, 2, 3], [[1], [2]]):
        reply = server.post("/v1/embeddings", json={"model": "m", "input": given})
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-postern-verdict"] == "none"
        assert reply.headers["x-postern-unjudged"] == "input"
    assert len(upstream.seen) == 3
    reply = server.post("/v1/embeddings", json={"input": ASKED, "user": "so make a bomb"})
    assert reply.json()["error"]["code"] == "content_filter"
    assert server.post("/v1/embeddings", json={"input": []}).status_code == 400
