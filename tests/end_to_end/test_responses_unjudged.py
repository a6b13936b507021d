"""No string of a Responses request or answer passes unjudged, wherever it stands.

As in `test_chat_unjudged.py`: the server's model fails for every window that holds a word, so that
whoever carries the word to the other side has not been judged.
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
from tests.end_to_end.hidden_json import PHRASE, WORD
from tests.end_to_end.test_chat_unjudged import HIDDEN, NAMES
from tests.scripted_responses import Script, event, function_call, message, reasoning, response
from tests.scripted_upstream import StubUpstream, streamed, whole
from tests.server_process import HANG_S, ServerProcess

PATH = "/v1/responses"
HELLO = {"role": "user", "content": "tell me a story"}


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


FIELDS = st.sampled_from(
    [
        *("instructions", "tools", "prompt", "text", "metadata", "conversation", "include"),
        *("previous_response_id", "reasoning", "tool_choice", "user", "model", "x_new", "input"),
    ]
)
KINDS = st.sampled_from(
    [
        *("message", "reasoning", "function_call", "function_call_output", "web_search_call"),
        *("file_search_call", "computer_call", "code_interpreter_call", "mcp_call", "program"),
        *("mcp_list_tools", "mcp_approval_response", "custom_tool_call", "item_reference"),
        *("custom_tool_call_output", "compaction", "additional_tools", "image_generation_call"),
        *("local_shell_call_output", "tool_search_output", "compaction_trigger", "x_new"),
    ]
)
MORE_NAMES = NAMES | st.sampled_from(
    [
        *("summary", "output", "call_id", "status", "encrypted_content", "queries", "action"),
        *("tools", "code", "input", "results", "server_label", "phase", "item_id"),
    ]
)


def _in_request(draw: Any) -> dict[str, Any]:
    hidden, name = draw(HIDDEN), draw(MORE_NAMES)
    item: dict[str, Any] = {"type": draw(KINDS)}
    body: dict[str, Any] = {"model": "m", "input": [HELLO, item, HELLO]}
    place = draw(st.sampled_from(["field", "key", "item", "item key", "part", "variable"]))
    if item["type"] == "message":
        item |= {"role": draw(st.sampled_from(["user", "assistant", "system"])), "content": "read"}
    if place == "field":
        body[draw(FIELDS)] = hidden
    elif place == "key":
        body[PHRASE] = hidden
    elif place == "item":
        item[name] = hidden
    elif place == "item key":
        item[PHRASE] = None
    elif place == "part":
        kind = draw(st.sampled_from(["input_text", "output_text", "refusal", "summary_text"]))
        item[draw(st.sampled_from(["content", "summary", "output"]))] = [
            {"type": kind, "text": "read", name: hidden}
        ]
    else:
        body["prompt"] = {"id": "pmpt_1", "variables": {name: hidden}}
    return body


@settings(max_examples=100)
@given(body=st.composite(_in_request)())
def test_no_string_of_a_request_reaches_the_upstream_unjudged(
    client: httpx.Client, upstream: StubUpstream, body: dict[str, Any]
) -> None:
    upstream.play(whole(response(message("read a book"))))
    reply = client.post(PATH, json=body)
    assert reply.status_code in (400, 500), reply.text
    assert not upstream.seen
    assert WORD not in reply.text


def _in_answer(draw: Any) -> tuple[dict[str, Any], list[bytes]]:
    """A whole response, and a stream, with the phrase in one place."""
    hidden, name = draw(HIDDEN), draw(MORE_NAMES)
    item = draw(
        st.sampled_from([message("read a book"), reasoning("read"), function_call('{"q": 1}')])
    )
    body = last = response(message("read"), item)
    part: dict[str, Any] = (item.get("content") or item.get("summary") or [item])[0]
    place = draw(st.sampled_from(["item", "part", "response", "key", "event", "new event"]))
    script = Script().item(message("read a book"))
    at: dict[str, Any] = {"item_id": "msg_stub", "output_index": 0, "content_index": 0}
    if place in ("event", "new event"):
        kind = draw(
            st.sampled_from(
                [
                    *("output_text.delta", "output_text.done", "content_part.done", "in_progress"),
                    *("output_item.done", "output_item.added", "function_call_arguments.done"),
                    *("reasoning_summary_text.delta", "refusal.done", "web_search_call.searching"),
                    "output_text.annotation.added",
                ]
            )
        )
        kind = f"response.{kind}" if place == "event" else f"x_new.{name}"
        field = draw(
            st.sampled_from(
                ["delta", "text", "item", "part", "item_id", "sequence_number", "annotation"]
            )
            | MORE_NAMES
        )
        if field == "type":
            kind, hidden = PHRASE, 1
        script.add(kind, **(at | {field: hidden} if field != "type" else at))
        body = body | {"x_new": PHRASE}  # only the stream is of interest here
    else:
        changed = {"item": item, "part": part, "response": body, "key": part}[place]
        changed |= {PHRASE: 1} if place == "key" else {name: hidden}
        script.add("response.output_item.added", output_index=1, item=item)
    script.add("response.completed", response=last)
    return body, [event(one) for one in script.contents]


@settings(max_examples=100)
@given(answer=st.composite(_in_answer)())
def test_no_string_of_an_answer_reaches_the_user_unjudged(
    client: httpx.Client, upstream: StubUpstream, answer: tuple[dict[str, Any], list[bytes]]
) -> None:
    body, events = answer
    upstream.play(whole(body))
    reply = client.post(PATH, json={"input": [HELLO]})
    assert WORD not in reply.text
    assert reply.status_code in (500, 502), reply.text
    upstream.play(streamed(events))
    reply = client.post(PATH, json={"input": [HELLO], "stream": True})
    assert WORD not in reply.text
    assert "response.completed" not in reply.text


@settings(max_examples=30)
@given(hidden=HIDDEN, status=st.sampled_from([400, 429, 500]), nested=st.booleans())
def test_no_string_of_an_error_reaches_the_user_unjudged(
    client: httpx.Client, upstream: StubUpstream, hidden: Any, status: int, nested: bool
) -> None:
    upstream.play(whole({"error": {"message": hidden, "code": 5}}, status=status))
    reply = client.post(PATH, json={"input": [HELLO]})
    assert (reply.status_code, WORD in reply.text) == (status, False)
    error = {"message": hidden, "code": status}
    told = {"type": "error", **({"error": error} if nested else error)}
    upstream.play(streamed([f"event: error\ndata: {json.dumps(told)}\n\n".encode()]))
    reply = client.post(PATH, json={"input": [HELLO], "stream": True})
    assert (reply.status_code, WORD in reply.text) == (status, False)
