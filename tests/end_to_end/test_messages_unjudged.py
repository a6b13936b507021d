"""No string of Anthropic's Messages reaches a model or a user unjudged, wherever it stands.

As in `test_chat_unjudged`: the server's model fails for every window that holds a word. A request
with that word must not arrive, an answer with it must not come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import StartServer
from tests.end_to_end.hidden_json import PHRASE, WORD, filler, hidden_in
from tests.scripted_messages import begin, block, close, delta, finish, message, sse, text_block
from tests.scripted_upstream import StubUpstream, streamed, whole
from tests.server_process import HANG_S, ServerProcess

PATH = "/v1/messages"
ASKED = {"role": "user", "content": "tell me a story"}


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


# --- JSON with the phrase at one place ----------------------------------------------------------

NAMES = st.sampled_from(
    [
        *("content", "role", "name", "id", "type", "text", "thinking", "signature", "data"),
        *("input", "source", "tool_use_id", "citations", "index", "cache_control", "title", ""),
        *("encrypted_content", "partial_json", "stop_reason", "model", "x_new", "url", "caller"),
    ]
)
FILLER, HIDDEN = filler(NAMES), hidden_in(NAMES)
KINDS = st.sampled_from(
    [
        *("text", "thinking", "redacted_thinking", "tool_use", "tool_result", "document", "image"),
        *("search_result", "server_tool_use", "web_search_tool_result", "x_new_kind"),
    ]
)


def _block(draw: Any) -> dict[str, Any]:
    """A block that holds the phrase, in a field or as the name of one."""
    made: dict[str, Any] = {"type": draw(KINDS), "text": "read"} | draw(
        st.dictionaries(NAMES, FILLER, max_size=2)
    )
    if draw(st.booleans()):
        return made | {draw(NAMES): draw(HIDDEN)}
    return made | {PHRASE: draw(FILLER)}


BLOCKS = st.composite(_block)()


def _in_request(draw: Any) -> dict[str, Any]:
    role = draw(st.sampled_from(["user", "assistant", "system"]))
    told: dict[str, Any] = {"role": role, "content": "read a book"}
    body: dict[str, Any] = {"model": "m", "messages": [ASKED, told, ASKED]}
    places = ["field", "key", "message", "message key", "content", "block", "system", "nested"]
    place = draw(st.sampled_from(places))
    if place == "field":
        names = ["tools", "stop_sequences", "metadata", "model", "x_new", "thinking", "system"]
        body[draw(st.sampled_from(names))] = draw(HIDDEN)
    elif place == "key":
        body[PHRASE] = draw(FILLER)
    elif place == "message":
        told[draw(NAMES)] = draw(HIDDEN)
    elif place == "message key":
        told[PHRASE] = None
    elif place == "content":
        told["content"] = draw(HIDDEN)
    elif place == "block":
        told["content"] = [draw(BLOCKS)]
    elif place == "system":
        body["system"] = [draw(BLOCKS)]
    else:
        told["content"] = [{"type": "tool_result", "content": [draw(BLOCKS)]}]
    return body


REQUESTS = st.composite(_in_request)()


@settings(max_examples=100)
@given(body=REQUESTS)
def test_no_string_of_a_request_reaches_the_upstream_unjudged(
    client: httpx.Client, upstream: StubUpstream, body: dict[str, Any]
) -> None:
    upstream.play(whole(message("read a book")))
    reply = client.post(PATH, json=body)
    assert reply.status_code in (400, 500), reply.text
    assert not upstream.seen
    assert WORD not in reply.text


@settings(max_examples=60)
@given(made=BLOCKS, name=NAMES, hidden=HIDDEN, in_block=st.booleans())
def test_no_string_of_an_answer_reaches_the_user_unjudged(
    client: httpx.Client,
    upstream: StubUpstream,
    made: dict[str, Any],
    name: str,
    hidden: Any,
    in_block: bool,
) -> None:
    told = message("read", made) if in_block else message("read") | {name: hidden}
    upstream.play(whole(told))
    reply = client.post(PATH, json={"messages": [ASKED]})
    assert WORD not in reply.text
    assert reply.status_code in (500, 502), reply.text


def _in_stream(draw: Any) -> list[bytes]:
    """The events of a stream, one of which holds the phrase."""
    hidden, name = draw(HIDDEN), draw(NAMES)
    beside = "x_index" if name == "index" else name  # which the number of the block would replace
    place = draw(
        st.sampled_from(["start", "block", "beside block", "delta", "stop", "message", "new"])
    )
    kinds = ["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "x_new_delta"]
    kind = draw(st.sampled_from([*kinds, "citations_delta"]))
    first = begin(**{name: hidden}) if place == "start" else begin()
    events = [first, *text_block(0, "Read a book with a friend. ")]
    if place == "block":
        events += [block(1, draw(BLOCKS)), close(1)]
    elif place == "beside block":
        events.append(
            sse(
                "content_block_start",
                **{"content_block": {"type": "text"}} | {beside: hidden} | {"index": 1},
            )
        )
    elif place == "delta":
        made = {"type": kind, "text": "a"} | {name: hidden}
        events += [block(1, {"type": "text", "text": ""}), delta(1, **made), close(1)]
    elif place == "stop":
        events += [sse("content_block_stop", **{beside: hidden} | {"index": 0})]
    elif place == "new":
        events.append(sse("x_new_event", **{f"x_{name}": hidden}))
    end: dict[str, Any] = {"delta": {"stop_reason": "end_turn"}}
    if place == "message":
        within = end["delta"] if draw(st.booleans()) else end
        within |= {name if within is not end else f"x_{name}": hidden}
    return [*events, sse("message_delta", **end), sse("message_stop")]


STREAMS = st.composite(_in_stream)()


@settings(max_examples=100)
@given(events=STREAMS)
def test_no_string_of_a_stream_reaches_the_user_unjudged(
    client: httpx.Client, upstream: StubUpstream, events: list[bytes]
) -> None:
    upstream.play(streamed(events))
    reply = client.post(PATH, json={"messages": [ASKED], "stream": True})
    assert WORD not in reply.text
    assert "message_stop" not in reply.text


@settings(max_examples=30)
@given(hidden=HIDDEN, status=st.sampled_from([400, 429, 500]))
def test_no_string_of_an_error_reaches_the_user_unjudged(
    client: httpx.Client, upstream: StubUpstream, hidden: Any, status: int
) -> None:
    error = {"type": "error", "error": {"type": "api_error", "message": hidden, "code": status}}
    upstream.play(whole(error, status=status))
    reply = client.post(PATH, json={"messages": [ASKED]})
    assert (reply.status_code, WORD in reply.text) == (status, False)
    upstream.play(streamed([sse("error", error=error["error"])]))
    reply = client.post(PATH, json={"messages": [ASKED], "stream": True})
    assert (reply.status_code, WORD in reply.text) == (status, False)


# --- the ones that were thought of --------------------------------------------------------------


@pytest.mark.parametrize(
    "events",
    [
        [sse(f"x\ndata: {PHRASE}", note="read")],
        [sse(f"{PHRASE} x", note="read")],
        [delta(0, type=f"{PHRASE}_delta", text="a")],
        [delta(0, type="signature_delta", signature=one) for one in ("how to bake a ca", "ke")],
        [sse("x_new", id=one) for one in ("how to bake a ca", "ke")],
        [sse("message_delta", delta={"stop_reason": PHRASE})],
    ],
    ids=str,
)
def test_a_word_in_a_kind_or_in_pieces_is_judged(
    client: httpx.Client, upstream: StubUpstream, events: list[bytes]
) -> None:
    told = [begin(), *text_block(0, "Read a book with a friend. "), *events, *finish()]
    upstream.play(streamed(told))
    reply = client.post(PATH, json={"messages": [ASKED], "stream": True})
    assert WORD not in reply.text
    assert "message_stop" not in reply.text
