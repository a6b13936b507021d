"""Clients that people use today, as their makers publish them, against the guarded proxy."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import scripted_messages, scripted_responses
from tests.conftest import StartServer
from tests.scripted_upstream import Seen, Step, StubUpstream, answer, completion, whole
from tests.server_process import ROOT, ServerProcess
from tests.venvs import made_venv

REFUSAL = "Sorry, I cannot help with that."
STORY = "Once upon a time there was a gate."
GOOD = "read a book with your friends. "
MUSIC = GOOD + "now a bomb of poison. " + "more " * 20
FILTERED = {"reason": "content_filter"}
CLIENT_S = 300.0

pytestmark = pytest.mark.slow


def _play(seen: Seen) -> list[Step]:
    """An answer in the format of the path; the harmful one where music is asked for."""
    said = MUSIC if b"music" in seen.body else STORY
    stream = seen.json.get("stream")
    path = seen.path.partition("?")[0]
    if path.endswith("/responses"):
        output = scripted_responses.message(said)
        if stream:
            return scripted_responses.stream_of(output)
        return whole(scripted_responses.response(output))
    if path.endswith("/messages"):
        if stream:
            return scripted_messages.said(*(f"{one} " for one in said.split(" ")))
        return whole(scripted_messages.message(said))
    if stream:
        return answer(*(f"{one} " for one in said.split(" ")))
    return whole(completion(said))


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream(_play) as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url, stream_score_tokens=8, stream_doubt_tokens=0)


def _told(*command: str, cwd: Path = ROOT) -> Any:
    """The JSON in the last line that a client prints."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=CLIENT_S, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-1000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def node(node_openai: Path, guarded: ServerProcess) -> dict[str, Any]:
    shutil.copy(ROOT / "tests/end_to_end/other_clients.mjs", node_openai)
    told: dict[str, Any] = _told("node", "other_clients.mjs", guarded.url, cwd=node_openai)
    return told


def test_openai_for_node(node: dict[str, Any]) -> None:
    told = node["openai"]
    assert (told["whole"], told["streamed"]) == (STORY, STORY)
    assert told["blocked"] == FILTERED
    assert told["cut"] == {"said": GOOD.strip(), "status": "incomplete", "reason": FILTERED}
    assert node["azure"] == {"blocked": "content_filter"}


def test_the_ai_sdk_of_vercel(node: dict[str, Any]) -> None:
    """Its `openai()` asks for responses, not for chat completions."""
    told = node["vercel"]
    assert told["whole"] == {"text": STORY, "finishReason": "stop"}
    assert told["blocked"] == {"text": REFUSAL, "finishReason": "content-filter"}
    assert told["streamed"] == {"text": STORY, "finishReason": "stop", "errors": []}
    assert told["cut"] == {"text": GOOD.strip(), "finishReason": "content-filter", "errors": []}
    assert told["refused"] == {"text": REFUSAL, "finishReason": "content-filter", "errors": []}


def test_anthropic_for_node(node: dict[str, Any]) -> None:
    told = node["anthropic"]
    assert told["whole"] == {"text": STORY, "stop_reason": "end_turn"}
    assert told["blocked"] == {"text": REFUSAL, "stop_reason": "refusal"}
    assert told["streamed"]["text"].strip() == STORY
    assert told["cut"]["stop_reason"] == "refusal"
    assert "bomb" not in told["cut"]["text"]
    assert told["kind"] == ["BadRequestError", 400]


def test_spring_ai_s_wire_format(
    guarded: ServerProcess, upstream: StubUpstream, tmp_path: Path
) -> None:
    """Java's own HTTP client sends what Spring AI sends: HTTP/2 is offered first, and nulls are
    left out."""
    upstream.seen.clear()
    source = ROOT / "tests/end_to_end/SpringAi.java"
    told = _told("java", "-XX:TieredStopAtLevel=1", str(source), guarded.url)
    assert told["whole"]["choices"][0]["message"]["content"] == STORY
    assert told["blocked"]["choices"][0]["finish_reason"] == "content_filter"
    assert told["cut"][-1] == "[DONE]"
    last = json.loads(told["cut"][-3])  # before the usage that was asked for
    assert last["choices"][0]["finish_reason"] == "content_filter"
    assert "bomb" not in json.dumps(told)
    assert told["embedded"] == 400
    assert [seen.path for seen in upstream.seen] == ["/v1/chat/completions"] * 2


def test_openai_agents_and_langchain(guarded: ServerProcess) -> None:
    python = made_venv("clients") / "python"
    script = ROOT / "tests/end_to_end/other_clients.py"
    told = _told(str(python), str(script), guarded.url)
    agents, chain = told["agents"], told["langchain"]
    assert (agents["whole"], agents["streamed"]) == (STORY, STORY)
    assert "content_filter" in agents["blocked"]
    assert (chain["whole"], chain["streamed"].strip()) == (STORY, STORY)
    assert chain["blocked"] == {"text": REFUSAL, "finish_reason": "content_filter"}
    assert chain["cut"]["finish_reason"] == "content_filter"
    assert "bomb" not in chain["cut"]["text"]
    assert REFUSAL in chain["responses"]
    assert chain["embedded"] == "content_filter"
