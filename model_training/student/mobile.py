"""`python -m model_training operators`: the files of `operators.py`, in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from postern.contract.artifact import read_artifact


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, help="folder of the published student")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder for required_operators.config and model.ort",
    )
    parser.add_argument(
        "--platform", choices=("arm", "amd64"), default="arm", help="processor (default: arm)"
    )
    parser.add_argument(
        "--types", action="store_true", help="list the types of each operator, for a smaller build"
    )


def run(arguments: argparse.Namespace) -> None:
    """Raises ArtifactInvalid where the artifact is not whole."""
    from model_training.student.operators import mobile_files  # ONNX Runtime's tools

    made = mobile_files(
        read_artifact(arguments.artifact),
        platform=arguments.platform,
        with_types=arguments.types,
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "required_operators.config").write_text(made.operators, "utf-8")
    (arguments.output / "model.ort").write_bytes(made.model)
