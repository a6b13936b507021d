"""A file is one room's concern: none is longer than a reader keeps in mind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server_process import ROOT

LONGEST = 400
SOURCES = sorted(
    path
    for folder in ("app/postern", "model_training", "loadtests", "scripts", "examples")
    for path in (ROOT / folder).rglob("*.py")
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_of_the_product_is_longer(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines"
