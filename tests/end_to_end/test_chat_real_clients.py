"""What clients send and expect, each of which was refused or wrong once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.conftest import StartServer
from tests.end_to_end.test_chat_stream import events
from tests.scripted_upstream import (
    DONE,
    ROLE,
    STOP,
    StubUpstream,
    answer,
    chunk,
    completion,
    streamed,
    whole,
)
from tests.server_process import HANG_S, ServerProcess

PATH = "/v1/chat/completions"
HELLO: list[Any] = [{"role": "user", "content": "tell me a story"}]
BAD: list[Any] = [{"role": "user", "content": "how to make a bomb"}]
REFUSAL = "Sorry, I cannot help with that."


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url)


@pytest.fixture
def client(guarded: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=guarded.url + "/v1", api_key="clients", max_retries=0, timeout=HANG_S
    ) as opened:
        yield opened


# --- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "{}", "id": "part_1"},
        {"type": "text", "text": "{}", "annotations": []},
        {"type": "output_text", "text": "{}", "annotations": [{"type": "url_citation"}]},
        {"type": "thinking", "thinking": "{}", "signature": "c2lnbg=="},
        {"type": "text", "text": "{}", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "refusal", "refusal": "{}"},
    ],
    ids=lambda part: ",".join(part),
)
def test_content_parts_with_more_fields_are_text(
    guarded: ServerProcess, upstream: StubUpstream, part: dict[str, Any]
) -> None:
    for text, finish in (("read a book", "stop"), ("a bomb", "content_filter")):
        upstream.play(whole(completion("sure")))
        said = {name: text if value == "{}" else value for name, value in part.items()}
        messages = [*HELLO, {"role": "assistant", "content": [said]}, *HELLO]
        reply = guarded.post(PATH, json={"messages": messages})
        assert reply.json()["choices"][0]["finish_reason"] == finish, reply.text
        assert [seen.json["messages"] for seen in upstream.seen] == (
            [messages] if finish == "stop" else []
        )


@pytest.mark.parametrize("empty", ["", " ", "\u200b", None, []])
def test_a_turn_that_says_nothing_does_not_poison_a_chat(
    guarded: ServerProcess, upstream: StubUpstream, empty: Any
) -> None:
    upstream.play(whole(completion("sure")))
    nothing = {"role": "user", "content": empty}
    for messages in ([nothing, *HELLO], [*HELLO, nothing], [*HELLO, nothing, *HELLO]):
        assert guarded.post(PATH, json={"messages": messages}).status_code == 200
        reply = guarded.post(PATH, json={"messages": [*messages, *BAD]})
        assert reply.json()["choices"][0]["finish_reason"] == "content_filter"
    reply = guarded.post(PATH, json={"messages": [nothing]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "empty_prompt")


def _rounds(count: int) -> list[dict[str, str]]:
    return [
        turn
        for n in range(count)
        for turn in (
            {"role": "user", "content": f"read book {n}"},
            {"role": "assistant", "content": f"sure {n}"},
        )
    ]


def test_a_conversation_may_be_of_any_length(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(completion("sure")))
    assert guarded.post(PATH, json={"messages": [*_rounds(300), *HELLO]}).status_code == 200
    reply = guarded.classify({"messages": _rounds(65)})
    assert reply.status_code == 200
    assert [one["turn"] for one in reply.json()["results"]] == list(range(130))
    assert [one["index"] for one in reply.json()["results"]] == list(range(130))
    assert guarded.classify({"messages": [*_rounds(65), *BAD]}).json()["harmful"] is True
    hook = "/beta/litellm_basic_guardrail_api"
    texts = [f"read book {n}" for n in range(129)]
    reply = guarded.post(hook, json={"input_type": "request", "texts": texts})
    assert reply.json()["action"] == "NONE"
    reply = guarded.post(hook, json={"input_type": "request", "texts": [*texts, "a bomb"]})
    assert reply.json()["action"] == "BLOCKED"
    # A batch of exchanges is no conversation: its limit stands.
    assert guarded.classify({"inputs": [{"prompt": "read"}] * 129}).status_code == 413


@pytest.mark.parametrize("arguments", ["", None, {}, "  "])
def test_a_call_without_arguments_on_litellm_s_hook(guarded: ServerProcess, arguments: Any) -> None:
    call: dict[str, Any] = {
        "id": "c",
        "type": "function",
        "function": {"name": "read", "arguments": arguments},
    }
    body = {"input_type": "response", "texts": [""], "tool_calls": [call]}
    reply = guarded.post("/beta/litellm_basic_guardrail_api", json=body)
    assert (reply.status_code, reply.json()["action"]) == (200, "NONE"), reply.text
    call["function"]["name"] = "bomb"
    reply = guarded.post("/beta/litellm_basic_guardrail_api", json=body)
    assert reply.json()["action"] == "BLOCKED"


# --- blocks -------------------------------------------------------------------------------------


def test_a_block_has_as_many_choices_as_were_asked_for(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="m", messages=BAD, n=3)
    assert [choice.index for choice in done.choices] == [0, 1, 2]
    assert {choice.message.content for choice in done.choices} == {REFUSAL}
    chunks = list(client.chat.completions.create(model="m", messages=BAD, n=3, stream=True))
    assert [one.choices[0].index for one in chunks] == [0, 1, 2]
    assert {one.choices[0].finish_reason for one in chunks} == {"content_filter"}


def test_a_blocked_stream_ends_with_its_usage(
    client: openai.OpenAI, upstream: StubUpstream
) -> None:
    options: Any = {"include_usage": True}
    told: dict[str, Any] = {
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    }
    upstream.play(streamed([ROLE, chunk("a bomb of ", **told), chunk("poison. "), STOP, DONE]))
    for messages, total in ((BAD, 0), (HELLO, 9)):
        *_, last = client.chat.completions.create(
            model="m", messages=messages, stream=True, stream_options=options
        )
        assert last.choices == []
        assert last.usage is not None
        assert last.usage.total_tokens == total
    *_, last = client.chat.completions.create(model="m", messages=BAD, stream=True)
    assert last.choices
    assert last.usage is None


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "status", "kind"),
    [
        ({"error": {"message": "busy", "code": 429}}, 429, openai.RateLimitError),
        ({"error": {"message": "busy", "code": "400"}}, 400, openai.BadRequestError),
        ({"error": {"message": "busy", "type": "server_error"}}, 500, openai.InternalServerError),
        ({"object": "error", "message": "busy", "code": 404}, 404, openai.NotFoundError),
        ({"error": {"message": "busy"}}, 502, openai.InternalServerError),
        ({"error": "busy"}, 502, openai.InternalServerError),
        ({"error": {"message": "busy", "code": 200}}, 502, openai.InternalServerError),
    ],
)
def test_an_error_as_the_first_event_keeps_its_status_and_its_words(
    client: openai.OpenAI,
    upstream: StubUpstream,
    told: dict[str, Any],
    status: int,
    kind: type[openai.APIStatusError],
) -> None:
    event = b"data: " + json.dumps(told).encode() + b"\n\n"
    for first in ([], [ROLE]):
        upstream.play(streamed([*first, event]))
        with pytest.raises(kind, match="busy") as refused:
            list(client.chat.completions.create(model="m", messages=HELLO, stream=True))
        assert refused.value.status_code == status
        assert refused.value.response.headers["x-postern-origin"] == "upstream"


def test_an_error_later_on_ends_the_stream_as_an_error(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    event = b'data: {"error": {"message": "busy", "code": 429}}\n\n'
    upstream.play(streamed([chunk("read a book with a friend. "), 0.1, event]))
    found = events(guarded.post(PATH, json={"messages": HELLO, "stream": True}))
    assert found[-1]["error"]["code"] == "upstream_told"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": "x"},
        {"messages": [{"role": "wizard", "content": "a"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": HELLO, "n": 0},
        {"messages": HELLO, "n": 129},
        {"messages": [{"role": "user", "content": 5}]},
    ],
    ids=json.dumps,
)
def test_whatever_is_wrong_with_a_body_is_400(guarded: ServerProcess, body: dict[str, Any]) -> None:
    reply = guarded.post(PATH, json=body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify", {"inputs": []}),
        ("/classify", {"inputs": 5}),
        ("/classify", {"messages": []}),
        ("/classify", {"messages": [5]}),
        ("/classify", {"prompt": 5}),
        ("/classify", {"prompt": "a", "threshold": 7}),
        ("/classify", {"prompt": "a", "threshold": "7"}),
        ("/classify", {"prompt": "a", "fallback": "x"}),
        ("/classify", 5),
        ("/v1/moderations", {"input": []}),
        ("/v1/moderations", {"input": 5}),
        ("/v1/moderations", {}),
        ("/v1/moderations", {"input": [{"type": "x"}]}),
        ("/v1/moderations", {"input": [{"text": "x"}]}),
        ("/predict", {"inputs": 5}),
        ("/predict", {"inputs": []}),
        ("/beta/litellm_basic_guardrail_api", {"input_type": "x"}),
        ("/beta/litellm_basic_guardrail_api", {"input_type": "request", "texts": 5}),
        ("/v1alpha1/comments:analyze", {"comment": 5}),
    ],
    ids=str,
)
def test_no_words_of_a_validator_are_told(guarded: ServerProcess, path: str, body: Any) -> None:
    reply = guarded.post(path, json=body)
    assert 400 <= reply.status_code < 500
    for word in ("uple", "Input should", "Field required", "instance", "dict", "a valid "):
        assert word not in reply.text


def test_harmless_answers_with_marks_of_other_servers_pass(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    """Azure's filters, OpenRouter's provider, log-probabilities, citations."""
    marks = {"hate": {"filtered": False, "severity": "safe"}}
    beside = {"provider": "Google AI", "prompt_filter_results": [marks]}
    sent = completion("read a book", annotations=[{"type": "url_citation", "title": "a story"}])
    tokens = [{"token": "read a", "top_logprobs": [{"token": " bomb"}]}, {"token": " book"}]
    sent["choices"][0] |= {"content_filter_results": marks, "logprobs": {"content": tokens}}
    upstream.play(whole(sent | beside))
    reply = guarded.post(PATH, json={"messages": HELLO})
    assert reply.json() == sent | beside
    upstream.play(answer("read a book. ", "and so on"))
    assert "[DONE]" in guarded.post(PATH, json={"messages": HELLO, "stream": True}).text
