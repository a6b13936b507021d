"""One exported tiny student for all stages; each test gets its own copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from model_training.student.export import export_student
from tests.made_once import made_once
from tests.tiny_student import build_tiny_student, tiny_config, tiny_rows


@pytest.fixture(scope="session")
def tiny_student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="session")
def _exported(tiny_student: Path) -> Path:
    def export(candidate: Path) -> None:
        rows, validation = tiny_rows(120, seed=1), tiny_rows(120, seed=2)
        config = tiny_config("static")
        export_student(tiny_student, candidate, config, rows=rows, validation=validation, threads=1)

    return made_once("exported", export)


@pytest.fixture
def tiny_candidate(_exported: Path, tmp_path: Path) -> Path:
    """A folder as `export` leaves it, quantized statically."""
    return Path(shutil.copytree(_exported, tmp_path / "candidate"))
