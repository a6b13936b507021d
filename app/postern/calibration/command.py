"""`postern calibrate`: its arguments, and the folder for the new version."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from postern.calibration.calibrate import Job, calibrate, write_calibrated
from postern.calibration.inquiry import AnswerBook, ConfiguredTeacher
from postern.calibration.labelled import read_labelled
from postern.calibration.parts import Wanted
from postern.calibration.report import certificate_text
from postern.contract.errors import CalibrationImpossible
from postern.contract.exchange import SLICES, Slice
from postern.settings.settings import Settings
from postern.shipped import DEFAULT_ARTIFACT, IS_PACKAGED

Commands = Any
"""The type that `add_subparsers` returns; argparse has no public name for it."""

_CONFIGURED: Final = Path("configured")

_ABOUT = """\
Fit an artifact's probabilities, thresholds and deferral band to your own labelled traffic, and
write a new version of it with a certificate. The old version stays as it is.

The data are JSON Lines: "prompt", optionally "response", and "prompt_label" or "response_label", 1
for harmful and 0 for unharmful; optionally "teacher_probability". Other columns are ignored."""


def add_to(commands: Commands) -> argparse.ArgumentParser:
    """Add the command with all flags except those that are settings."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "calibrate",
        help="fit and certify on your own labelled data",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="labelled .jsonl or .jsonl.gz"
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="artifact whose opinion is fused with the student's; several are averaged. The word "
        "'configured' stands for the teacher that POSTERN_TEACHER_URL or POSTERN_TEACHER_ARTIFACTS "
        "names for serving. Default: the column teacher_probability, if the data have it",
    )
    parser.add_argument(
        "--opinions",
        type=Path,
        metavar="FILE",
        help="file for the answers of a teacher at a URL, so that none is asked for twice; it "
        "contains hashes and numbers, no text. Default: the data's name with .opinions",
    )
    for name, default, what in (
        (
            "--alpha-miss",
            0.05,
            "largest share of harmful exchanges that may pass without asking the teacher",
        ),
        (
            "--alpha-false-alarm",
            0.05,
            "largest share of unharmful exchanges that may be stopped without asking the teacher",
        ),
        ("--delta", 0.05, "chance that a bound fails: confidence is 1 - delta"),
    ):
        parser.add_argument(
            name, type=float, default=default, metavar="SHARE", help=f"{what}; default {default}"
        )
    parser.add_argument(
        "--slice",
        choices=SLICES,
        action="append",
        dest="slices",
        help="calibrate only this slice; default: those in the data",
    )
    parser.add_argument(
        "--version",
        dest="new_version",
        help="version of the new artifact; default: the old version with +cal.DATE",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for <name>/<version>; default: beside the old version, or ./artifacts if that "
        "one is inside the installed package",
    )
    return parser


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Calibrate, write and print the certificate. Raises CalibrationImpossible, among others."""
    wanted = Wanted(arguments.alpha_miss, arguments.alpha_false_alarm, arguments.delta)
    for share in (wanted.alpha_miss, wanted.alpha_false_alarm, wanted.delta):
        if not 0.0 < share < 0.5:
            raise CalibrationImpossible("--alpha-… and --delta must lie between 0 and 0.5")
    data = read_labelled(arguments.data)
    with ExitStack() as stack:
        folders, asker = _teachers(arguments, settings, stack)
        found = calibrate(
            data,
            Job(
                artifact=settings.engine.artifact,
                teachers=folders,
                wanted=wanted,
                slices=cast(tuple[Slice, ...] | None, arguments.slices and tuple(arguments.slices)),
                threads=settings.engine.intra_op_threads,
                today=datetime.now(UTC).date(),
                version=arguments.new_version,
                asker=asker,
            ),
        )
    name, version = found.manifest.name, found.manifest.version
    folder = _folder_for(settings.engine.artifact, name) if arguments.output is None else None
    target = (folder or arguments.output / name) / version
    print(certificate_text(write_calibrated(found, target)))
    print(f"wrote {target}")
    return 0


def _folder_for(artifact: Path, name: str) -> Path:
    """Beside the artifact. New versions of the one inside the installed package go elsewhere."""
    if IS_PACKAGED and artifact == DEFAULT_ARTIFACT:
        return Path("artifacts") / name
    return artifact.resolve().parent


def _teachers(
    arguments: argparse.Namespace, settings: Settings, stack: ExitStack
) -> tuple[tuple[Path, ...], ConfiguredTeacher | None]:
    """Artifact folders, or a teacher at a URL whose answers go to a file that `stack` closes."""
    named = tuple(arguments.teacher)
    if _CONFIGURED not in named:
        return named, None
    if len(named) > 1:
        raise CalibrationImpossible("--teacher configured cannot be combined with other teachers")
    if settings.teacher.url is None:
        if not settings.teacher.artifacts:
            raise CalibrationImpossible(
                "--teacher configured: set POSTERN_TEACHER_URL or POSTERN_TEACHER_ARTIFACTS"
            )
        return settings.teacher.artifacts, None
    path = arguments.opinions or arguments.data.with_name(arguments.data.name + ".opinions")
    return (), ConfiguredTeacher(settings.teacher, stack.enter_context(AnswerBook(path)))
