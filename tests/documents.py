"""Documents as programs: their code blocks, run one after the other against a real server.

In `docs/**/*.md` and `examples/**/README.md`: `sh` blocks run in bash, `python` blocks in Python,
both in one scratch folder for each document, which sees the repository's folders; `json`, `jsonl`,
`yaml` and `toml` must parse. `http://127.0.0.1:8000` is the server with the shipped artifact, and
`postern` and `.venv/bin/python` are this checkout's. Lines that call `make` are not run, but their
target must exist. A block that cannot run here has the line `<!-- not run: why -->` right above it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.server_process import HANG_S, ROOT, environment

URL = "http://127.0.0.1:8000"
# What a document may name relative to its working folder.
_VISIBLE = ("app", "artifacts", "deploy", "docs", "examples", "recipes", "README.md")
_FENCE = re.compile(
    r"(?:^[ ]*<!-- not run: (?P<reason>.+?) -->\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)[ ]*\n(?P<code>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block. not_run: why it cannot run here; None where it is run."""

    language: str
    code: str
    not_run: str | None = None


def documents() -> list[Path]:
    """All that is run: the site, and the pages of the examples. The README has tests of its own."""
    return sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")])


def code_of(text: str, language: str) -> list[str]:
    """The code of all fenced blocks of a language, in order."""
    return [block.code for block in blocks(text) if block.language == language]


def blocks(text: str) -> list[Block]:
    """The fenced blocks in order; a block inside a list loses its indentation."""
    return [
        Block(
            found["language"],
            re.sub(rf"^{found['indent']}", "", found["code"], flags=re.MULTILINE),
            found["reason"],
        )
        for found in _FENCE.finditer(text)
    ]


def _parse_json_lines(code: str) -> None:
    for line in code.splitlines():
        json.loads(line)


def _parse_yaml(code: str) -> None:
    list(yaml.safe_load_all(code))


PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "jsonl": _parse_json_lines,
    "yaml": _parse_yaml,
    "toml": tomllib.loads,
    "text": str,
}


class Runner:
    """Runs the blocks of one document in a scratch folder, against the server at `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        for name in _VISIBLE:
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)
        for name, arguments in (
            ("bin/postern", " -m postern"),
            (".venv/bin/python", ""),
        ):
            tool = folder / name
            tool.parent.mkdir(parents=True, exist_ok=True)
            tool.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
            tool.chmod(0o755)

    def run(self, block: Block) -> str:
        """Standard output. Raises AssertionError where it fails or its language is not known."""
        if block.language in PARSERS:
            PARSERS[block.language](block.code)
            return ""
        if block.language == "python":
            return self._execute([sys.executable, "-"], block.code)
        assert block.language == "sh", f"a block of language {block.language!r} is not known"
        return self._execute(["bash", "-euo", "pipefail", "-s"], without_make(block.code))

    def _execute(self, command: list[str], code: str) -> str:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=environment({})
            | {
                "PYTHONPATH": f"{ROOT / 'app'}{os.pathsep}{ROOT}",
                "HOME": str(self._folder),
                "PATH": f"{self._folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            },
            input=code.replace(URL, self._url),
            capture_output=True,
            text=True,
            timeout=HANG_S,
        )
        assert done.returncode == 0, f"{code}\nended with {done.returncode}:\n{done.stderr}"
        return done.stdout


def without_make(code: str) -> str:
    """Shell code less its calls of make, whose targets must exist."""
    makefile = (ROOT / "Makefile").read_text()
    kept = []
    for line in code.splitlines():
        called = re.match(r"make (?P<target>[\w-]+)", line)
        if called is None:
            kept.append(line)
        else:
            assert re.search(rf"^{called['target']}:", makefile, re.MULTILINE), line
    return os.linesep.join([*kept, ""])


def named_files(text: str) -> list[str]:
    """Files of the repository that prose names as code, by their path from its root."""
    prose = _FENCE.sub("", text)
    top = "examples|deploy|loadtests|recipes|scripts|tests"
    return re.findall(rf"`((?:{top})/[\w./-]*\.\w+)`", prose)


def broken_links(path: Path) -> list[str]:
    """Relative links of a document that lead nowhere."""
    prose = _FENCE.sub("", path.read_text())
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", prose)
    return [target for target in targets if not (path.parent / target).exists()]
