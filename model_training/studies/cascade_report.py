"""The value of a teacher behind the student: curves on validation rows and the public test sets.

Fusion weights and the teacher's own threshold are fitted on one half of the validation rows, by
prompt. Figures come from the other half and from the test sets.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.calibration.figures import threshold_at_best_f1
from postern.calibration.fit import UNCALIBRATED, fit_fusion
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.decision import Fusion, Policy
from postern.contract.exchange import SLICES, Slice
from postern.contract.probability import Calibration, Floats, harmful_probability

from model_training.data.rows import Row, read_pool, read_rows, read_sources, write_atomically
from model_training.data.split import labelled_rows
from model_training.errors import DataInvalid
from model_training.measures import curves
from model_training.measures.curves import Opinions
from model_training.measures.score_files import (
    ScoreRow,
    read_scores,
    score_sets,
    write_scores,
)
from model_training.run.candidate import write_json
from model_training.studies.cascade_text import cascade_markdown, plot_curves

VALIDATION: Final = "validation"
SCORES: Final = "scores.jsonl"
_AT: Final = (0.05, 0.10)


def report(rows: Sequence[ScoreRow], policy: Policy, *, n_resamples: int) -> dict[str, Any]:
    """All figures by set and slice. No I/O. Raises DataInvalid if a fit lacks rows."""
    told = [row for row in rows if row.teacher is not None]
    slices = [name for name in SLICES if any(row.slice == name for row in told)]
    fitted = {name: _fit(told, name, policy) for name in slices}
    found = {}
    for name in sorted({row.set for row in told}):
        for slice_ in slices:
            part = [row for row in told if (row.set, row.slice) == (name, slice_)]
            part = [row for row in part if row.set != VALIDATION or not _fits(row)]
            if len({row.label for row in part}) == 2:
                title = f"{name}, {slice_}"
                opinions = _opinions(part, policy, slice_, fitted[slice_])
                found[title] = _figures(part, opinions, n_resamples=n_resamples)
    return {
        "fitted": {
            name: {"fusion": fusion.model_dump(), "teacher_threshold": threshold}
            for name, (fusion, threshold) in fitted.items()
        },
        "without_teacher": len(rows) - len(told),
        "sets": found,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command, without those for folders."""
    parser.add_argument("--student", type=Path, required=True, help="artifact of the student")
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        help="artifact of the teacher; the log-odds of several are averaged",
    )
    parser.add_argument(
        "--scores",
        type=Path,
        help="scores.jsonl of an earlier run, instead of scoring; with --validation or --data the "
        "student is scored anew, and only the teacher's opinions are taken from the file",
    )
    parser.add_argument("--validation", type=Path, help="validation.jsonl of a run's rows")
    parser.add_argument("--data", type=Path, help="data folder, for its test sets")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--threads", type=int, default=0, help="threads for ONNX Runtime")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples")


def run(arguments: argparse.Namespace) -> None:
    """Write scores.jsonl, cascade.json, cascade.md and cascade.png. Raises DataInvalid."""
    student = read_artifact(arguments.student)
    rows = _scores(arguments, student)
    found = report(rows, student.manifest.policy, n_resamples=arguments.resamples)
    if not found["sets"]:
        raise DataInvalid("no set has both labels and a teacher's opinion")
    found = {
        "student": f"{student.manifest.name} {student.manifest.version}",
        "teachers": [f"{folder.parent.name} {folder.name}" for folder in arguments.teacher],
        **found,
    }
    write_json(arguments.output / "cascade.json", found)
    write_atomically(arguments.output / "cascade.md", cascade_markdown(found).encode())
    write_atomically(arguments.output / "cascade.png", plot_curves(found["sets"]))
    print(f"wrote {arguments.output / 'cascade.md'}")


