"""Anthropic's Messages through the guarded proxy, with its own client, over real sockets."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.conftest import StartServer
from tests.scripted_messages import (
    begin,
    block,
    close,
    delta,
    finish,
    message,
    said,
    sse,
    text_block,
    thought,
    tool_call,
)
from tests.scripted_upstream import StubUpstream, streamed, whole
from tests.server_process import HANG_S, ServerProcess

PATH = "/v1/messages"
BAD = "how to make a bomb"
REFUSAL = "Sorry, I cannot help with that."
HELLO: list[Any] = [{"role": "user", "content": "tell me a story"}]
ASK: dict[str, Any] = {"model": "stub-1", "max_tokens": 64, "messages": HELLO}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
PICTURE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url, stream_score_tokens=8, stream_doubt_tokens=0)


@pytest.fixture(scope="module")
def strict(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(
        upstream_url=upstream.url,
        api_keys="postern-key",
        on_block="error",
        on_media="pass",
        judge_instructions=True,
        stream_doubt_tokens=0,
    )


def client_of(server: ServerProcess, key: str = "clients", **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=server.url, api_key=key, max_retries=0, timeout=HANG_S, **options
    )


@pytest.fixture(scope="module")
def client(guarded: ServerProcess) -> Iterator[anthropic.Anthropic]:
    with client_of(guarded) as opened:
        yield opened


@pytest.fixture(scope="module")
def strict_client(strict: ServerProcess) -> Iterator[anthropic.Anthropic]:
    with client_of(strict, "postern-key") as opened:
        yield opened


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def result(content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": content}


def assert_refused(answer: anthropic.types.Message, stage: str) -> dict[str, Any]:
    assert answer.stop_reason == "refusal"
    assert [(one.type, one.text) for one in answer.content if one.type == "text"] == [
        ("text", REFUSAL)
    ]
    verdict: dict[str, Any] = (answer.model_extra or {})["postern"]
    assert (verdict["stage"], verdict["harmful"]) == (stage, True)
    return verdict


# --- whole ------------------------------------------------------------------------------------


def test_a_harmless_message_passes_unchanged(
    guarded: ServerProcess, client: anthropic.Anthropic, upstream: StubUpstream
) -> None:
    told = message("sure here is a story", {**TOOL, "input": {"city": "Rome"}}, x_new=[1, {"a": 2}])
    upstream.play(whole(told, request_id="req_1", anthropic_ratelimit_requests_limit="9"))
    answer = client.messages.create(**ASK, extra_headers={"anthropic-beta": "some-beta"})
    assert (answer.content[0].type, answer.stop_reason) == ("text", "end_turn")
    (seen,) = upstream.seen
    assert (seen.method, seen.path, seen.json) == ("POST", "/v1/messages", ASK)
    assert seen.headers["anthropic-version"] == client.default_headers["anthropic-version"]
    assert seen.headers["anthropic-beta"] == "some-beta"
    reply = guarded.post(PATH, json=ASK)
    assert reply.json() == told
    assert reply.headers["x-postern-verdict"] == "unharmful"
    assert reply.headers["x-upstream-request-id"] == "req_1"
    assert reply.headers["anthropic-ratelimit-requests-limit"] == "9"


@pytest.mark.parametrize(
    ("messages", "turn"),
    [
        ([user(BAD)], 0),
        ([user([text("tell me"), text(BAD)])], 0),
        ([user(BAD), *HELLO], 0),
        ([*HELLO, assistant(BAD), *HELLO], 1),
        ([*HELLO, assistant([{**TOOL, "input": {"q": [BAD]}}]), user([result("ok")])], 1),
        ([*HELLO, assistant([{**TOOL, "input": {BAD: 1}}]), user([result("ok")])], 1),
        ([*HELLO, assistant([TOOL]), user([result(BAD)])], 2),
        ([*HELLO, assistant([TOOL]), user([result([text("a"), text(BAD)])])], 2),
        ([*HELLO, assistant([TOOL]), user([result("ok"), text(BAD)])], 2),
        ([*HELLO, assistant([{"type": "thinking", "thinking": BAD, "signature": "x"}])], 1),
        ([*HELLO, assistant([{"type": "thinking", "thinking": "a", "signature": BAD}])], 1),
        ([*HELLO, assistant([{"type": "redacted_thinking", "data": BAD}])], 1),
        (
            [
                user(
                    [
                        {"type": "document", "source": {"type": "text", "data": BAD}},
                        text("sum it up"),
                    ]
                )
            ],
            0,
        ),
        (
            [
                user(
                    [{"type": "search_result", "source": "u", "title": "t", "content": [text(BAD)]}]
                )
            ],
            0,
        ),
    ],
)
def test_every_part_of_a_request_is_judged(
    client: anthropic.Anthropic, upstream: StubUpstream, messages: list[Any], turn: int
) -> None:
    upstream.play(whole(message("sure")))
    answer = client.messages.create(**ASK | {"messages": messages})
    assert assert_refused(answer, "prompt")["turn"] == turn
    assert not upstream.seen


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"user_id": BAD}},
        {"stop_sequences": [BAD]},
        {"model": BAD},
        {"x_new": {"deep": [BAD]}},
        {BAD: 1},
    ],
    ids=str,
)
def test_fields_beside_the_messages_are_judged(
    guarded: ServerProcess, upstream: StubUpstream, fields: dict[str, Any]
) -> None:
    upstream.play(whole(message("sure")))
    reply = guarded.post(PATH, json=ASK | fields)
    assert reply.json()["stop_reason"] == "refusal", reply.text
    assert BAD not in reply.text
    assert not upstream.seen


@pytest.mark.parametrize(
    "fields",
    [
        {"system": BAD},
        {"system": [text("be kind"), text(BAD)]},
        {"tools": [{"name": "f", "description": BAD, "input_schema": {"type": "object"}}]},
        {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {BAD: {}}}}]},
        {"messages": [{"role": "system", "content": BAD}, *HELLO]},
    ],
    ids=str,
)
def test_instructions_are_judged_where_the_operator_says_so(
    client: anthropic.Anthropic,
    strict_client: anthropic.Anthropic,
    upstream: StubUpstream,
    fields: dict[str, Any],
) -> None:
    upstream.play(whole(message("sure")))
    with pytest.raises(anthropic.BadRequestError) as blocked:
        strict_client.messages.create(**ASK | fields)
    assert not upstream.seen
    body: Any = blocked.value.body
    assert body["error"]["type"] == "invalid_request_error"
    assert body["postern"]["stage"] == "prompt"
    assert client.messages.create(**ASK | fields).stop_reason == "end_turn"
    assert upstream.seen[0].json == ASK | fields


def test_harmless_turns_of_every_kind_pass(
    client: anthropic.Anthropic, upstream: StubUpstream
) -> None:
    signature = base64.b64encode(secrets.token_bytes(300)).decode()
    cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    messages = [
        user([{"type": "document", "source": {"type": "text", "data": "a"}, **cached}, text("b")]),
        assistant(
            [
                {"type": "thinking", "thinking": "a", "signature": signature},
                {"type": "redacted_thinking", "data": signature},
                text("let me see"),
                TOOL,
            ]
        ),
        user([result([text("a")]), {**result(""), "is_error": True}]),
    ]
    upstream.play(whole(message("sure")))
    assert client.messages.create(**ASK | {"messages": messages}).stop_reason == "end_turn"
    assert upstream.seen[0].json["messages"] == messages


@pytest.mark.parametrize(
    "part",
    [
        PICTURE,
        result([PICTURE]),
        {"type": "document", "source": {"type": "base64", "media_type": "a/b", "data": "aGk="}},
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "x_new_kind", "text": "read a book"},
        {"type": "text", "text": "read", "source": PICTURE["source"]},
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_refused_or_marked(
    client: anthropic.Anthropic,
    strict_client: anthropic.Anthropic,
    upstream: StubUpstream,
    part: dict[str, Any],
) -> None:
    asked = ASK | {"messages": [user([text("read a book"), part])]}
    upstream.play(whole(message("sure")))
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(**asked)
    assert not upstream.seen
    passed = strict_client.messages.with_raw_response.create(**asked)
    assert passed.headers["x-postern-unjudged"] == "media"
    assert upstream.seen[0].json == asked
    upstream.play(whole(message("sure", part)))
    with pytest.raises(anthropic.InternalServerError):  # an answer with more than text
        client.messages.create(**ASK)


@pytest.mark.parametrize(
    "told",
    [
        message(BAD),
        message("sure", {**TOOL, "input": {"q": {"deep": BAD}}}),
        message({"type": "thinking", "thinking": BAD, "signature": "x"}, "sure"),
        message("sure", stop_sequence=BAD),
        message({"type": "text", "text": "a", "citations": [{"type": "t", "cited_text": BAD}]}),
    ],
    ids=str,
)
def test_a_harmful_answer_is_replaced(
    client: anthropic.Anthropic,
    strict_client: anthropic.Anthropic,
    upstream: StubUpstream,
    told: dict[str, Any],
) -> None:
    upstream.play(whole(told))
    answer = client.messages.create(**ASK)
    assert_refused(answer, "response")
    assert (answer.id, answer.usage.output_tokens) == ("msg_stub", 3)
    assert BAD not in answer.to_json()
    with pytest.raises(anthropic.BadRequestError) as blocked:
        strict_client.messages.create(**ASK)
    assert "was judged harmful" in blocked.value.message


def test_an_answer_belongs_to_its_question_across_tools(
    strict: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(message("sure")))
    messages = [*HELLO, assistant([TOOL]), user([result("it rains")])]
    reply = strict.post(
        PATH, json=ASK | {"messages": messages}, headers={"X-Api-Key": "postern-key"}
    )
    assert (reply.status_code, reply.headers["x-postern-verdict"]) == (200, "unharmful")


# --- errors -----------------------------------------------------------------------------------


def test_errors_have_anthropic_s_shape(
    client: anthropic.Anthropic, guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(message("sure")))
    for body, status in (
        ({"messages": []}, 400),
        ({"messages": [{"role": "tool", "content": "a"}]}, 400),
        ({"messages": [user(None)]}, 400),
        ({"messages": [user(["a"])]}, 400),
        ({"messages": HELLO, "system": 5}, 400),
        ({"messages": HELLO, "stream": "yes"}, 400),
        ({"messages": [user("")]}, 400),
    ):
        reply = guarded.post(PATH, json=body)
        assert reply.status_code == status, reply.text
        assert reply.json()["type"] == "error"
        assert reply.json()["error"]["type"] == "invalid_request_error"
    assert not upstream.seen
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.count_tokens(model="stub-1", messages=HELLO)
    assert missing.value.type == "not_found_error"


def test_an_error_of_the_upstream_passes_with_its_status(
    client: anthropic.Anthropic, upstream: StubUpstream
) -> None:
    told = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    upstream.play(whole(told, status=429, retry_after="3"))
    with pytest.raises(anthropic.RateLimitError) as limited:
        client.messages.create(**ASK)
    assert limited.value.body == told
    assert limited.value.response.headers["x-postern-origin"] == "upstream"
    assert limited.value.response.headers["retry-after"] == "3"
    told["error"]["message"] = BAD  # type: ignore[index]
    upstream.play(whole(told, status=429))
    with pytest.raises(anthropic.RateLimitError) as limited:
        client.messages.create(**ASK)
    assert BAD not in str(limited.value.body)
    told["error"] = {"type": "overloaded_error", "message": "busy"}
    upstream.play(streamed([sse("error", error=told["error"])]))
    with pytest.raises(anthropic.InternalServerError) as busy:
        client.messages.create(**ASK, stream=True)
    assert busy.value.body == told


@pytest.mark.parametrize(
    "script",
    [
        whole(b"nonsense"),
        whole({"choices": []}),
        whole(message("a", content="text")),
        whole(message("a", content=["text"])),
        whole({}, status=302),
        [],
    ],
    ids=lambda one: str(one)[-60:],
)
def test_a_failure_of_the_upstream_is_no_answer(
    client: anthropic.Anthropic, upstream: StubUpstream, script: Any
) -> None:
    upstream.play(script)
    with pytest.raises(anthropic.InternalServerError) as failed:
        client.messages.create(**ASK)
    assert failed.value.status_code == 502
    assert failed.value.type == "api_error"


# --- keys -------------------------------------------------------------------------------------


def test_the_key_for_this_server_stands_where_either_client_puts_it(
    strict: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(message("sure")))
    for place in ({"x-api-key": "postern-key"}, {"authorization": "Bearer postern-key"}):
        for theirs, sent in (
            ({}, {}),
            ({"x-upstream-api-key": "k"}, {"x-api-key": "k"}),
            ({"x-upstream-authorization": "Bearer k"}, {"authorization": "Bearer k"}),
            (
                {"x-upstream-api-key": "k", "x-upstream-authorization": "Bearer j"},
                {"x-api-key": "k"},
            ),
        ):
            upstream.seen.clear()
            reply = strict.post(PATH, json=ASK, headers={**place, **theirs})
            assert reply.status_code == 200
            assert credentials(upstream) == sent
            assert "postern-key" not in repr(upstream.seen)
    with client_of(strict, "wrong") as stranger, pytest.raises(anthropic.AuthenticationError):
        stranger.messages.create(**ASK)


def test_exactly_one_credential_is_sent(
    start_server: StartServer, guarded: ServerProcess, upstream: StubUpstream
) -> None:
    both = {"x-api-key": "theirs", "authorization": "Bearer theirs", "api-key": "theirs"}
    upstream.play(whole(message("sure")))
    guarded.post(PATH, json=ASK, headers=both)
    assert credentials(upstream) == {"x-api-key": "theirs"}
    with_key = start_server(upstream_url=upstream.url, upstream_api_key="upstream-key")
    upstream.seen.clear()
    with_key.post(PATH, json=ASK, headers=both)
    assert credentials(upstream) == {"x-api-key": "upstream-key"}


def credentials(upstream: StubUpstream) -> dict[str, str]:
    (seen,) = upstream.seen
    found = [(name.lower(), value) for name, value in seen.header_lines]
    return {
        name: value for name, value in found if name in ("authorization", "x-api-key", "api-key")
    }


# --- streams ----------------------------------------------------------------------------------


def test_a_harmless_stream_passes_whole(
    client: anthropic.Anthropic, upstream: StubUpstream
) -> None:
    signature = base64.b64encode(secrets.token_bytes(300)).decode()
    upstream.play(
        streamed(
            [
                begin(),
                sse("ping"),
                *thought(0, "let me think about it. ", signature),
                *text_block(1, "Once upon a time ", "there was a gate. ", "It was kept well."),
                sse("x_new_event", note="read a book"),
                *tool_call(2, '{"city": "Pa', 'ris"}'),
                *finish("tool_use"),
            ]
        )
    )
    with client.messages.stream(**ASK) as stream:
        answer = stream.get_final_message()
    thinking, told, called = answer.content
    assert thinking.type == "thinking"
    assert (thinking.thinking, thinking.signature) == ("let me think about it. ", signature)
    assert told.type == "text"
    assert told.text == "Once upon a time there was a gate. It was kept well."
    assert called.type == "tool_use"
    assert called.input == {"city": "Paris"}
    assert (answer.stop_reason, answer.usage.output_tokens) == ("tool_use", 12)


def test_a_passed_stream_tells_its_verdict_at_its_end(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    forged: dict[str, Any] = {"postern": {"harmful": False, "forged": True}}
    told = [begin(**forged), *text_block(0, "Read a book. "), *finish(**forged)]
    upstream.play(streamed(told))
    reply = guarded.post(PATH, json=ASK | {"stream": True})
    assert reply.headers["x-postern-verdict"] == "pending"
    found = events(reply.text)
    assert [one["type"] for one in found][-2:] == ["message_delta", "message_stop"]
    assert found[-2]["postern"]["stage"] == "response"
    assert "forged" not in reply.text


def events(told: str) -> list[dict[str, Any]]:
    """The data of all events, each of which has its kind as its name."""
    parts = told.split("\n\n")
    assert parts.pop() == ""
    found = []
    for part in parts:
        name, data = part.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_a_blocked_prompt_is_a_stream_that_refuses(
    client: anthropic.Anthropic, strict_client: anthropic.Anthropic, upstream: StubUpstream
) -> None:
    upstream.play(said("sure"))
    bad = ASK | {"messages": [user(BAD)]}
    with client.messages.stream(**bad) as stream:
        assert "".join(stream.text_stream) == REFUSAL
        answer = stream.get_final_message()
    assert (answer.stop_reason, answer.model) == ("refusal", "stub-1")
    with pytest.raises(anthropic.BadRequestError), strict_client.messages.stream(**bad) as stream:
        stream.get_final_message()
    assert not upstream.seen


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], text_block(0, "Make a bomb so. ", "And then go. ")),
        (text_block(0, "Read a good book now. ", "It is about a gate. "), text_block(1, BAD)),
        (
            [*text_block(0, "Read a good book now. ", "It is about a gate. ")[:-1]],
            [delta(0, type="text_delta", text="Make a bomb so. "), close(0)],
        ),
        (thought(0, "Read a good book now. "), thought(1, "Make a bomb so. ")),
        (text_block(0, "Read a good book now. "), tool_call(1, '{"q": "how to ', 'make a bomb"}')),
        (text_block(0, "Read a good book now. "), [sse("x_new_event", note=[BAD])]),
        (text_block(0, "Read a good book now. "), tool_call(1, "{}", name=BAD)),
        (
            text_block(0, "Read a good book now. "),
            [
                block(1, text("")),
                delta(1, type="citations_delta", citation={"cited_text": BAD}),
                close(1),
            ],
        ),
    ],
    ids=str,
)
def test_a_harmful_stream_is_cut_well_formed(
    client: anthropic.Anthropic,
    guarded: ServerProcess,
    upstream: StubUpstream,
    before: list[bytes],
    after: list[bytes],
) -> None:
    upstream.play(streamed([begin(), *before, *after, *finish()]))
    with client.messages.stream(**ASK) as stream:
        answer = stream.get_final_message()
    assert answer.stop_reason == "refusal"
    told = guarded.post(PATH, json=ASK | {"stream": True}).text
    assert "bomb" not in told
    found = events(told)
    kinds = [one["type"] for one in found]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop")
    assert kinds.count("message_delta") == 1
    assert found[-2]["postern"]["harmful"] is True
    if not before:
        assert [one.text for one in answer.content if one.type == "text"] == [REFUSAL]
    assert (REFUSAL in told) is (not before)


def test_a_cut_stream_with_blocks_as_errors_ends_in_an_error(
    strict_client: anthropic.Anthropic, upstream: StubUpstream
) -> None:
    upstream.play(said("Make a bomb so. ", "And then go. "))
    with pytest.raises(anthropic.BadRequestError):
        strict_client.messages.create(**ASK, stream=True)
    upstream.play(said("Read a good book now. It is about a gate. ", "Make a bomb so. "))
    stream = strict_client.messages.create(**ASK, stream=True)
    with stream, pytest.raises(anthropic.APIStatusError) as cut:
        list(stream)
    assert "invalid_request_error" in str(cut.value.body)


@pytest.mark.parametrize(
    "tail",
    [
        [],
        [close(0)],
        [b"data: nonsense\n\n"],
        [b"data: [DONE]\n\n"],
        [sse("error", error={"type": "overloaded_error", "message": "busy"})],
        [begin()],
        [block(0, text(""))],
        [delta(1, type="text_delta", text="a")],
        [close(5)],
        [block(-1, text("")), *finish()],
        [block(1, PICTURE), close(1), *finish()],
        [block(1, {"type": "x_new_kind"}), close(1), *finish()],
        [sse("x_new_event", image={"data": "aGk="}), *finish()],
        [sse("content_block_delta", index=0, delta="a"), *finish()],
        [sse("content_block_start", index=1), *finish()],
    ],
    ids=str,
)
def test_a_broken_stream_is_an_error_and_never_a_whole_message(
    client: anthropic.Anthropic, upstream: StubUpstream, tail: list[bytes]
) -> None:
    good = text_block(0, "Read a good book now. ", "It is about a gate. ")[:-1]
    upstream.play(streamed([begin(), *good, *tail]))
    stream = client.messages.create(**ASK, stream=True)
    with stream, pytest.raises(anthropic.APIStatusError) as broken:
        list(stream)
    assert "api_error" in str(broken.value.body)


@pytest.mark.parametrize("first", [sse("message_stop"), *text_block(0, "a"), *finish()])
def test_a_stream_begins_with_a_message(
    client: anthropic.Anthropic, upstream: StubUpstream, first: bytes
) -> None:
    upstream.play(streamed([first, *finish()]))
    with pytest.raises(anthropic.InternalServerError) as broken:
        client.messages.create(**ASK, stream=True)
    assert broken.value.status_code == 502


def test_outcomes_are_counted(guarded: ServerProcess, upstream: StubUpstream) -> None:
    def counted(outcome: str) -> float:
        return guarded.metric(f'postern_proxied_total{{outcome="{outcome}"}}')

    before = {name: counted(name) for name in ("passed", "blocked_prompt", "failed")}
    upstream.play(said("Read a good book now. "))
    guarded.post(PATH, json=ASK | {"stream": True})
    guarded.post(PATH, json=ASK | {"messages": [user(BAD)]})
    upstream.play(streamed([begin()]))
    guarded.post(PATH, json=ASK | {"stream": True})
    assert {name: counted(name) - before[name] for name in before} == dict.fromkeys(before, 1.0)
    assert guarded.metric('postern_requests_total{route="/v1/messages",status="200"}') >= 2
