"""A file that a page, a recipe or a comment names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server_process import ROOT

_PLACES = ("docs", "recipes", "app", "model_training", "loadtests", "scripts", "examples", "deploy")
_SUFFIXES = {".md", ".toml", ".py", ".yaml", ".yml"}
_NAMED = re.compile(
    r"(?<![\w./-])(?:app|deploy|docs|examples|loadtests|model_training|recipes|scripts|tests)/"
    r"[\w./-]+\.(?:jinja|json|md|py|sh|toml|yaml)\b"
)


def pages() -> Iterator[Path]:
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile"))
    for place in _PLACES:
        yield from (path for path in (ROOT / place).rglob("*") if path.suffix in _SUFFIXES)


def test_every_file_that_is_named_is_there() -> None:
    named = {
        (str(page.relative_to(ROOT)), name)
        for page in pages()
        for name in _NAMED.findall(page.read_text())
    }
    assert len(named) > 100
    assert [(page, name) for page, name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see `tests/test_docs.py` and", ["tests/test_docs.py"]),
        ("../tests/test_docs.py, own/recipes/a.toml", []),
        ("docs/reference/settings.md#keys", ["docs/reference/settings.md"]),
    ],
)
def test_names_are_read_as_paths_from_the_root(text: str, found: list[str]) -> None:
    assert _NAMED.findall(text) == found
