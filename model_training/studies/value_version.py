"""The study `fit-value`: a student and a teacher -> a version of the student for mode `value`.

The model's verdicts stay the same, bit for bit: a head is added beside its classifier, and the
policy learns from which expected gain the teacher is asked.

Experimental: the head has not yet been shown to choose better than the deferral band.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.calibration.calibrate import CERTIFICATE, disguises, outputs
from postern.calibration.fit import N_FOLDS, calibrated, fit_fusion
from postern.calibration.keys import prompt_hash
from postern.calibration.labelled import Labelled, read_labelled
from postern.calibration.publishing import write_durably, write_version
from postern.contract.artifact import (
    MODEL,
    VERSION_PATTERN,
    Artifact,
    Manifest,
    file_entries,
    read_artifact,
)
from postern.contract.decision import Fusion, Policy
from postern.contract.errors import ArtifactInvalid
from postern.contract.exchange import SLICES, Slice
from postern.contract.probability import Floats, harmful_margin
from postern.contract.value import VALUE_OUTPUT

from model_training.data.rows import read_rows
from model_training.errors import DataInvalid, GateFailed
from model_training.measures import curves
from model_training.measures.score_files import (
    add_student_and_teachers,
    known_opinions,
    opinions,
    read_scores,
    score_rows,
    visible,
    write_scores,
)
from model_training.studies.value_head import EVENTS, FittedValue, ValueSample, fit_value

SET: Final = "calibration"
"""Name of these rows in a file of scores."""

_CHECKED_ROWS: Final = 200


@dataclass(frozen=True)
class JudgedRows:
    """Rows that a server would ask about by their value: not disguised, and with an opinion.

    outputs: (n, 2 + d) logits and pooled states; teacher: (n,) in [0, 1].
    """

    rows: list[Labelled]
    outputs: npt.NDArray[np.float32]
    teacher: Floats

    @property
    def slices(self) -> npt.NDArray[np.str_]:
        return np.array([row.exchange.slice for row in self.rows], dtype=np.str_)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        return np.array([row.label for row in self.rows], dtype=np.int64)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_student_and_teachers(parser)
    rows = parser.add_mutually_exclusive_group(required=True)
    rows.add_argument("--rows", type=Path, help="calibration.jsonl of the student's run")
    rows.add_argument(
        "--labelled",
        type=Path,
        help="or labelled exchanges in the format of `postern calibrate`, none of which the "
        "student was trained on; without --teacher and --scores, teacher_probability is the "
        "opinion",
    )
    parser.add_argument(
        "--scores",
        type=Path,
        help="file for the teacher's opinions: written if --teacher is given, otherwise read",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=0.1,
        help="largest share of the traffic to defer (default: 0.1)",
    )
    parser.add_argument(
        "--version", help="version of the new artifact (default: the old version with +value.DATE)"
    )
    parser.add_argument(
        "--output", type=Path, help="folder for <name>/<version> (default: beside the old version)"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads for ONNX Runtime")


def run(arguments: argparse.Namespace) -> None:
    """Fit, write the new version and report the result. Raises DataInvalid, ArtifactInvalid."""
    # imports onnx, which serving does not install
    from model_training.studies.value_graph import with_head

    if not 0.0 < arguments.share < 1.0:
        raise DataInvalid("--share must lie between 0 and 1")
    student = read_artifact(arguments.student)
    today = datetime.now(UTC).date()
    target = _target(arguments, student.manifest, today)
    teachers = [read_artifact(folder) for folder in arguments.teacher]
    judged = _judged(arguments, student, teachers)
    policy, fitted = fit(judged, student.manifest.policy, share=arguments.share)
    model = with_head(student.model, fitted.weights, fitted.bias)
    check_model(student, model, judged, fitted, threads=arguments.threads)
    metrics = {**fitted.metrics, "teacher": _names(teachers), "date": today.isoformat()}
    manifest = student.manifest.model_copy(
        update={
            "version": target.name,
            "policy": policy,
            "metrics": {**student.manifest.metrics, "value": metrics},
            # Omit both: they concern another deferral policy, and a file with another hash.
            "certificate": None,
        }
    )
    write(arguments.student, manifest, model, target)
    print(summary(fitted))
    print(f"wrote {target}")


def fit(judged: JudgedRows, policy: Policy, *, share: float) -> tuple[Policy, FittedValue]:
    """The policy with its heads, and with fusion weights for slices that had none. No I/O.

    Raises DataInvalid.
    """
    slices, labels = judged.slices, judged.labels
    student = calibrated(harmful_margin(judged.outputs), slices, policy.calibration)
    points = policy.operating_points[policy.default_operating_point]
    thresholds = np.array([points[row.exchange.slice].threshold for row in judged.rows])
    fusion = {
        name: _fusion(name, policy, student[here], judged.teacher[here], labels[here])
        for name in SLICES
        if np.any(here := slices == name)
    }
    fused = np.empty_like(student)
    for name, weights in fusion.items():
        here = slices == name
        fused[here] = curves.fuse(student[here], judged.teacher[here], weights)
    truth = labels == 1
    right, right_asked = ((verdict >= thresholds) == truth for verdict in (student, fused))
    folds = [prompt_hash(row.exchange.prompt) % N_FOLDS for row in judged.rows]
    sample = ValueSample(
        states=judged.outputs[:, 2:].astype(np.float64),
        probabilities=student,
        thresholds=thresholds,
        slices=slices,
        repair=~right & right_asked,
        harm=right & ~right_asked,
        folds=np.array(folds, dtype=np.int64),
    )
    fitted = fit_value(sample, share=share)
    new = {"value": fitted.heads, "fusion": {**policy.fusion, **fusion}}
    return policy.model_copy(update=new), fitted


def check_model(
    student: Artifact, model: bytes, judged: JudgedRows, fitted: FittedValue, *, threads: int
) -> None:
    """Raises GateFailed unless the logits are equal to the bit and the head's output is the fit."""
    from model_training.student.heads import check_product  # onnx, which `--help` does not need

    rows = judged.rows[:_CHECKED_ROWS]
    hidden = disguises(rows)
    before = outputs(student, rows, hidden, threads=threads)
    after = outputs(
        replace(student, model=model), rows, hidden, threads=threads, extra=VALUE_OUTPUT
    )
    if not np.array_equal(before, after[:, :2]):
        raise GateFailed("the head moved the logits")
    states = judged.outputs[: len(rows), 2:]
    check_product(after[:, 2:], states, fitted.weights, fitted.bias)


