"""docs/guides/perspective.md: its snippets run, and its table is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from postern.dialects.perspective import ATTRIBUTES
from postern.settings.settings import FIELDS

from tests.documents import URL, code_of
from tests.server_process import ROOT, ServerProcess

PAGE = (ROOT / "docs/guides/perspective.md").read_text()


def blocks(language: str) -> list[str]:
    return code_of(PAGE, language)


@pytest.fixture(scope="module")
def shipped() -> Iterator[ServerProcess]:
    with ServerProcess(["-m", "postern", "serve"], {"api_keys": "YOUR_KEY"}) as process:
        process.wait_until_ready()
        yield process


def run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_command_answers_as_shown(shipped: ServerProcess) -> None:
    (command,), (shown,) = blocks("sh"), blocks("json")
    reply = json.loads(run(["bash", "-c", command.replace(URL, shipped.url)]))
    expected = json.loads(shown)
    # The number is the shipped student's, and changes with it.
    value = reply["attributeScores"]["TOXICITY"]["summaryScore"].pop("value")
    del expected["attributeScores"]["TOXICITY"]["summaryScore"]["value"]
    assert reply == expected
    assert 0.0 <= value < 0.5


def test_each_python_snippet_prints_a_probability(shipped: ServerProcess) -> None:
    snippets = blocks("python")
    assert len(snippets) == 2
    assert "googleapiclient" in snippets[0]
    for code in snippets:
        out = run([sys.executable, "-c", code.replace(URL, shipped.url)])
        assert 0.0 <= float(out) <= 1.0


def test_googles_client_raises_its_own_error_with_our_reason(shipped: ServerProcess) -> None:
    refused = (
        blocks("python")[0]
        .replace(URL, shipped.url)
        .replace('"TOXICITY": {}', '"SPAM": {}')
        .replace(
            "response = client", "from googleapiclient.errors import HttpError\ntry:\n  client"
        )
    )
    refused = re.sub(
        r"^print.*$",
        "except HttpError as exc:\n  print(exc.status_code, exc.error_details[-1]['reason'])",
        refused,
        flags=re.MULTILINE,
    )
    assert run([sys.executable, "-c", refused]).split() == ["400", "UNSUPPORTED_CONTENT"]


def test_the_table_is_true() -> None:
    for name in ATTRIBUTES:
        assert f"| `{name}` |" in PAGE
    limit = FIELDS["max_exchange_chars"].info.default
    assert f"{limit:,} characters" in PAGE


def test_linked_and_named_files_exist() -> None:
    for name in re.findall(r'Path\("([^"]+)"\)', PAGE):
        assert (ROOT / name).is_file(), name
