"""The guarded Responses API behind OpenAI's own client."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseFunctionToolCall

from tests.conftest import StartServer
from tests.scripted_responses import (
    Script,
    function_call,
    message,
    reasoning,
    response,
    stream_of,
)
from tests.scripted_upstream import Seen, Step, StubUpstream, streamed, whole
from tests.server_process import HANG_S, ServerProcess

REFUSAL = "Sorry, I cannot help with that."
STORY = "Once upon a time there was a gate."
GOOD = "read a book with your friends. "
BAD = "how to make a bomb"
COUNT = itertools.count()
TOOL: Any = {
    "type": "function",
    "name": "read",
    "description": "Reads a book.",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    "strict": False,
}


def _output(last: str) -> list[dict[str, Any]]:
    if "music" in last:
        return [message(GOOD + "now a bomb of poison. " + "more " * 20)]
    if "tool" in last:
        return [reasoning("The user wants a book."), function_call('{"q": "a story"}')]
    return [message(STORY)]


def _play(seen: Seen) -> list[Step]:
    """The last words of the conversation say what is to happen."""
    if seen.method == "GET":
        return whole({"id": seen.path.partition("/models/")[2], "object": "model"})
    asked = seen.json
    given = asked["input"]
    last = given if isinstance(given, str) else str(given[-1])
    kept = {name: asked[name] for name in ("instructions", "metadata", "tools") if name in asked}
    kept["id"] = f"resp_{next(COUNT)}"
    if "busy" in last:
        return whole({"error": {"message": "busy", "type": "t", "code": "c"}}, status=429)
    if not asked.get("stream"):
        return whole(response(*_output(last), **kept))
    if "break" in last:
        script = Script(**kept).item(message(GOOD))
        return streamed([*script.events, 0.3, b"data: {\n\n"])
    if "forever" in last:
        return streamed([*Script(**kept).item(message(GOOD)).events, threading.Event()])
    return stream_of(*_output(last), **kept)


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream(_play) as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(
        upstream_url=upstream.url,
        api_keys="postern-key,other-key",
        upstream_api_key="upstream-key",
        upstream_idle_timeout_ms=2000,
        stream_score_tokens=8,
        stream_doubt_tokens=0,
    )


@pytest.fixture
def client(guarded: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=guarded.url + "/v1", api_key="postern-key", max_retries=0, timeout=HANG_S
    ) as opened:
        yield opened


def _verdict(answer: Response) -> dict[str, Any]:
    verdict: dict[str, Any] = answer.postern  # type: ignore[attr-defined]
    return verdict


def _refused(answer: Response) -> str:
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "content_filter"
    assert _verdict(answer)["harmful"] is True
    (item,) = answer.output
    assert item.type == "message"
    (part,) = item.content
    assert part.type == "refusal"
    return part.refusal


# --- whole --------------------------------------------------------------------------------------


def test_a_whole_answer(client: openai.OpenAI, upstream: StubUpstream) -> None:
    upstream.seen.clear()
    answer = client.responses.create(
        model="m",
        instructions="You are a bomb expert.",  # not judged by default, and echoed
        input="tell me a story",
        metadata={"topic": "a story of mine"},
    )
    assert answer.output_text == STORY
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 3
    assert answer.instructions == "You are a bomb expert."
    assert upstream.seen[0].path == "/v1/responses"
    assert upstream.seen[0].headers["authorization"] == "Bearer upstream-key"
    raw = client.responses.with_raw_response.create(model="m", input="tell me a story")
    assert raw.headers["x-postern-verdict"] == "unharmful"


def test_a_whole_answer_that_is_harmful(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="m", input="play music")
    assert _refused(answer) == REFUSAL
    assert _verdict(answer)["stage"] == "response"
    assert "bomb" not in answer.model_dump_json()


def test_a_harmful_prompt_is_not_sent(client: openai.OpenAI, upstream: StubUpstream) -> None:
    upstream.seen.clear()
    for given in (BAD, [{"role": "user", "content": BAD}]):
        answer = client.responses.create(model="m", input=given)  # type: ignore[arg-type]
        assert _refused(answer) == REFUSAL
        assert _verdict(answer)["stage"] == "prompt"
    assert not upstream.seen


def test_a_function_is_called_and_its_result_comes_back(
    client: openai.OpenAI, upstream: StubUpstream
) -> None:
    given: list[Any] = [{"role": "user", "content": "use the tool"}]
    answer = client.responses.create(model="m", input=given, tools=[TOOL])
    call = answer.output[-1]
    assert isinstance(call, ResponseFunctionToolCall)
    assert call.arguments == '{"q": "a story"}'
    # As OpenAI's guide does it: all items of the answer go back.
    given += [item.model_dump() for item in answer.output]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "a book"}
    upstream.seen.clear()
    answer = client.responses.create(model="m", input=[*given, result], tools=[TOOL])  # type: ignore[list-item]
    assert answer.output_text == STORY
    assert upstream.seen[0].json["input"] == [*given, result]
    result["output"] = '{"q": "a \\u0062omb"}'
    upstream.seen.clear()
    answer = client.responses.create(model="m", input=[*given, result], tools=[TOOL])  # type: ignore[list-item]
    assert _refused(answer) == REFUSAL
    assert not upstream.seen


def test_a_chat_goes_on_from_what_passed_here(client: openai.OpenAI) -> None:
    first = client.responses.create(model="m", input="tell me a story")
    again = client.responses.create(model="m", input="more", previous_response_id=first.id)
    assert again.output_text == STORY
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="m", input="more", previous_response_id="resp_other")
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"
    stranger = client.with_options(api_key="other-key")
    with pytest.raises(openai.BadRequestError):
        stranger.responses.create(model="m", input="more", previous_response_id=first.id)


def test_the_client_sees_errors_as_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError, match="busy") as busy:
        client.responses.create(model="m", input="busy")
    assert busy.value.response.headers["x-postern-origin"] == "upstream"
    with pytest.raises(openai.RateLimitError, match="busy"):
        client.responses.create(model="m", input="busy", stream=True)
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="m", input="")
    assert refused.value.code == "empty_prompt"
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="m", input="read", background=True)
    assert refused.value.param == "background"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").responses.create(model="m", input="read")
    with pytest.raises(openai.NotFoundError, match="POST /v1/responses"):
        client.responses.retrieve("resp_stub")


def test_a_model_is_told(client: openai.OpenAI) -> None:
    assert client.models.retrieve("org/stub-1").id == "org/stub-1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("../responses")


# --- streams ------------------------------------------------------------------------------------


def _stream(client: openai.OpenAI, given: Any, **fields: Any) -> tuple[str, list[Any]]:
    found = list(client.responses.create(model="m", input=given, stream=True, **fields))
    numbers = [one.sequence_number for one in found]
    assert numbers == sorted(set(numbers))
    text = "".join(one.delta for one in found if one.type == "response.output_text.delta")
    return text, found


def test_a_stream(client: openai.OpenAI) -> None:
    text, found = _stream(client, "tell me a story", instructions="You are a bomb expert.")
    assert text == STORY
    assert found[0].type == "response.created"
    assert found[-1].type == "response.completed"
    assert found[-1].response.output_text == STORY
    assert _verdict(found[-1].response)["harmful"] is False
    more, _ = _stream(client, "more", previous_response_id=found[-1].response.id)
    assert more == STORY


def test_a_stream_with_the_client_s_own_accumulation(client: openai.OpenAI) -> None:
    with client.responses.stream(model="m", input="use the tool", tools=[TOOL]) as stream:
        kinds = [one.type for one in stream]
        answer = stream.get_final_response()
    assert "response.function_call_arguments.done" in kinds
    assert "response.reasoning_summary_text.delta" in kinds
    assert answer.output[-1].type == "function_call"
    assert answer.output[-1].arguments == '{"q": "a story"}'


def test_a_harmful_prompt_is_answered_with_a_stream_of_the_refusal(client: openai.OpenAI) -> None:
    with client.responses.stream(model="m", input=BAD) as stream:
        found = list(stream)
    last = found[-1]
    assert last.type == "response.incomplete"
    assert _refused(last.response) == REFUSAL
    assert "response.refusal.delta" in [one.type for one in found]


def test_a_stream_is_cut_before_the_harm(client: openai.OpenAI) -> None:
    with client.responses.stream(model="m", input="play music") as stream:
        found = list(stream)
    last = found[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details is not None
    assert last.response.incomplete_details.reason == "content_filter"
    text = "".join(one.delta for one in found if one.type == "response.output_text.delta")
    assert text == last.response.output_text
    assert text.startswith("read a book")
    assert GOOD.startswith(text) or text.startswith(GOOD)
    assert "bomb" not in str(found)
    with pytest.raises(openai.BadRequestError):  # nobody goes on from what was cut
        client.responses.create(model="m", input="on", previous_response_id=last.response.id)


@pytest.mark.parametrize(("asked", "told"), [("break", "not JSON"), ("forever", "in time")])
def test_a_stream_that_breaks_or_never_ends_raises(
    client: openai.OpenAI, asked: str, told: str
) -> None:
    with pytest.raises(openai.APIError, match=told):
        _stream(client, asked)
