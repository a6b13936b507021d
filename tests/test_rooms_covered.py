"""Coverage is told by room, and every statement is counted once."""

from __future__ import annotations

from typing import Any

from scripts.rooms_covered import room_of, rooms, table


def _report(**files: tuple[int, int]) -> dict[str, Any]:
    return {
        "files": {
            name: {"summary": {"num_statements": statements, "covered_lines": covered}}
            for name, (statements, covered) in files.items()
        }
    }


def test_a_room_is_the_folder_below_the_package() -> None:
    assert room_of("app/postern/judging/pipeline.py") == "app/postern/judging"
    assert room_of("app/postern/http/deep/er.py") == "app/postern/http"
    assert room_of("app/postern/metrics.py") == "app/postern/metrics.py"
    assert room_of("model_training/student/distil.py") == "model_training/student"


def test_files_of_a_room_are_added_up() -> None:
    report = _report(
        **{
            "model_training/data/rows.py": (10, 10),
            "app/postern/http/a.py": (30, 20),
            "app/postern/http/b.py": (10, 0),
            "app/postern/http/__init__.py": (0, 0),
            "model_training/studies/__init__.py": (0, 0),
        }
    )
    assert rooms(report) == [
        ("app/postern/http", 40, 20),
        ("model_training/data", 10, 10),
        ("all", 50, 30),
    ]
    assert table(report).splitlines()[1].split() == ["app/postern/http", "40", "20", "50.0"]
