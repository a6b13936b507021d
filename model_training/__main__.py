"""`python -m model_training`: one stage of a recipe, or all of them in order."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from app.contract.errors import PosternError
from model_training.config import read_recipe
from model_training.stages import STAGES, Run, locked

_ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a stage, or `run` for all; returns the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level="INFO", format="%(message)s")
    try:
        config = read_recipe(arguments.recipe)
        run = Run(
            config=config,
            data=arguments.data,
            folder=arguments.run or _ROOT / "runs" / f"{config.name}-{config.version}",
            artifacts=arguments.artifacts,
            threads=arguments.threads,
        )
        stages = list(STAGES) if arguments.stage == "run" else [arguments.stage]
        with locked(run):
            for name in stages:
                logging.info("stage %s", name)
                STAGES[name](run)
    except PosternError as exc:
        print(f"model_training: {exc}", file=sys.stderr)
        return 2
    except OSError as exc:
        print(f"model_training: {exc.strerror}: {exc.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_training",
        description="Make a student: split, distil, export, calibrate, evaluate, publish. "
        "Each stage reads what the one before it wrote into the run folder; a stopped "
        "training goes on where it was.",
    )
    parser.add_argument(
        "stage", choices=[*STAGES, "run"], help="the stage to run; `run` is all of them in order"
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        default=_ROOT / "recipes" / "embedded.toml",
        help="recipe to follow (default: recipes/embedded.toml)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=_ROOT.parent / "shared" / "data",
        help="data folder with sources.json and the files that it names "
        "(default: ../shared/data beside the repository)",
    )
    parser.add_argument(
        "--run", type=Path, help="folder for what the stages write (default: runs/<name>-<version>)"
    )
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=_ROOT / "artifacts",
        help="folder to publish into (default: artifacts)",
    )
    parser.add_argument(
        "--threads", type=int, help="threads for ONNX Runtime (default: one per core)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
