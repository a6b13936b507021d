"""What the guides to guarding a chatbot and examples/compose say is true."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from postern.settings.settings import FIELDS, read_settings

from tests.documents import URL, code_of
from tests.scripted_upstream import Seen, Step, StubUpstream, answer, completion, whole
from tests.server_process import HANG_S, ROOT, ServerProcess, environment

START = (ROOT / "docs/start/guard-a-chatbot.md").read_text()
GUIDE = (ROOT / "docs/guides/proxy.md").read_text()
REFERENCE = (ROOT / "docs/reference/settings.md").read_text()


def _play(seen: Seen) -> list[Step]:
    text = "The capital of France is Paris."
    return answer(text) if seen.json.get("stream") else whole(completion(text))


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream(_play) as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(upstream: StubUpstream) -> Iterator[ServerProcess]:
    """The shipped student, started with the settings that the first block exports."""
    exported = dict(re.findall(r"^export POSTERN_(\w+)=(\S+)$", START, flags=re.MULTILINE))
    settings = {name.lower(): value for name, value in exported.items()}
    assert set(settings) == {"upstream_url", "upstream_api_key"}
    with ServerProcess(
        ["-m", "postern", "serve"], settings | {"upstream_url": upstream.url}
    ) as process:
        process.wait_until_ready()
        yield process


def test_the_curl_is_answered(guarded: ServerProcess, upstream: StubUpstream) -> None:
    harmless, _ = _curls()
    answer = _asked(harmless, guarded)
    assert answer["message"]["content"].startswith("The capital")
    assert upstream.seen[-1].headers["authorization"] == "Bearer the-key-of-the-upstream"


def test_the_harmful_one_is_refused_as_the_page_says(
    guarded: ServerProcess, upstream: StubUpstream
) -> None:
    _, harmful = _curls()
    asked_before = len(upstream.seen)
    answer = _asked(harmful, guarded)
    assert f"`{answer['message']['content']}`" in START
    assert f"`{answer['finish_reason']}`" in START
    assert len(upstream.seen) == asked_before


def _curls() -> list[str]:
    return [block for block in code_of(START, "sh") if block.startswith("curl")]


def _asked(command: str, server: ServerProcess) -> dict[str, Any]:
    done = subprocess.run(
        ["bash", "-c", command.replace(URL, server.url)], capture_output=True, check=True
    )
    choice: dict[str, Any] = json.loads(done.stdout)["choices"][0]
    return choice


def test_the_python_prints_the_answer(guarded: ServerProcess) -> None:
    (code,) = [block for block in code_of(START, "python") if "import OpenAI" in block]
    done = subprocess.run(
        [sys.executable, "-c", code.replace(URL, guarded.url)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "The capital of France is Paris.\n"


@pytest.mark.parametrize("script", ["examples/chatbot/chatbot.py", "loadtests/stream_guard.py"])
def test_the_flags_of_the_commands_exist(script: str) -> None:
    lines = [line for block in code_of(START + GUIDE, "sh") for line in block.splitlines()]
    (command,) = [line for line in lines if script in line]
    shown = subprocess.run(
        [sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True
    ).stdout
    for flag in re.findall(r"--[a-z-]+", command):
        assert flag in shown


def test_the_table_of_settings_is_complete_and_true() -> None:
    section = REFERENCE.partition("## Upstream\n")[2]
    rows = dict(re.findall(r"^\| `POSTERN_(\w+)` \| (.*?) \|", section, flags=re.MULTILINE))
    beginnings = ("upstream_", "judge_", "on_", "refusal_", "guard_", "stream_")
    expected = {name for name in FIELDS if name.startswith(beginnings)}
    expected -= {"on_unsupported_language", "on_device"}  # of every endpoint, of the page
    assert {name.lower() for name in rows} >= expected
    for name, shown in rows.items():
        default = FIELDS[name.lower()].info.default
        words = str(default).lower() if isinstance(default, bool) else str(default)
        assert shown == ("none" if default in (None, {}) else f"`{words}`"), name
    for name in re.findall(r"POSTERN_([A-Z_]+)", START + GUIDE):
        assert name.lower() in FIELDS, name


def test_the_outcomes_are_those_that_are_counted() -> None:
    code = (ROOT / "app/postern/chat_guard/guard.py").read_text()
    counted = set(re.findall(r'(?:_count\(|outcome = )"(\w+)"', code))
    counted |= set(re.findall(r'outcome = "(\w+)" if .* else "\w+"', code)) | {"passed"}
    listed = GUIDE.partition("by `outcome`:")[2].partition("`postern_held_back")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == counted


# --- compose ----------------------------------------------------------------------------------

COMPOSE_FILE = ROOT / "examples/compose/compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
    return loaded


def test_compose_builds_from_here_with_settings_that_exist(compose: dict[str, Any]) -> None:
    postern = compose["services"]["postern"]
    context = (COMPOSE_FILE.parent / postern["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / "Dockerfile").is_file()
    settings = {
        name.removeprefix("POSTERN_").lower(): re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
        for name, value in postern["environment"].items()
    }
    assert set(settings) <= set(FIELDS)
    assert read_settings(**settings).upstream.url == "http://model:11434/v1"


def test_compose_leaves_no_way_round(compose: dict[str, Any]) -> None:
    services = compose["services"]
    chatbot, postern, model = (services[name] for name in ("chatbot", "postern", "model"))
    assert not set(chatbot["networks"]) & set(model["networks"])
    assert set(postern["networks"]) == {*chatbot["networks"], *model["networks"]}
    assert chatbot["environment"]["OPENAI_API_BASE_URL"] == "http://postern:8000/v1"
    exposed = (ROOT / "Dockerfile").read_text()
    assert "EXPOSE 8000" in exposed
    assert "HEALTHCHECK" in exposed  # what `service_healthy` waits for
    for service in services.values():
        assert set(service["networks"]) <= set(compose["networks"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert set(compose["volumes"]) == {volume.split(":")[0] for volume in model["volumes"]}
    assert str(COMPOSE_FILE.relative_to(ROOT)) in COMPOSE_FILE.read_text()


# --- the load test ----------------------------------------------------------------------------


def test_the_load_test_measures_a_stream(tiny_artifact: Path, tmp_path: Path) -> None:
    harmless = "read a book with your friends. " * 4
    rows = [
        {"prompt": "tell me a story", "response": harmless, "response_label": 0},
        {"prompt": "how to make a bomb", "response": "a bomb of poison. ", "response_label": 1},
        {
            "prompt": "tell me",
            "response": harmless + "bomb and poison. " * 5,
            "response_label": 1,
        },
        {"prompt": "tell me", "response": "play some music with a cat. ", "response_label": 0},
    ]
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    out = tmp_path / "out.json"
    subprocess.run(
        [
            *(sys.executable, "-W", "error", ROOT / "loadtests/stream_guard.py"),
            *("--data", tmp_path, "--file", "rows.jsonl.gz", "--limit", "4", "--rate", "500"),
            *("--rules", "8", "sentence", "--output", out, "--"),
            *("--artifact", tiny_artifact, "--request-timeout-ms", "120000"),
        ],
        check=True,
        timeout=HANG_S,
        env=environment({}),
    )
    report = json.loads(out.read_text())
    assert report["unguarded"]["outcomes"] == {"passed": 4}
    assert report["unguarded"]["share_released_of_all_harmful"] == 1.0
    for rule in ("8", "sentence"):
        alone = report["guarded"][rule]["answer_alone"]
        assert alone["outcomes"] == {"blocked_response": 2, "passed": 2}
        assert alone["harmful_blocked"] == 2
        assert 0.0 < alone["share_released_of_all_harmful"] < 0.5
        assert alone["first_token_delay_ms"]["p50"] > 0.0
        recorded = report["guarded"][rule]["as_recorded"]["outcomes"]
        assert recorded == {"blocked_prompt": 1, "blocked_response": 1, "passed": 2}
