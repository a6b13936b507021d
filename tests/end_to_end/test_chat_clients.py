"""The guarded proxy behind the clients that people use: openai, curl, the example chatbot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.conftest import StartServer
from tests.scripted_upstream import (
    ROLE,
    Seen,
    Step,
    StubUpstream,
    answer,
    chunk,
    completion,
    streamed,
    whole,
)
from tests.server_process import HANG_S, ROOT, ServerProcess

REFUSAL = "Sorry, I cannot help with that."
HELLO = [{"role": "user", "content": "tell me a story"}]
BAD = [{"role": "user", "content": "how to make a bomb"}]


def _play(seen: Seen) -> list[Step]:
    """The last word of the conversation says what is to happen."""
    if seen.path.endswith("/models"):
        return whole({"object": "list", "data": [{"id": "stub-1", "object": "model"}]})
    asked = seen.json
    last = asked["messages"][-1]["content"]
    if "music" in last:
        text = ["read a book with your friends. ", "now a bomb of poison. ", "more"]
        return answer(*text) if asked.get("stream") else whole(completion("".join(text)))
    if "kill" in last:
        return streamed([ROLE, chunk("read a book with your friends. "), 0.3, b"data: {\n\n"])
    if "time" in last:
        return whole({"error": {"message": "busy", "type": "t", "code": "c"}}, status=429)
    if asked.get("stream"):
        return answer("Once upon a time ", "there was a gate.")
    return whole(completion("Once upon a time there was a gate."))


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream(_play) as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(
        upstream_url=upstream.url, api_keys="postern-key", upstream_api_key="upstream-key"
    )


@pytest.fixture
def client(guarded: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=guarded.url + "/v1", api_key="postern-key", max_retries=0, timeout=HANG_S
    ) as opened:
        yield opened


def _stream(client: openai.OpenAI, messages: Any) -> tuple[str, list[Any]]:
    chunks = list(client.chat.completions.create(model="m", messages=messages, stream=True))
    text = "".join(c.delta.content or "" for one in chunks for c in one.choices)
    return text, chunks


def test_openai_client_whole(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="m", messages=HELLO)  # type: ignore[arg-type]
    assert done.choices[0].message.content == "Once upon a time there was a gate."
    assert done.usage is not None
    blocked = client.chat.completions.create(model="m", messages=BAD)  # type: ignore[arg-type]
    assert blocked.choices[0].finish_reason == "content_filter"
    assert blocked.choices[0].message.content == REFUSAL
    assert blocked.postern["stage"] == "prompt"  # type: ignore[attr-defined]
    raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)  # type: ignore[arg-type]
    assert raw.headers["x-postern-verdict"] == "unharmful"
    assert [model.id for model in client.models.list()] == ["stub-1"]


def test_openai_client_streams(client: openai.OpenAI) -> None:
    text, chunks = _stream(client, HELLO)
    assert text == "Once upon a time there was a gate."
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].postern["harmful"] is False
    text, chunks = _stream(client, BAD)
    assert text == REFUSAL
    text, chunks = _stream(client, [{"role": "user", "content": "music"}])
    assert text == "read a book with your friends. "
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert chunks[-1].postern["harmful"] is True


def test_openai_client_sees_errors_as_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="not JSON"):
        _stream(client, [{"role": "user", "content": "kill"}])
    with pytest.raises(openai.RateLimitError, match="busy"):
        _stream(client, [{"role": "user", "content": "time"}])
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": ""}])
    assert refused.value.code == "empty_prompt"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()


def test_curl(guarded: ServerProcess) -> None:
    curl = shutil.which("curl")
    assert curl, "the suite needs curl"
    command = [
        *(curl, "-sS", "-N", "-i", guarded.url + "/v1/chat/completions"),
        *("-H", "Content-Type: application/json", "-H", "Authorization: Bearer postern-key"),
    ]
    sent = {"model": "m", "messages": HELLO, "stream": True}
    done = subprocess.run([*command, "-d", json.dumps(sent)], capture_output=True, timeout=HANG_S)
    head, _, body = done.stdout.decode().replace("\r\n", "\n").partition("\n\n")
    assert done.returncode == 0
    assert "x-postern-verdict: pending" in head.lower()
    assert body.endswith("data: [DONE]\n\n")
    assert "there was a gate." in body


def test_the_example_chatbot(guarded: ServerProcess, upstream: StubUpstream) -> None:
    said = ["tell me a story", "", "how to make a bomb", "play music", "more story", "kill", "time"]
    script = ROOT / "examples/chatbot/chatbot.py"
    upstream.seen.clear()
    done = subprocess.run(
        [sys.executable, "-W", "error", script, "--url", guarded.url + "/v1", "--model", "m"],
        input="\n".join(said) + "\n",
        capture_output=True,
        text=True,
        timeout=HANG_S,
        env={"OPENAI_API_KEY": "postern-key", "PATH": ""},
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line.replace("you> ", "") for line in done.stdout.splitlines()]
    gate = "bot> Once upon a time there was a gate."
    assert shown[0] == gate
    assert shown[1].startswith(f"bot> {REFUSAL} [stopped by Postern: prompt, 0.")
    assert shown[2].startswith(
        "bot> read a book with your friends.  [stopped by Postern: response, 0."
    )
    assert shown[3] == gate
    assert shown[4].endswith("not JSON]")
    assert shown[5] == "bot> [status 429: nothing was answered]"
    assert "bomb" not in done.stdout
    told = [turn["content"] for turn in upstream.seen[2].json["messages"]]
    assert told == [said[0], gate[5:], "more story"]  # what was blocked is not told again


def test_the_example_chatbot_says_so_when_nobody_is_there() -> None:
    script = ROOT / "examples/chatbot/chatbot.py"
    done = subprocess.run(
        [sys.executable, script, "--url", "http://127.0.0.1:9/v1"],
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.returncode == 0
    assert "refused" in done.stdout
