"""The guarded APIs on Azure OpenAI's paths, behind the official client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.conftest import StartServer
from tests.scripted_responses import message, response, stream_of
from tests.scripted_texts import VECTOR, embeddings, in_base64, text_completion, text_stream
from tests.scripted_upstream import (
    DONE,
    STOP,
    Seen,
    Step,
    StubUpstream,
    chunk,
    completion,
    streamed,
    whole,
)
from tests.server_process import HANG_S, ServerProcess

REFUSAL = "Sorry, I cannot help with that."
STORY = "Once upon a time there was a gate."
GOOD = "read a book with your friends. "
HELLO: list[Any] = [{"role": "user", "content": "tell me a story"}]
BAD = "how to make a bomb"
VERSION = "2024-10-21"
DEPLOYMENT = "gpt-4o_mini.eu"
CHAT = f"/openai/deployments/{DEPLOYMENT}/chat/completions"
FILTERS = {"hate": {"filtered": False, "severity": "safe"}}


def _play(seen: Seen) -> list[Step]:
    """Azure's answers, with the notes of its own filters."""
    path = seen.path.partition("?")[0]
    if path.endswith("/models"):
        return whole({"object": "list", "data": [{"id": "stub-1", "object": "model"}]})
    if "/models/" in path:
        return whole({"id": path.partition("/models/")[2], "object": "model"})
    said = GOOD + "now a bomb of poison. " if "music" in seen.body.decode() else STORY
    stream = seen.json.get("stream")
    if path.endswith("/embeddings"):
        return whole(embeddings(in_base64()))
    if path.endswith("/responses"):
        return stream_of(message(said)) if stream else whole(response(message(said)))
    if not path.endswith("/chat/completions"):
        return text_stream(said) if stream else whole(text_completion(said))
    if not stream:
        told = completion(said)
        told["choices"][0]["content_filter_results"] = FILTERS
        return whole(told | {"prompt_filter_results": [FILTERS]})
    first = b'data: {"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[]}\n\n'
    return streamed([first, chunk(GOOD), chunk(said.removeprefix(GOOD)), STOP, DONE])


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream(_play) as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    base = upstream.url.removesuffix("/v1") + "/openai/v1"
    return start_server(
        upstream_url=base,
        api_keys="postern-key",
        upstream_api_key="azure-key",
        stream_score_tokens=8,
        stream_doubt_tokens=0,
    )


@pytest.fixture
def client(guarded: ServerProcess, upstream: StubUpstream) -> Iterator[openai.AzureOpenAI]:
    upstream.seen.clear()
    with openai.AzureOpenAI(
        azure_endpoint=guarded.url,
        azure_deployment=DEPLOYMENT,
        api_version=VERSION,
        api_key="postern-key",
        max_retries=0,
        timeout=HANG_S,
    ) as opened:
        yield opened


def test_a_chat_with_a_deployment(client: openai.AzureOpenAI, upstream: StubUpstream) -> None:
    done = client.chat.completions.create(model="m", messages=HELLO)
    assert done.choices[0].message.content == STORY
    assert done.to_dict()["prompt_filter_results"] == [FILTERS]
    (seen,) = upstream.seen
    assert seen.path == f"{CHAT}?api-version={VERSION}"
    assert seen.headers["api-key"] == "azure-key"
    assert "postern-key" not in str(seen.header_lines)
    chunks = list(client.chat.completions.create(model="m", messages=HELLO, stream=True))
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == (
        GOOD + STORY
    )


def test_a_block_of_a_chat(client: openai.AzureOpenAI, upstream: StubUpstream) -> None:
    bad: list[Any] = [{"role": "user", "content": BAD}]
    done = client.chat.completions.create(model="m", messages=bad)
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == (
        REFUSAL,
        "content_filter",
    )
    assert not upstream.seen
    music: list[Any] = [{"role": "user", "content": "play music"}]
    done = client.chat.completions.create(model="m", messages=music)
    assert done.choices[0].finish_reason == "content_filter"
    chunks = list(client.chat.completions.create(model="m", messages=music, stream=True))
    said = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert said == GOOD
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_other_apis_of_azure(client: openai.AzureOpenAI, upstream: StubUpstream) -> None:
    assert client.completions.create(model="m", prompt="tell me").choices[0].text == STORY
    pieces = client.completions.create(model="m", prompt="play music", stream=True)
    assert [one.choices[0].finish_reason for one in pieces][-1] == "content_filter"
    found = client.embeddings.create(model="m", input="a story")
    assert found.data[0].embedding == pytest.approx(VECTOR)
    with pytest.raises(openai.BadRequestError) as blocked:
        client.embeddings.create(model="m", input=BAD)
    assert blocked.value.code == "content_filter"
    assert client.responses.create(model="m", input="tell me a story").output_text == STORY
    assert client.responses.create(model="m", input="play music").status == "incomplete"
    assert [one.id for one in client.models.list()] == ["stub-1"]
    assert client.models.retrieve("stub-1").id == "stub-1"
    places = [seen.path.removesuffix(f"?api-version={VERSION}") for seen in upstream.seen]
    within = f"/openai/deployments/{DEPLOYMENT}"
    assert places == [
        *(f"{within}/completions", f"{within}/completions", f"{within}/embeddings"),
        *("/openai/responses", "/openai/responses", "/openai/models", "/openai/models/stub-1"),
    ]


