"""What an upstream sends with a type that nobody knows: in order, judged, counted, never a pass.

In every guarded API that streams, over real sockets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests import scripted_messages as messages
from tests import scripted_responses as responses
from tests.conftest import StartServer
from tests.scripted_texts import text_chunk
from tests.scripted_upstream import DONE, ROLE, STOP, Step, StubUpstream, chunk, streamed, whole
from tests.server_process import ServerProcess

GOOD = "read a book with your friends. "
BAD = "now a bomb of poison. "
KIND = "x.zebra_kind"
COUNTS = (
    ("chat_completions", "event"),
    ("completions", "event"),
    ("messages", "event"),
    ("messages", "item"),
    ("responses", "event"),
    ("responses", "item"),
)
ASKED = [{"role": "user", "content": "tell me a story"}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url, stream_score_tokens=8, stream_doubt_tokens=0)


@pytest.fixture(scope="module")
def lenient(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url, on_media="pass", stream_doubt_tokens=0)


@dataclass(frozen=True)
class Api:
    """script: of a stream that says GOOD twice, with a note of an unknown type between.

    is_cut: whether an event says that the answer was cut.
    """

    name: str
    path: str
    asked: dict[str, Any]
    script: Callable[[str], Sequence[bytes]]
    is_cut: Callable[[dict[str, Any]], bool]


def _chat(note: str) -> list[bytes]:
    strange = f"data: {json.dumps({'object': KIND, 'note': note})}\n\n".encode()
    return [ROLE, chunk(GOOD), strange, chunk(GOOD), STOP, DONE]


def _text(note: str) -> list[bytes]:
    strange = f"data: {json.dumps({'object': KIND, 'note': note})}\n\n".encode()
    return [text_chunk(GOOD), strange, text_chunk(GOOD), text_chunk("", finish="stop"), DONE]


def _message(note: str) -> list[bytes]:
    blocks = [messages.text_block(0, GOOD), messages.text_block(1, GOOD)]
    strange = messages.sse(KIND, note=note)
    return [messages.begin(), *blocks[0], strange, *blocks[1], *messages.finish()]


def _response(note: str) -> list[bytes]:
    script = responses.Script(size=len(GOOD)).item(responses.message(GOOD))
    return script.add(KIND, note=note).item(responses.message(GOOD)).end().events


def _is_cut_choice(content: dict[str, Any]) -> bool:
    choices: list[dict[str, Any]] = content.get("choices") or []
    return [one["finish_reason"] for one in choices] == ["content_filter"]


APIS = (
    Api("chat_completions", "/v1/chat/completions", {"messages": ASKED}, _chat, _is_cut_choice),
    Api("completions", "/v1/completions", {"prompt": "tell me a story"}, _text, _is_cut_choice),
    Api(
        "messages",
        "/v1/messages",
        {"messages": ASKED, "max_tokens": 64},
        _message,
        lambda content: (content.get("delta") or {}).get("stop_reason") == "refusal",
    ),
    Api(
        "responses",
        "/v1/responses",
        {"input": ASKED},
        _response,
        lambda content: content["type"] == "response.incomplete",
    ),
)
API = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)


def counted(server: ServerProcess) -> dict[tuple[str, str], float]:
    names = {
        (api, part): f'postern_upstream_unknown_total{{api="{api}",part="{part}"}}'
        for api, part in COUNTS
    }
    return {key: server.metric(name) for key, name in names.items()}


def more(server: ServerProcess, before: dict[tuple[str, str], float]) -> dict[Any, float]:
    """What was counted since."""
    return {key: n - before[key] for key, n in counted(server).items() if n != before[key]}


def contents_of(sent: bytes) -> list[Any]:
    """The data of all events, without verdicts of ours."""
    found = []
    for event in sent.decode().split("\n\n")[:-1]:
        data = event.rpartition("data: ")[2]
        content = data if data == "[DONE]" else json.loads(data)
        for told in (content, content.get("response")) if isinstance(content, dict) else ():
            if told is not None:
                told.pop("postern", None)
        found.append(content)
    return found


def ask(server: ServerProcess, api: Api, script: Sequence[Step], upstream: StubUpstream) -> bytes:
    upstream.play(streamed(script))
    reply = server.post(api.path, json={"model": "m", "stream": True, **api.asked})
    assert reply.status_code == 200, reply.text
    return reply.content


@API
def test_an_unknown_event_passes_in_its_place_and_is_counted(
    guarded: ServerProcess, upstream: StubUpstream, api: Api
) -> None:
    before = counted(guarded)
    script = api.script("friends read it. ")
    sent = ask(guarded, api, script, upstream)
    assert contents_of(sent) == contents_of(b"".join(script))
    assert more(guarded, before) == {(api.name, "event"): 1.0}


@API
def test_harm_in_an_unknown_event_is_cut_and_the_event_counted(
    guarded: ServerProcess, upstream: StubUpstream, api: Api
) -> None:
    before = counted(guarded)
    cut = 'postern_proxied_total{outcome="blocked_response"}'
    n_cut = guarded.metric(cut)
    sent = ask(guarded, api, api.script(BAD), upstream)
    assert b"bomb" not in sent
    assert KIND.encode() not in sent
    assert sent.count(GOOD.strip().encode()) >= 1  # what was judged before it
    ends = [one for one in contents_of(sent) if isinstance(one, dict) and api.is_cut(one)]
    assert len(ends) == 1
    assert guarded.metric(cut) == n_cut + 1.0
    assert more(guarded, before) == {(api.name, "event"): 1.0}


@API
def test_a_stream_of_known_events_counts_nothing(
    guarded: ServerProcess, upstream: StubUpstream, api: Api
) -> None:
    before = counted(guarded)
    script = [one for one in api.script("") if KIND.encode() not in one]
    ask(guarded, api, script, upstream)
    assert more(guarded, before) == {}


@pytest.mark.parametrize(("note", "harmful"), [(GOOD, False), (BAD, True)])
def test_an_unknown_item_of_a_response_is_judged_and_counted_once(
    guarded: ServerProcess, upstream: StubUpstream, note: str, harmful: bool
) -> None:
    item = {"id": "x_1", "type": KIND, "note": note}
    output = [responses.message(GOOD), item]
    before = counted(guarded)
    upstream.play(whole(responses.response(*output)))
    body = {"model": "m", "input": ASKED}
    reply = guarded.post("/v1/responses", json=body)
    assert (reply.json()["output"] == output) is not harmful
    assert reply.headers["x-postern-verdict"] == ("harmful" if harmful else "unharmful")
    assert more(guarded, before) == {("responses", "item"): 1.0}
    upstream.play(responses.stream_of(*output))
    text = guarded.post("/v1/responses", json=body | {"stream": True}).text
    last = responses.contents_of(text)[-1]
    assert (last["type"], "bomb" in text) == (
        "response.incomplete" if harmful else "response.completed",
        False,
    )
    assert more(guarded, before) == {("responses", "item"): 2.0}


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_block_of_a_message_is_counted_and_refused_unless_media_pass(
    guarded: ServerProcess, lenient: ServerProcess, upstream: StubUpstream, stream: bool
) -> None:
    body = {"model": "m", "max_tokens": 64, "messages": ASKED, "stream": stream}
    for server, note, passes in (
        (guarded, GOOD, False),
        (lenient, GOOD, True),
        (lenient, BAD, False),
    ):
        block = {"type": KIND, "note": note}
        if stream:
            blocks = [messages.block(0, block), messages.close(0)]
            upstream.play(streamed([messages.begin(), *blocks, *messages.finish()]))
        else:
            upstream.play(whole(messages.message(block)))
        before = counted(server)
        reply = server.post("/v1/messages", json=body)
        assert reply.status_code == (502 if server is guarded else 200)
        assert (KIND in reply.text) is passes
        assert "bomb" not in reply.text
        assert more(server, before) == {("messages", "item"): 1.0}


def test_the_name_of_a_type_is_told_nowhere(guarded: ServerProcess) -> None:
    """Runs last: every test above has sent it."""
    text = guarded.get("/metrics").text
    assert text.count("postern_upstream_unknown_total{") == len(COUNTS)
    assert "zebra" not in text
    assert "zebra" not in guarded.stderr()