def write(source: Path, manifest: Manifest, model: bytes, target: Path) -> None:
    """Write the new version with all other files of the old one. Raises ArtifactInvalid."""

    def fill(staging: Path) -> Manifest:
        for name in manifest.files:
            if name not in (MODEL, CERTIFICATE):
                write_durably(staging / name, (source / name).read_bytes())
        write_durably(staging / MODEL, model)
        return manifest.model_copy(update={"files": file_entries(staging)})

    write_version(target, fill)


def summary(fitted: FittedValue) -> str:
    """The fit, one line for each event and side."""
    return "\n".join(
        f"{event} where the student says {side}: {found['events']} of {found['rows']}, told by "
        + ("the distance alone" if found["ridge"] is None else f"the state (L2 {found['ridge']})")
        for event in EVENTS
        for side, found in fitted.metrics[event].items()
    )


def _target(arguments: argparse.Namespace, old: Manifest, today: date) -> Path:
    """The folder of the new version. Raises ArtifactInvalid before anything is scored."""
    version = arguments.version or f"{old.version.partition('+')[0]}+value.{today:%Y%m%d}"
    if not re.fullmatch(VERSION_PATTERN, version):
        raise ArtifactInvalid("the version must be a digit followed by A-Z a-z 0-9 . _ + -")
    output: Path | None = arguments.output
    beside = arguments.student.resolve().parent
    target: Path = beside / version if output is None else output / old.name / version
    if target.exists():
        raise ArtifactInvalid(f"{target} exists; a version never changes: give another --version")
    return target


def _fusion(
    name: Slice, policy: Policy, student: Floats, teacher: Floats, labels: npt.NDArray[np.int64]
) -> Fusion:
    if name in policy.fusion:
        return policy.fusion[name]
    if len(set(labels.tolist())) < 2:
        raise DataInvalid(f"the rows of slice {name} must hold both labels")
    return fit_fusion(student, teacher, labels)


def _judged(
    arguments: argparse.Namespace, student: Artifact, teachers: Sequence[Artifact]
) -> JudgedRows:
    from model_training.studies.value_graph import POOLED, with_pooled  # onnx

    rows = _rows(arguments)
    told, hidden = _opinions(arguments, rows, teachers), disguises(rows)
    opened = replace(student, model=with_pooled(student.model))
    state = POOLED
    found = outputs(opened, rows, hidden, threads=arguments.threads, extra=state)
    if teachers and arguments.scores is not None:
        write_scores(arguments.scores, score_rows(SET, rows, hidden, found, told))
    asked = ~np.isnan(told) & np.array([one is None for one in hidden], dtype=np.bool_)
    if not asked.any():
        raise DataInvalid("no row has a teacher's opinion: give --teacher or --scores")
    kept = [row for row, wanted in zip(rows, asked, strict=True) if wanted]
    return JudgedRows(kept, found[asked], told[asked])


def _rows(arguments: argparse.Namespace) -> list[Labelled]:
    if arguments.labelled is not None:
        return list(read_labelled(arguments.labelled).rows)
    return visible(read_rows(arguments.rows))


def _opinions(
    arguments: argparse.Namespace, rows: Sequence[Labelled], teachers: Sequence[Artifact]
) -> Floats:
    if teachers:
        return opinions(rows, teachers, threads=arguments.threads)
    if arguments.scores is not None:
        return known_opinions(SET, rows, read_scores(arguments.scores))
    return np.array([np.nan if row.teacher is None else row.teacher for row in rows])


def _names(teachers: Sequence[Artifact]) -> list[dict[str, Any]] | str:
    """Whose opinions they are, for the manifest, without local paths."""
    if not teachers:
        return "given as probabilities"
    return [
        {"name": one.manifest.name, "version": one.manifest.version, "sha256": one.sha256}
        for one in teachers
    ]
