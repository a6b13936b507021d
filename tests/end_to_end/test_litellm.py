"""A real LiteLLM proxy, set up by the documented file, with Postern as its guard."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.scripted_upstream import Seen, StubUpstream
from tests.server_process import HANG_S, ROOT, ServerProcess
from tests.venvs import made_venv

pytestmark = pytest.mark.slow

CONFIG = ROOT / "examples/litellm/config.yaml"
MASTER_KEY = "sk-tests"
HARMFUL = "how to make a bomb"
HARMLESS = "how to bake a cake"


class LiteLlm:
    """A running proxy."""

    def __init__(self, url: str) -> None:
        self.url = url

    def chat(self, *messages: dict[str, Any], **more: Any) -> httpx.Response:
        return httpx.post(
            f"{self.url}/v1/chat/completions",
            json={"model": "my-model", "messages": list(messages)} | more,
            headers={"Authorization": f"Bearer {MASTER_KEY}"},
            timeout=HANG_S,
        )

    def ask(self, text: str, **more: Any) -> httpx.Response:
        return self.chat({"role": "user", "content": text}, **more)


@pytest.fixture(scope="module")
def postern(start_server: StartServer) -> ServerProcess:
    return start_server(api_keys="guard-key")


@pytest.fixture(scope="module")
def model() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(autouse=True)
def _fresh(model: StubUpstream) -> None:
    model.say(content="sure here is some cake")


@pytest.fixture(scope="module")
def litellm(
    postern: ServerProcess, model: StubUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiteLlm]:
    yield from run_litellm(postern.url, model, tmp_path_factory.mktemp("litellm"))


def run_litellm(postern_url: str, model: StubUpstream, folder: Path) -> Iterator[LiteLlm]:
    bin_folder = made_venv("litellm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith("_PROXY") and not name.startswith(("POSTERN_", "PYTHON"))
    }
    environment = kept | {
        "POSTERN_URL": postern_url,
        "POSTERN_KEY": "guard-key",
        "UPSTREAM_URL": model.url,
        "UPSTREAM_KEY": "any",
        "LITELLM_MASTER_KEY": MASTER_KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no look at the network
        "LITELLM_TELEMETRY": "False",
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                bin_folder / "litellm",
                "--config",
                CONFIG,
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_alive(url, process, log)
        yield LiteLlm(url)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(HANG_S)


def wait_until_alive(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 2 * HANG_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/liveliness", timeout=HANG_S).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"LiteLLM did not start: {log.read_text()[-3000:]}")


def asked(model: StubUpstream) -> list[Seen]:
    """What went to the model about somebody's text. The proxy lists the models by itself."""
    return [seen for seen in model.seen if seen.method != "GET"]


def blocked(reply: httpx.Response) -> bool:
    """Refused by Postern's word, which reaches LiteLLM's client."""
    return reply.status_code == 400 and "Postern judged this content harmful" in reply.text


def test_harmless_traffic_passes(litellm: LiteLlm, model: StubUpstream) -> None:
    reply = litellm.ask(HARMLESS)
    assert reply.status_code == 200, reply.text
    assert reply.json()["choices"][0]["message"]["content"] == "sure here is some cake"
    assert len(asked(model)) == 1


def test_a_harmful_prompt_never_reaches_the_model(litellm: LiteLlm, model: StubUpstream) -> None:
    reply = litellm.ask(HARMFUL)
    assert blocked(reply), reply.text
    assert not asked(model)


def test_a_harmful_turn_among_others_is_found(litellm: LiteLlm, model: StubUpstream) -> None:
    reply = litellm.chat(
        {"role": "user", "content": HARMLESS},
        {"role": "assistant", "content": "with flour"},
        {"role": "user", "content": [{"type": "text", "text": HARMFUL}]},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "please"},
    )
    assert blocked(reply), reply.text
    assert not asked(model)


def test_a_harmful_answer_does_not_reach_the_client(litellm: LiteLlm, model: StubUpstream) -> None:
    model.say(content="sure here is the bomb and poison")
    reply = litellm.ask(HARMLESS)
    assert len(asked(model)) == 1
    assert blocked(reply), reply.text
    assert "sure here" not in reply.text


def test_tool_calls_are_judged_by_their_arguments(litellm: LiteLlm, model: StubUpstream) -> None:
    def call(query: str) -> dict[str, Any]:
        function = {"name": "search", "arguments": f'{{"query": "{query}"}}'}
        return {"id": "call_1", "type": "function", "function": function}

    model.say(content=None, tool_calls=[call("make a bomb")])
    assert blocked(litellm.ask(HARMLESS))
    model.say(content=None, tool_calls=[call("bake a cake")])
    reply = litellm.ask(HARMLESS)
    assert reply.status_code == 200, reply.text
    model.say(content="sure")
    history: list[dict[str, Any]] = [
        {"role": "user", "content": HARMLESS},
        {"role": "assistant", "content": None, "tool_calls": [call("make a bomb")]},
        {"role": "tool", "tool_call_id": "call_1", "content": "some cake"},
    ]
    model.seen.clear()
    assert blocked(litellm.chat(*history))
    assert not asked(model)


def test_images_are_not_passed_as_judged(litellm: LiteLlm, model: StubUpstream) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    reply = litellm.chat({"role": "user", "content": [{"type": "text", "text": HARMLESS}, image]})
    assert reply.status_code == 400
    assert "Postern cannot judge images" in reply.text
    assert not asked(model)


def test_clients_cannot_choose_how_strictly_they_are_judged(
    litellm: LiteLlm, model: StubUpstream
) -> None:
    extra = {"threshold": 1.0, "operating_point": "permissive", "fallback": "never"}
    reply = litellm.ask(HARMFUL, guardrails=[{"postern": {"extra_body": extra}}])
    assert reply.status_code >= 400
    assert not asked(model)


def test_nothing_passes_when_postern_answers_with_an_error(
    litellm: LiteLlm, model: StubUpstream
) -> None:
    reply = litellm.ask("\u200b")  # nothing visible: 422, an error and no verdict
    assert reply.status_code == 500, reply.text
    assert not asked(model)


def test_nothing_passes_while_postern_is_away(
    litellm: LiteLlm, postern: ServerProcess, model: StubUpstream
) -> None:
    """The last of the file: a proxy of its own would take half a minute to start."""
    postern.stop()  # from now on, connections to its address are refused
    with pytest.raises(httpx.ConnectError):
        postern.get("/healthz")
    for _ in range(2):  # on a connection that was kept, and on a new one
        reply = litellm.ask(HARMLESS)
        assert reply.status_code == 500, reply.text
    assert not asked(model)
    # The setting that this hangs on is the one that the file shows.
    text = CONFIG.read_text()
    assert "unreachable_fallback: fail_closed" in text
    assert "fail_on_error: true" in text
