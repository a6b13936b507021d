"""The commands that compare students: `ablate` and `case-study`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from model_training.studies.config import StudyRun

_ROOT = Path(__file__).resolve().parents[2]

COMPARISONS: Final = {
    "ablate": "measure what each kind of rows is worth, over arms and seeds",
    "case-study": "retrain a student against a new attack, and measure what it learns and forgets",
}
_RECIPES: Final = {"ablate": "ablation.toml", "case-study": "case-study.toml"}


def add_comparison_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "--recipe",
        type=Path,
        default=_ROOT / "recipes" / _RECIPES[name],
        help=f"recipe to follow (default: recipes/{_RECIPES[name]})",
    )
    parser.add_argument(
        "--of",
        type=Path,
        required=True,
        help="folder of a finished run, whose rows are used; it is only read",
    )
    if name == "ablate":
        parser.add_argument("--arm", help="only this arm (default: all)")
    else:
        parser.add_argument(
            "--student", type=Path, help="folder of the student to retrain (default: that of --of)"
        )


def compare(run: StudyRun, arguments: argparse.Namespace) -> None:
    """Run one of them. Raises PosternError."""
    if arguments.stage == "ablate":
        from model_training.studies.ablation import ablate

        ablate(run, arguments.of, arm=arguments.arm)
    else:
        from model_training.studies.case_study import case_study

        case_study(run, arguments.of, student=arguments.student or arguments.of / "student")