def _scores(arguments: argparse.Namespace, student: Artifact) -> list[ScoreRow]:
    known = None if arguments.scores is None else read_scores(arguments.scores)
    if known is not None and arguments.validation is None and arguments.data is None:
        return known
    sets: dict[str, Sequence[Row]] = {}
    if arguments.validation is not None:
        sets[VALIDATION] = read_rows(arguments.validation)
    if arguments.data is not None:
        sets |= {
            source.name: labelled_rows(read_pool(arguments.data, source))
            for source in read_sources(arguments.data)
            if source.split == "test"
        }
    teachers = [read_artifact(folder) for folder in arguments.teacher]
    rows = score_sets(sets, student, teachers, threads=arguments.threads, known=known)
    write_scores(arguments.output / SCORES, rows)
    return rows


def _fits(row: ScoreRow) -> bool:
    """Whether a validation row belongs to the half on which weights are fitted."""
    return int(row.key, 16) // 5 % 2 == 0


def _fit(rows: Sequence[ScoreRow], slice_: Slice, policy: Policy) -> tuple[Fusion, float]:
    part = [row for row in rows if row.set == VALIDATION and row.slice == slice_ and _fits(row)]
    labels = _labels(part)
    if len(set(labels.tolist())) < 2:
        raise DataInvalid(f"too few validation rows of slice {slice_} have a teacher's opinion")
    teacher = _teacher(part)
    student = _student(part, policy.calibration[slice_])
    return fit_fusion(student, teacher, labels), threshold_at_best_f1(teacher, labels)


def _opinions(
    rows: Sequence[ScoreRow], policy: Policy, slice_: Slice, fitted: tuple[Fusion, float]
) -> Opinions:
    """Opinions on the rows of one slice, at the default operating point."""
    fusion, teacher_threshold = fitted
    student, teacher = _student(rows, policy.calibration[slice_]), _teacher(rows)
    point = policy.operating_points[policy.default_operating_point][slice_]
    return Opinions(
        student=student,
        fused=curves.fuse(student, teacher, fusion),
        teacher=teacher,
        threshold=np.full(len(rows), point.threshold),
        teacher_threshold=np.full(len(rows), teacher_threshold),
        labels=_labels(rows),
    )


def _figures(rows: Sequence[ScoreRow], opinions: Opinions, *, n_resamples: int) -> dict[str, Any]:
    labels = opinions.labels
    errors = opinions.by_student != (labels == 1)
    return {
        "rows": len(rows),
        "harmful_rows": int(labels.sum()),
        "curves": curves.curves(opinions),
        "at": {str(rate): _at(opinions, rate, n_resamples) for rate in _AT},
        "aurc": curves.aurc(errors, curves.doubt(opinions)),
        "aurc_of_perfect_doubt": curves.aurc(errors, errors.astype(np.float64)),
        "calibration": {
            "student, before": curves.calibration_figures(_student(rows, UNCALIBRATED), labels),
            "student": curves.calibration_figures(opinions.student, labels),
            "teacher": curves.calibration_figures(opinions.teacher, labels),
            "fused": curves.calibration_figures(opinions.fused, labels),
        },
    }


def _at(opinions: Opinions, rate: float, n_resamples: int) -> dict[str, Any]:
    return {
        "f1": {name: curves.line(opinions, name, rate) for name in curves.LINES},
        "gain_share_of_oracle": curves.gain_share(opinions, rate),
        "deferred": curves.deferred_figures(opinions, rate),
        "interval_95": curves.intervals(opinions, rate, n_resamples=n_resamples),
    }


def _student(rows: Sequence[ScoreRow], calibration: Calibration) -> Floats:
    margins = np.array([row.student_margin for row in rows], dtype=np.float64)
    return harmful_probability(margins, calibration)


def _teacher(rows: Sequence[ScoreRow]) -> Floats:
    return np.array([row.teacher for row in rows], dtype=np.float64)


def _labels(rows: Sequence[ScoreRow]) -> npt.NDArray[np.int64]:
    return np.array([row.label for row in rows], dtype=np.int64)
