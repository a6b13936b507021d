"""What the README shows is run: its requests, its commands, its Python, its paths."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
from postern.settings.settings import FIELDS
from postern.shipped import DEFAULT_ARTIFACT

from tests.documents import URL, broken_links, code_of
from tests.server_process import ROOT, ServerProcess

README = (ROOT / "README.md").read_text()


def _commands() -> list[str]:
    joined = "\n".join(code_of(README, "sh")).replace("\\\n", " ")
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


def test_it_is_short() -> None:
    assert len(README.split()) < 700


def test_the_first_reply_has_the_shape_that_is_shown(shipped: ServerProcess) -> None:
    shown = json.loads(next(block for block in code_of(README, "json") if '"results"' in block))
    command = next(line for line in _commands() if "credit card" in line)
    reply = _run(command.replace(URL, shipped.url))
    assert _keys(json.loads(reply)) == _keys(shown)


def test_every_command_is_run_or_known(shipped: ServerProcess) -> None:
    """A line is a request to the server, a `postern` command, or one of the two targets of make."""
    requests = [line for line in _commands() if line.startswith("curl")]
    assert len(requests) == 1
    for command in requests:
        assert json.loads(_run(command.replace(URL, shipped.url)))["results"]
    local = [line for line in _commands() if "bin/postern" in line]
    assert len(local) == 1
    for command in local:
        python = shlex.quote(sys.executable)
        json.loads(_run(command.replace(".venv-serve/bin/postern", f"{python} -m postern")))
    made = [line.split()[1] for line in _commands() if line.startswith("make ")]
    assert made == ["serve", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in made)
    assert len(_commands()) == len(requests) + len(local) + len(made)


def test_the_chatbot_is_guarded(shipped: ServerProcess) -> None:
    (code,) = code_of(README, "python")
    out = subprocess.run(
        [sys.executable, "-c", code.replace(URL, shipped.url)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert out.strip() == "The capital of France is Paris."


def test_the_chatbot_says_nothing_when_the_gate_is_away() -> None:
    (code,) = code_of(README, "python")
    away = code.replace(URL, "http://127.0.0.1:9")
    out = subprocess.run(
        [sys.executable, "-c", away], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "Sorry, I cannot help with that."


def test_named_settings_exist() -> None:
    named = set(re.findall(r"`POSTERN_([A-Z_]+)`", README))
    assert named
    assert {name.lower() for name in named} <= set(FIELDS)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_linked_files_exist(name: str) -> None:
    assert broken_links(ROOT / name) == []


@pytest.mark.parametrize("source", ["app/postern", "model_training"])
def test_every_room_is_described(source: str) -> None:
    described = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = [path.parent.name for path in (ROOT / source).glob("*/__init__.py")]
    assert rooms
    assert [room for room in rooms if f"| `{room}/` |" not in described] == []


def test_the_named_artifact_is_the_one_that_is_served() -> None:
    assert str(DEFAULT_ARTIFACT.relative_to(ROOT)) in README


def _run(command: str) -> str:
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
