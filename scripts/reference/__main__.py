"""Writes the pages under `docs/reference/` that say what the code says.

They are committed, so that they can be read and linked without a build; `tests/test_reference.py`
compares each with what this package makes of the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from scripts.reference import commands, errors, http, metrics, models, settings

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """File name -> content of every generated page."""
    return {
        "settings.md": settings.settings_page(),
        "command-line.md": commands.server_page(),
        "training-command-line.md": commands.training_page(),
        "metrics.md": metrics.metrics_page(),
        "errors.md": errors.errors_page(),
        "http-api.md": http.http_page(),
        "manifest.md": models.manifest_page(),
        "recipe.md": models.recipe_page(),
    }


def main() -> None:
    """Writes all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (FOLDER / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
