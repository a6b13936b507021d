"""Generates the pages under `docs/reference/` and files of the Helm chart from the code.

The pages are committed, so that they can be read and linked without a build.
`tests/test_reference.py` compares each page with the output of this package. So does `--check`,
which writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from scripts.reference import chart, commands, errors, http, metrics, models, settings

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
        "policies.md": models.policies_page(),
        "manifest.md": models.manifest_page(),
        "recipe.md": models.recipe_page(),
        "helm-values.md": chart.values_page(),
    }


def differing(folder: Path = FOLDER, chart_folder: Path = chart.CHART) -> list[str]:
    """Names of the files that are missing or differ from the generated content."""
    return [
        name
        for root, files in ((folder, pages()), (chart_folder, chart.chart_files()))
        for name, content in files.items()
        if not (root / name).is_file() or (root / name).read_text("utf-8") != content
    ]


def main(arguments: list[str] | None = None) -> int:
    """Write all files, or list those that are out of date. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.reference", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a page differs"
    )
    if parser.parse_args(arguments).check:
        stale = differing()
        if stale:
            print(f"run `python -m scripts.reference`: {', '.join(stale)}", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for root, files in ((FOLDER, pages()), (chart.CHART, chart.chart_files())):
        for name, content in files.items():
            (root / name).write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
