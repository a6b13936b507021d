"""Puts the default student into the wheel, under the package that serves it.

Which one that is stands in `app/postern/shipped.py` alone. An editable install serves the clone's.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShippedStudent(BuildHookInterface[Any]):
    """Found by hatchling as the custom hook of the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises FileNotFoundError where the artifact is missing: such a wheel could not serve."""
        if version == "editable":
            return
        root = Path(self.root)
        student = _default_student(root / "app/postern/shipped.py")
        artifact = root / "artifacts" / student
        if not (artifact / "manifest.json").is_file():
            raise FileNotFoundError(f"{artifact}: the default student is missing")
        build_data["force_include"][str(artifact)] = f"postern/artifacts/{student}"


def _default_student(source: Path) -> str:
    """Read, not imported: what the package needs is not installed where it is built."""
    for node in ast.parse(source.read_text("utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "DEFAULT_STUDENT":
            return str(ast.literal_eval(node.value)) if node.value else ""
    raise ValueError(f"{source}: names no DEFAULT_STUDENT")
