"""Calls that are kept, for all teachers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_training.run.journal import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "calls.jsonl") as opened:
        yield opened
