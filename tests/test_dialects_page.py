"""docs/guides/dialects.md: its snippets run, and what it names exists."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import URL, code_of, named_files
from tests.server_process import ROOT, ServerProcess

PAGE = (ROOT / "docs/guides/dialects.md").read_text()


def block(language: str) -> str:
    """The first of its language."""
    return code_of(PAGE, language)[0]


@pytest.fixture(scope="module")
def shipped() -> Iterator[ServerProcess]:
    with ServerProcess(["-m", "postern", "serve"], {"api_keys": "YOUR_KEY"}) as process:
        process.wait_until_ready()
        yield process


def run(command: list[str], cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_a_verdict(out: str) -> None:
    flagged, probability = out.split()
    assert flagged.lower() in ("true", "false")
    assert 0.0 <= float(probability) <= 1.0


def test_the_python_snippet_prints_a_verdict(shipped: ServerProcess) -> None:
    assert_a_verdict(run([sys.executable, "-c", block("python").replace(URL, shipped.url)]))


def test_the_node_snippet_prints_a_verdict(shipped: ServerProcess, node_openai: Path) -> None:
    (node_openai / "snippet.mjs").write_text(block("js").replace(URL, shipped.url))
    assert_a_verdict(run(["node", "snippet.mjs"], node_openai))


def test_the_curl_command_answers(shipped: ServerProcess) -> None:
    reply = json.loads(run(["bash", "-c", block("sh").replace(URL, shipped.url)]))
    assert [len(labels) for labels in reply] == [2, 2]


def test_named_examples_exist() -> None:
    named = named_files(PAGE)
    assert len([name for name in named if name.startswith("examples/")]) == 4
    for name in named:
        assert (ROOT / name).is_file(), name


def test_litellm_is_the_tested_version() -> None:
    pins = (ROOT / "tests/requirements-litellm.txt").read_text().splitlines()
    (version,) = [pin.partition("==")[2] for pin in pins if pin.startswith("litellm==")]
    assert f"tested with {version}" in PAGE


def test_the_page_lists_every_dialect(shipped: ServerProcess) -> None:
    for path in shipped.get("/openapi.json").json()["paths"]:
        if path.startswith(("/v1", "/beta", "/predict")):
            assert f"`POST {path}`" in PAGE or f"`GET {path}`" in PAGE, path