def test_a_client_without_a_deployment_of_its_own(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    """It takes the model for the deployment; and a token of Entra ID goes where others have a key.

    A token that is no key of ours is refused, whatever Azure would say to it.
    """
    upstream.seen.clear()
    common: dict[str, Any] = {"azure_endpoint": guarded.url, "api_version": VERSION}
    common |= {"max_retries": 0, "timeout": HANG_S}
    with openai.AzureOpenAI(azure_ad_token="postern-key", **common) as client:
        done = client.chat.completions.create(model="mine", messages=HELLO)
        assert done.choices[0].message.content == STORY
        assert client.responses.create(model="mine", input="tell me a story").output_text == STORY
        assert client.models.retrieve("a/b:1").id == "a/b:1"
    with (
        openai.AzureOpenAI(azure_ad_token="other", **common) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()
    places = [seen.path.removesuffix(f"?api-version={VERSION}") for seen in upstream.seen]
    assert places == [
        *("/openai/deployments/mine/chat/completions", "/openai/responses"),
        "/openai/models/a/b:1",
    ]
    assert {seen.headers["api-key"] for seen in upstream.seen} == {"azure-key"}


def test_the_newer_paths(guarded: ServerProcess, upstream: StubUpstream) -> None:
    upstream.seen.clear()
    with openai.OpenAI(
        base_url=guarded.url + "/openai/v1", api_key="postern-key", max_retries=0, timeout=HANG_S
    ) as client:
        done = client.chat.completions.create(model="m", messages=HELLO)
        assert done.choices[0].message.content == STORY
        *_, last = client.responses.create(model="m", input="play music", stream=True)
        assert last.type == "response.incomplete"
        assert [one.id for one in client.models.list()] == ["stub-1"]
        assert client.models.retrieve("stub-1").id == "stub-1"
        with pytest.raises(openai.NotFoundError, match="POST /openai/v1/chat/completions"):
            client.images.generate(prompt="a", model="m")
    places = [seen.path for seen in upstream.seen]
    paths = ("chat/completions", "responses", "models", "models/stub-1")
    assert places == [f"/openai/v1/{one}" for one in paths]
    assert {seen.headers["api-key"] for seen in upstream.seen} == {"azure-key"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{CHAT}?api-version=how to bake a cake", 400),
        (f"{CHAT}?api-version=a&api-version=b", 400),
        (f"{CHAT}?how%20to%20bake=a", 400),
        (f"{CHAT}?api-version=%0d%0aHost:x", 400),
        (f"{CHAT}?" + "&".join(f"n{n}=1" for n in range(9)), 400),
        ("/openai/deployments/../chat/completions", 404),
        ("/openai/deployments/%2e%2e/chat/completions", 404),
        ("/openai/deployments/a%2Fb/chat/completions", 404),
        ("/openai/deployments/how%20to/chat/completions", 404),
        ("/openai/deployments/a%3Fb/chat/completions", 404),
        ("/openai/deployments/d/images/generations", 404),
        (CHAT, 200),
    ],
)
def test_a_path_leads_nowhere_else(
    guarded: ServerProcess, upstream: StubUpstream, path: str, status: int
) -> None:
    upstream.seen.clear()
    reply = guarded.post(path, json={"messages": HELLO}, headers={"api-key": "postern-key"})
    assert reply.status_code == status, reply.text
    assert len(upstream.seen) == (status == 200)
    assert status == 200 or set(reply.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openai/v1/models/a%3Fb", 404),
        ("/openai/v1/models/a/../../b", 404),
        ("/openai/models/%2e%2e", 404),
        ("/openai/models/how%20to", 404),
        ("/openai/models/stub-1?api-version=how to", 400),
        ("/openai/models/stub-1?api-version=a", 200),
    ],
)
def test_a_models_path_leads_nowhere_else(
    guarded: ServerProcess, upstream: StubUpstream, path: str, status: int
) -> None:
    upstream.seen.clear()
    reply = guarded.get(path, headers={"api-key": "postern-key"})
    assert reply.status_code == status, reply.text
    assert len(upstream.seen) == (status == 200)


def test_the_key_of_a_caller(guarded: ServerProcess, start_server: StartServer) -> None:
    body = {"messages": HELLO}
    for headers in ({}, {"api-key": "wrong"}, {"api-key": "wrong", "x-api-key": "postern-key"}):
        reply = guarded.post(CHAT, json=body, headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
    for headers in ({"x-api-key": "postern-key"}, {"authorization": "Bearer postern-key"}):
        assert guarded.post(CHAT, json=body, headers=headers).status_code == 200


def test_a_key_for_the_upstream(start_server: StartServer, upstream: StubUpstream) -> None:
    server = start_server(upstream_url=upstream.url + "?api-version=own", api_keys="postern-key")
    keys = {"api-key": "postern-key", "x-upstream-api-key": "azure-key", "cookie": "a=b"}
    upstream.seen.clear()
    path = f"{CHAT}?api-version=theirs&more=1"
    assert server.post(path, json={"messages": HELLO}, headers=keys).status_code == 200
    (seen,) = upstream.seen
    # The base had no /openai, and its own query wins.
    assert seen.path == f"/deployments/{DEPLOYMENT}/chat/completions?api-version=own&more=1"
    assert seen.headers["api-key"] == "azure-key"
    assert not {"cookie", "x-upstream-api-key"} & set(seen.headers)
