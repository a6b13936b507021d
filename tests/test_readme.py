"""What the README shows is run: its requests, its commands, its Python, its paths."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postern.settings.settings import FIELDS
from postern.shipped import DEFAULT_ARTIFACT

from tests.server_process import ServerProcess

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
_URL = "http://127.0.0.1:8000"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def _commands() -> list[str]:
    joined = "\n".join(_blocks("sh")).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def shipped() -> Iterator[ServerProcess]:
    """The server as `make serve` starts it, with the artifact that ships."""
    with ServerProcess(["-m", "postern", "serve"], {}) as process:
        process.wait_until_ready()
        yield process


def _keys(document: object) -> object:
    if isinstance(document, dict):
        return {name: _keys(value) for name, value in document.items()}
    return [_keys(document[0])] if isinstance(document, list) and document else None


def test_the_first_reply_has_the_shape_that_is_shown(shipped: ServerProcess) -> None:
    shown = json.loads(next(block for block in _blocks("json") if '"results"' in block))
    command = next(line for line in _commands() if "credit card" in line)
    reply = _run(command.replace(_URL, shipped.url))
    assert _keys(json.loads(reply)) == _keys(shown)


def test_every_curl_gets_a_verdict(shipped: ServerProcess) -> None:
    commands = [line for line in _commands() if line.startswith("curl")]
    assert len(commands) == 4
    for command in commands:
        assert json.loads(_run(command.replace(_URL, shipped.url)))["results"]


def test_every_postern_command_works() -> None:
    commands = [line for line in _commands() if "bin/postern" in line]
    assert len(commands) == 4
    for command in commands:
        python = shlex.quote(sys.executable)
        json.loads(_run(command.replace(".venv-serve/bin/postern", f"{python} -m app")))


def test_the_chatbot_is_guarded(shipped: ServerProcess) -> None:
    (code,) = _blocks("python")
    out = subprocess.run(
        [sys.executable, "-c", code.replace(_URL, shipped.url)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert out.strip() == "The capital of France is Paris."


def test_the_chatbot_says_nothing_when_the_gate_is_away() -> None:
    (code,) = _blocks("python")
    away = code.replace(_URL, "http://127.0.0.1:9")
    out = subprocess.run(
        [sys.executable, "-c", away], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "Sorry, I cannot help with that."


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {line.split()[1] for line in _commands() if line.startswith("make ")}
    assert targets == {"serve", "train", "test"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_settings_and_their_defaults_are_true() -> None:
    named = set(re.findall(r"`POSTERN_([A-Z_]+)`", README)) - {"<NAME>"}
    assert named
    for name in named:
        field = FIELDS[name.lower()].info
        default = field.default
        if isinstance(default, (int, str)) and default:
            row = next(
                line for line in README.splitlines() if line.startswith("|") and name in line
            )
            assert str(default).lower() in row.lower(), name


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_named_artifact_is_the_one_that_is_served() -> None:
    assert str(DEFAULT_ARTIFACT.relative_to(ROOT)) in README


def _run(command: str) -> str:
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
