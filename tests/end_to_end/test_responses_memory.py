"""Where that is set, what the upstream remembers is fetched and judged before it is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import openai
import pytest

from tests.conftest import StartServer
from tests.end_to_end.test_responses import BAD, GOOD, HELLO, REFUSAL, ask
from tests.scripted_responses import message, reasoning, response
from tests.scripted_upstream import Seen, Step, StubUpstream, whole
from tests.server_process import HANG_S, ServerProcess

STORY: Final = "Once upon a time there was a gate."
WORSE: Final = {"role": "user", "content": "how to make a bomb"}
PICTURE: Final = [{"type": "input_image", "image_url": "https://example.com/a.png"}]


def kept(*output: Any, given: Any = (HELLO,), **fields: Any) -> tuple[Any, list[Any]]:
    return response(*(output or (message(STORY),)), **fields), list(given)


# By id: the response, and its input.
KEPT: Final[dict[str, tuple[Any, list[Any]]]] = {
    "resp_fine": kept(),
    "resp_second": kept(previous_response_id="resp_fine"),
    "resp_asked_harm": kept(given=[WORSE]),
    "resp_told_harm": kept(message(GOOD + BAD)),
    "resp_thought_harm": kept(reasoning(BAD * 4), message(STORY)),
    "resp_after_harm": kept(previous_response_id="resp_asked_harm"),
    "resp_long_after_harm": kept(previous_response_id="resp_after_harm"),
    "resp_template": kept(prompt={"id": "p", "variables": {"what": WORSE["content"]}}),
    "resp_on_a_later_page": kept(given=[HELLO, HELLO, HELLO, WORSE]),
    "resp_open": kept(status="in_progress"),
    "resp_queued": kept(status="queued"),
    "resp_odd": kept({"type": "zzoddzz", "text": "cake"}),
    "resp_picture": kept(given=[{"role": "user", "content": PICTURE}]),
    "resp_circle": kept(previous_response_id="resp_circle"),
    "resp_liar": kept(id="resp_other"),
    "resp_no_list": kept(output="cake"),
    "resp_broken": kept(),
    "resp_endless": kept(),
}
REFUSED = {
    "resp_open": "previous_response_not_found",
    "resp_queued": "previous_response_not_found",
    "resp_odd": "previous_response_not_found",
    "resp_nowhere": "previous_response_not_found",
    "..": "previous_response_not_found",
    "resp_picture": "unreadable_content",
    "resp_circle": "upstream_invalid",
    "resp_liar": "upstream_invalid",
    "resp_no_list": "upstream_invalid",
    "resp_broken": "upstream_invalid",
    "resp_endless": "exchange_too_long",
}


def _play(seen: Seen) -> list[Step]:
    at = urlsplit(seen.path)
    _, _, place = at.path.partition("/responses")
    if seen.method == "POST":
        return whole(response(message(STORY), id="resp_new"))
    _, one, *below = place.split("/")
    if one == "resp_broken" and below:
        return whole({"error": {"message": "zzleakzz"}}, status=500)
    if one not in KEPT:
        return whole({"error": {"message": "zzleakzz"}}, status=404)
    found, given = KEPT[one]
    if not below:
        return whole({"id": one} | {k: v for k, v in found.items() if k != "id"} | _own_id(one))
    query = {name: value for name, (value,) in parse_qs(at.query).items()}
    assert (query["limit"], query["order"]) == ("100", "asc")
    start = int(query.get("after", "item_0").removeprefix("item_"))
    more = one == "resp_endless" or start + 2 < len(given)
    page = given[start : start + 2] or [HELLO]
    return whole({"object": "list", "data": page, "has_more": more, "last_id": f"item_{start + 2}"})


def _own_id(one: str) -> dict[str, Any]:
    return {"id": "resp_other"} if one == "resp_liar" else {}


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream(_play) as stub:
        yield stub


@pytest.fixture(scope="module")
def fetching(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(
        upstream_url=upstream.url,
        on_unknown_id="fetch",
        api_keys="postern-key",
        upstream_api_key="upstream-key",
        stream_doubt_tokens=0,
    )


@pytest.fixture
def client(fetching: ServerProcess, upstream: StubUpstream) -> Iterator[openai.OpenAI]:
    upstream.seen.clear()
    with openai.OpenAI(
        base_url=f"{fetching.url}/v1", api_key="postern-key", max_retries=0, timeout=HANG_S
    ) as opened:
        yield opened


def asked_for(upstream: StubUpstream) -> list[str]:
    return [f"{seen.method} {urlsplit(seen.path).path}" for seen in upstream.seen]


def test_a_chat_goes_on_from_what_was_fetched_and_is_harmless(
    client: openai.OpenAI, upstream: StubUpstream
) -> None:
    done = client.responses.create(
        model="m", input="tell me a story", previous_response_id="resp_second"
    )
    assert done.output_text == STORY
    assert asked_for(upstream) == [
        *("GET /v1/responses/resp_second", "GET /v1/responses/resp_second/input_items"),
        *("GET /v1/responses/resp_fine", "GET /v1/responses/resp_fine/input_items"),
        "POST /v1/responses",
    ]
    # What the upstream gets is the request as it came, and its own key throughout.
    sent = upstream.seen[-1].json
    assert (sent["input"], sent["previous_response_id"]) == ("tell me a story", "resp_second")
    assert {seen.headers["authorization"] for seen in upstream.seen} == {"Bearer upstream-key"}
    # What passed here is not fetched again.
    upstream.seen.clear()
    client.responses.create(model="m", input="tell me a story", previous_response_id="resp_new")
    assert asked_for(upstream) == ["POST /v1/responses"]


@pytest.mark.parametrize(
    "one",
    [
        *("resp_asked_harm", "resp_told_harm", "resp_thought_harm", "resp_after_harm"),
        *("resp_long_after_harm", "resp_template", "resp_on_a_later_page"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_harm_that_the_upstream_remembers_is_blocked(
    client: openai.OpenAI, upstream: StubUpstream, one: str, stream: bool
) -> None:
    given: dict[str, Any] = {"model": "m", "input": "tell me more", "previous_response_id": one}
    if stream:
        *_, last = client.responses.create(**given, stream=True)
        assert last.type == "response.incomplete"
        done = last.response
    else:
        done = client.responses.create(**given)
    assert done.incomplete_details is not None
    assert done.incomplete_details.reason == "content_filter"
    assert done.to_dict()["postern"]["stage"] == "prompt"
    assert REFUSAL in json.dumps(done.to_dict())
    assert not any(asked.startswith("POST") for asked in asked_for(upstream))


@pytest.mark.parametrize("one", REFUSED)
def test_what_cannot_be_fetched_or_judged_does_not_pass(
    fetching: ServerProcess, upstream: StubUpstream, one: str
) -> None:
    upstream.seen.clear()
    reply = fetching.post(
        "/v1/responses",
        json={"model": "m", "input": "tell me more", "previous_response_id": one},
        headers={"X-API-Key": "postern-key"},
    )
    assert reply.status_code == {"upstream_invalid": 502, "exchange_too_long": 413}.get(
        REFUSED[one], 400
    ), reply.text
    assert reply.json()["error"]["code"] == REFUSED[one]
    assert "zzleakzz" not in reply.text + fetching.stderr()
    assert "zzoddzz" not in reply.text
    assert not any(asked.startswith("POST") for asked in asked_for(upstream))
    assert len(upstream.seen) <= 64


def test_a_conversation_and_items_of_elsewhere_are_refused(fetching: ServerProcess) -> None:
    """A conversation can be filled while it is judged, and an item alone is not told."""
    key = {"X-API-Key": "postern-key"}
    reference = {"type": "item_reference", "id": "x"}
    cases: tuple[dict[str, Any], ...] = (
        {"conversation": "conv_1"},
        {"previous_response_id": "resp_fine", "conversation": "conv_1"},
        {"previous_response_id": "resp_fine", "input": [reference, HELLO]},
    )
    for more in cases:
        reply = fetching.post(
            "/v1/responses", json={"model": "m", "input": "a"} | more, headers=key
        )
        assert reply.status_code == 400, more
        assert reply.json()["error"]["code"] == "previous_response_not_found"
    # An item of what was fetched was judged with it.
    items = [reference | {"id": "msg_stub"}, HELLO]
    body = {"model": "m", "previous_response_id": "resp_fine", "input": items}
    reply = fetching.post("/v1/responses", json=body, headers=key)
    assert reply.status_code == 200, reply.text


def test_the_turn_to_blame_is_that_of_the_request(fetching: ServerProcess) -> None:
    key = {"X-API-Key": "postern-key"}
    body = {"model": "m", "previous_response_id": "resp_fine", "input": [HELLO, WORSE]}
    told = fetching.post("/v1/responses", json=body, headers=key).json()["postern"]
    assert (told["stage"], told["turn"]) == ("prompt", 1)
    body = {"model": "m", "previous_response_id": "resp_asked_harm", "input": [HELLO]}
    told = fetching.post("/v1/responses", json=body, headers=key).json()["postern"]
    assert told["turn"] is None


def test_nothing_is_fetched_by_default(start_server: StartServer, upstream: StubUpstream) -> None:
    refusing = start_server(upstream_url=upstream.url)
    upstream.seen.clear()
    assert ask(refusing, previous_response_id="resp_fine").status_code == 400
    assert not upstream.seen
