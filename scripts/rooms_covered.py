"""Prints the share of statements that the suite runs, by room, from coverage's JSON report.

python -m scripts.rooms_covered runs/coverage.json
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

_ROOTS = ("app/postern", "model_training")


def room_of(file: str) -> str:
    """The folder below `postern` or `model_training`; the module itself if it has no room."""
    path = PurePosixPath(file)
    for root in _ROOTS:
        if path.is_relative_to(root):
            return f"{root}/{path.relative_to(root).parts[0]}"
    return path.parts[0]


def rooms(report: dict[str, Any]) -> list[tuple[str, int, int]]:
    """(room, statements, statements run) by name, with the sum of all rooms at the end."""
    statements: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    for file, found in report["files"].items():
        for name in (room_of(file), "all"):
            statements[name] += found["summary"]["num_statements"]
            covered[name] += found["summary"]["covered_lines"]
    names = [*sorted(name for name in statements if name != "all"), "all"]
    return [(name, statements[name], covered[name]) for name in names if statements[name]]


def table(report: dict[str, Any]) -> str:
    """A table with one row for each room: statements, statements run, percent."""
    lines = [f"{'room':<40} {'statements':>10} {'run':>7} {'%':>6}"]
    lines += [
        f"{name:<40} {statements:>10} {covered:>7} {100.0 * covered / statements:>6.1f}"
        for name, statements, covered in rooms(report)
    ]
    return "\n".join(lines)


def main() -> None:
    """Prints the table for the report that the only argument names."""
    print(table(json.loads(Path(sys.argv[1]).read_text("utf-8"))))


if __name__ == "__main__":
    main()
