"""The guarded Responses API over real sockets: what passes, what is refused, what is cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.scripted_responses import (
    Script,
    contents_of,
    event,
    function_call,
    message,
    reasoning,
    response,
    stream_of,
    texts_of,
)
from tests.scripted_upstream import DONE, StubUpstream, streamed, whole
from tests.server_process import HANG_S, ServerProcess

PATH = "/v1/responses"
HELLO: dict[str, Any] = {"role": "user", "content": "tell me a story"}
GOOD = "read a book with your friends. "
BAD = "now a bomb of poison. "
REFUSAL = "Sorry, I cannot help with that."


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(
        upstream_url=upstream.url,
        stream_score_tokens=8,
        stream_doubt_tokens=0,
        upstream_total_timeout_ms=100_000,
    )


def ask(server: ServerProcess, *items: Any, **fields: Any) -> httpx.Response:
    return server.post(
        PATH, json={"model": "m", "input": list(items) or "tell me a story"} | fields
    )


def stream(server: ServerProcess, *items: Any, **fields: Any) -> list[dict[str, Any]]:
    reply = ask(server, *items, stream=True, **fields)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    return contents_of(reply.text)


def assert_blocked(reply: httpx.Response, stage: str) -> None:
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-postern-verdict"] == "harmful"
    assert reply.headers["x-postern-stage"] == stage
    body = reply.json()
    assert body["incomplete_details"] == {"reason": "content_filter"}
    assert body["output"][0]["content"] == [{"type": "refusal", "refusal": REFUSAL}]
    assert body["postern"]["harmful"] is True


# --- requests -----------------------------------------------------------------------------------

ANSWERED = [
    reasoning("{}"),
    function_call('{"q": "{}"}'),
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "{}"}},
    {"type": "file_search_call", "id": "fs_1", "queries": ["{}"], "results": None},
    {"type": "code_interpreter_call", "id": "ci_1", "container_id": "c", "code": "{}"},
    {"type": "computer_call", "call_id": "c", "action": {"type": "type", "text": "{}"}},
    {"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "n", "arguments": "{}"},
    {"type": "mcp_list_tools", "id": "m", "tools": [{"name": "n", "description": "{}"}]},
    {"type": "custom_tool_call", "call_id": "c", "name": "n", "input": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "{}"},
    {
        "type": "function_call_output",
        "call_id": "c",
        "output": [{"type": "input_text", "text": "{}"}],
    },
    {"type": "local_shell_call_output", "id": "c", "output": "{}"},
    {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True, "reason": "{}"},
    {"role": "assistant", "content": "{}"},
    message("{}"),
    {"role": "user", "content": [{"type": "input_text", "text": "{}"}]},
]


@pytest.mark.parametrize("item", ANSWERED, ids=lambda item: item.get("type") or item["role"])
def test_every_kind_of_item_is_judged(
    guarded: ServerProcess, upstream: StubUpstream, item: dict[str, Any]
) -> None:
    for text in ("read a book", "a bomb of poison"):
        upstream.play(whole(response(message("sure"))))
        said = json.loads(json.dumps(item).replace("{}", text))
        reply = ask(guarded, HELLO, said, HELLO)
        if text == "read a book":
            assert reply.headers["x-postern-verdict"] == "unharmful", reply.text
            assert upstream.seen[0].json["input"] == [HELLO, said, HELLO]
        else:
            assert_blocked(reply, "prompt")
            assert reply.json()["postern"]["turn"] == 1
            assert upstream.seen == []


def test_variables_of_a_template_are_judged(guarded: ServerProcess, upstream: StubUpstream) -> None:
    upstream.play(whole(response(message("sure"))))
    for value in ("a bomb of poison", {"type": "input_text", "text": "a bomb of poison"}):
        prompt = {"id": "pmpt_1", "version": "2", "variables": {"topic": value}}
        assert_blocked(ask(guarded, HELLO, prompt=prompt), "prompt")
    reply = guarded.post(PATH, json={"prompt": {"id": "pmpt_1", "variables": {"topic": "a book"}}})
    assert reply.json()["output"] == [message("sure")]


def test_instructions_are_judged_where_the_settings_say_so(
    start_server: StartServer, guarded: ServerProcess, upstream: StubUpstream
) -> None:
    strict = start_server(upstream_url=upstream.url, judge_instructions=True)
    schema = {"type": "json_schema", "name": "s", "schema": {"description": "a bomb of poison"}}
    for fields in (
        {"instructions": "Tell of a bomb of poison."},
        {"tools": [{"type": "function", "name": "f", "description": "Makes a bomb of poison."}]},
        {"text": {"format": schema}},
        {"input": [{"role": "system", "content": "Tell of a bomb of poison."}, HELLO]},
    ):
        upstream.play(whole(response(message("sure"), **{"tools": [], **fields})))
        assert_blocked(ask(strict, **fields), "prompt")
        assert ask(guarded, **fields).json()["output"] == [message("sure")]
    assert_blocked(ask(guarded, metadata={"topic": "a bomb of poison"}), "prompt")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": None}, "body_mismatch", "input"),
        ({"input": 5}, "body_mismatch", "input"),
        ({"input": ""}, "empty_prompt", None),
        ({"input": []}, "nothing_to_judge", None),
        ({"input": [5]}, "body_mismatch", "input.0"),
        ({"input": [{"type": "x_new", "text": "a"}]}, "body_mismatch", "input.0.type"),
        ({"input": [{"type": ["x"]}]}, "body_mismatch", "input.0.type"),
        ({"input": [{"role": "wizard", "content": "a"}]}, "body_mismatch", "input.0.role"),
        ({"background": True}, "body_mismatch", "background"),
        ({"stream": "yes"}, "body_mismatch", "stream"),
        ({"instructions": ["a"]}, "body_mismatch", "instructions"),
        ({"previous_response_id": 5}, "body_mismatch", "previous_response_id"),
        ({"previous_response_id": "r"}, "previous_response_not_found", "previous_response_id"),
        ({"conversation": "c"}, "previous_response_not_found", "conversation"),
        ({"conversation": {"id": "c"}}, "previous_response_not_found", "conversation"),
        ({"input": [{"type": "item_reference", "id": "i"}, HELLO]}, None, "input.0.id"),
        ({"input": [{"id": "i"}, HELLO]}, None, "input.0.id"),
        ({"tools": [{"type": "image_generation"}]}, "unreadable_content", None),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "unreadable_content",
            None,
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "unreadable_content",
            None,
        ),
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_refused(
    guarded: ServerProcess,
    upstream: StubUpstream,
    fields: dict[str, Any],
    code: str | None,
    param: str | None,
) -> None:
    upstream.play(whole(response(message("sure"))))
    reply = ask(guarded, **fields)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, param), reply.text
    assert error["code"] == (code or "previous_response_not_found")
    assert upstream.seen == []


def test_items_of_what_passed_may_be_referred_to(
    start_server: StartServer, guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(whole(response(message("sure", id="msg_7"), id="resp_7")))
    assert ask(guarded).status_code == 200
    reply = ask(guarded, {"type": "item_reference", "id": "msg_7"}, HELLO)
    assert reply.status_code == 200, reply.text
    open_one = start_server(upstream_url=upstream.url, on_unknown_id="pass")
    assert ask(open_one, previous_response_id="resp_other", conversation="c").status_code == 200
    forgetful = start_server(upstream_url=upstream.url, chat_passed_ids=0)
    assert ask(forgetful).status_code == 200
    assert ask(forgetful, previous_response_id="resp_7").status_code == 400


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", ANSWERED, ids=lambda item: item.get("type") or item["role"])
def test_every_item_of_an_answer_is_judged(
    guarded: ServerProcess, upstream: StubUpstream, item: dict[str, Any]
) -> None:
    said = json.loads(json.dumps(item).replace("{}", "a bomb of poison"))
    upstream.play(whole(response(message("sure"), said)))
    reply = ask(guarded)
    assert_blocked(reply, "response")
    assert "bomb" not in reply.text
    script = Script().item(message("sure"))
    for kind in ("added", "done"):
        script.add(f"response.output_item.{kind}", output_index=1, item=said)
    upstream.play(streamed(script.add("response.completed", response=response()).events))
    found = stream(guarded)
    assert found[-1]["type"] == "response.incomplete"
    assert "bomb" not in str(found)


def test_an_answer_passes_unchanged(guarded: ServerProcess, upstream: StubUpstream) -> None:
    note = {"type": "url_citation", "url": "https://example.org/a", "title": "a story"}
    item = message("read a book")
    item["content"][0]["annotations"] = [note | {"start_index": 0, "end_index": 4}]
    sent = response(reasoning("I think"), item, x_new={"kept": 12345678901234567890})
    upstream.play(whole(sent))
    reply = ask(guarded)
    assert reply.json() == sent
    assert reply.headers["x-postern-verdict"] == "unharmful"


@pytest.mark.parametrize(
    "sent", [{"object": "response"}, {"output": "x"}, {"output": ["x"]}, [], {"choices": []}]
)
def test_what_is_no_response_is_an_error(
    guarded: ServerProcess, upstream: StubUpstream, sent: Any
) -> None:
    upstream.play(whole(sent))
    reply = ask(guarded)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_invalid")


# --- streams ------------------------------------------------------------------------------------


def test_a_stream_passes_whole(guarded: ServerProcess, upstream: StubUpstream) -> None:
    script = Script().item(reasoning("I think of a story. ")).item(message(GOOD * 5))
    script.add("response.web_search_call.searching", item_id="ws_1", output_index=2)
    script.add("x_new.event", output_index=2, n=12345678901234567890)
    script.item(function_call('{"q": "a story"}')).end()
    upstream.play(streamed([*script.events, DONE]))
    found = stream(guarded)
    verdict = found[-1]["response"].pop("postern")
    assert verdict["harmful"] is False
    assert found == script.contents


def test_calls_are_held_until_they_are_complete_and_no_longer(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    call = function_call('{"q": "a story", "n": "' + "read " * 40 + '"}')
    script = Script().item(call)
    upstream.play(streamed([*script.events, 0.5, b"data: {\n\n"]))
    found = stream(guarded)
    assert found[-1]["type"] == "error"
    assert "response.function_call_arguments.done" in [one["type"] for one in found]
    script = Script().item(call)
    upstream.play(streamed([*script.events[:-2], 0.5, b"data: {\n\n"]))
    found = stream(guarded)
    assert found[-1]["type"] == "error"
    assert "arguments" not in " ".join(one["type"] for one in found)


def test_a_stream_is_cut_before_the_harm(guarded: ServerProcess, upstream: StubUpstream) -> None:
    upstream.play(stream_of(message(GOOD + BAD + "more " * 50)))
    found = stream(guarded)
    last = found[-1]["response"]
    assert last["incomplete_details"] == {"reason": "content_filter"}
    assert last["status"] == "incomplete"
    assert last["postern"]["harmful"] is True
    assert texts_of(found) == last["output"][0]["content"][0]["text"]
    assert texts_of(found).startswith("read a book")
    kinds = [one["type"] for one in found]
    assert kinds[-4:-1] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    assert "bomb" not in str(found)


@pytest.mark.parametrize(
    "kind", ["output_text.done", "content_part.done", "output_item.done", "completed"]
)
def test_text_that_was_not_said_in_pieces_is_judged_where_it_is_repeated(
    guarded: ServerProcess, upstream: StubUpstream, kind: str
) -> None:
    script = Script().item(message(GOOD)).end()
    contents = json.loads(json.dumps(script.contents))
    at = next(n for n, one in enumerate(contents) if one["type"] == f"response.{kind}")
    contents[at] = json.loads(json.dumps(contents[at]).replace(GOOD, BAD))
    upstream.play(streamed(map(event, contents)))
    found = stream(guarded)
    assert found[-1]["type"] == "response.incomplete"
    assert "bomb" not in str(found)


def test_harm_in_the_first_words_is_answered_with_the_refusal(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.play(stream_of(message(BAD)))
    for found in (stream(guarded), stream(guarded, {"role": "user", "content": BAD})):
        kinds = [one["type"] for one in found]
        assert kinds[:2] == ["response.created", "response.in_progress"]
        assert kinds[-1] == "response.incomplete"
        assert found[-1]["response"]["output"][0]["content"][0]["refusal"] == REFUSAL
        assert "bomb" not in str(found)


def test_where_a_block_is_an_error_it_is_one_before_and_within_a_stream(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(
        upstream_url=upstream.url, on_block="error", stream_score_tokens=8, stream_doubt_tokens=0
    )
    upstream.play(stream_of(message(GOOD + BAD + "more " * 50)))
    found = stream(server)
    assert found[-1]["type"] == "error"
    assert found[-1]["code"] == found[-1]["error"]["code"] == "content_filter"
    assert texts_of(found).startswith("read a book")
    upstream.play(stream_of(message(BAD)))
    for reply in (ask(server, stream=True), ask(server, {"role": "user", "content": BAD})):
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "content_filter")


@pytest.mark.parametrize("end", ["incomplete", "failed"])
def test_other_ends_of_the_upstream_pass(
    guarded: ServerProcess, upstream: StubUpstream, end: str
) -> None:
    script = Script().item(message(GOOD)).end(end, incomplete_details={"reason": "max_messages"})
    upstream.play(streamed(script.events))
    found = stream(guarded)
    assert found[-1]["type"] == f"response.{end}"
    assert texts_of(found) == GOOD


def test_a_stream_without_its_last_event_is_an_error(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    failed = 'postern_proxied_total{outcome="failed"}'
    before = guarded.metric(failed)
    script = Script().item(message(GOOD))
    for ends in ([], [DONE]):
        upstream.play(streamed([*script.events, 0.3, *ends]))
        found = stream(guarded)
        assert found[-1]["type"] == "error"
        assert found[-1]["code"] == "upstream_invalid"
        assert not any(one["type"] == "response.completed" for one in found)
    guarded.wait_for_metric(failed, before + 2.0)


def test_a_stream_without_end_meets_the_total_time(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, upstream_total_timeout_ms=1500)
    at = {"item_id": "msg_stub", "output_index": 0, "content_index": 0}
    drip = event({"type": "response.output_text.delta", **at, "delta": GOOD})
    steps = [part for _ in range(2000) for part in (drip, 0.02)]
    upstream.play(streamed([*Script().events, *steps]))
    reply = ask(server, stream=True)
    assert '"code":"upstream_timeout"' in reply.text
    assert upstream.seen[0].left.wait(HANG_S)
    server.wait_for_metric('postern_proxied_total{outcome="failed"}', 1.0)


def test_other_paths_say_what_is_guarded(guarded: ServerProcess) -> None:
    for path in ("/v1/responses/resp_1", "/v1/responses/resp_1/cancel", "/v1/files"):
        reply = guarded.post(path, json={})
        error = reply.json()["error"]
        assert (reply.status_code, error["code"]) == (404, "unknown_url"), reply.text
        assert "POST /v1/responses" in error["message"]
        assert "POST /v1/chat/completions" in error["message"]
