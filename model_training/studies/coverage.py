"""Checks whether certificates hold as often as they claim, on many samples of a known population.

The population is a file of scored rows. Each split draws a sample from it with replacement, so that
its rows are independent and the rates over all rows of the file are the truth. The sample is
calibrated and certified as `postern calibrate` does, and each bound is compared with the truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from postern.calibration.bounds import upper_bound
from postern.calibration.certify import (
    CertifiedSlice,
    certify_slice,
    deferred,
    new_policy,
    outcomes,
)
from postern.calibration.fit import N_FOLDS
from postern.calibration.parts import PARTS, SHARES, ScoredSlice, Wanted
from postern.contract.decision import OperatingPoint, Policy
from postern.contract.exchange import SLICES, Slice
from postern.contract.probability import Calibration, Floats, harmful_probability
from tqdm import trange

from model_training.data.rows import write_atomically
from model_training.errors import DataInvalid
from model_training.measures.score_files import ScoreRow, read_scores
from model_training.run.candidate import write_json

STATEMENTS: Final = ("low", "high", "miss_rate", "false_positive_rate", "deferral_rate")
_POINT: Final = "balanced"
# Any policy will do: only its behaviour on a teacher's failure is used.
_OLD: Final = Policy(
    calibration=dict.fromkeys(SLICES, Calibration(temperature=1.0)),
    operating_points=dict.fromkeys(
        ("strict", "balanced", "permissive"),
        dict.fromkeys(SLICES, OperatingPoint(threshold=0.5, deferral_band=(0.5, 0.5))),
    ),
    default_operating_point=_POINT,
)


def population(rows: Sequence[ScoreRow], slice_: Slice) -> ScoredSlice:
    """All rows of a slice. A teacher counts if it judged any of them."""
    here = [row for row in rows if row.slice == slice_]
    teacher = np.array([np.nan if row.teacher is None else row.teacher for row in here])
    return ScoredSlice(
        margins=np.array([row.student_margin for row in here], dtype=np.float64),
        labels=np.array([row.label for row in here], dtype=np.int64),
        folds=np.zeros(len(here), dtype=np.int64),
        parts=np.zeros(len(here), dtype=np.int64),
        disguised=np.array([row.disguised for row in here], dtype=np.bool_),
        teacher=None if np.isnan(teacher).all() else teacher,
    )


def coverage(
    truth: ScoredSlice, slice_: Slice, wanted: Wanted, *, size: int, n_splits: int, seed: int = 0
) -> dict[str, Any]:
    """Bounds and true rates of each statement, and how often the rate exceeded its bound.

    size: rows of each sample. Raises TooFewRows if the samples cannot carry the guarantee.
    """
    rng = np.random.default_rng(seed)
    bounds: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    rates: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in trange(n_splits, desc=f"coverage: {slice_}", disable=None):
        found = certify_slice(_drawn(truth, size, rng), slice_, wanted, old=_OLD)
        for name, bound in _stated(found).items():
            bounds[name].append(bound)
        for name, rate in true_rates(truth, slice_, found).items():
            rates[name].append(rate)
    return {
        name: _summary(np.array(bounds[name]), np.array(rates[name]), wanted.delta)
        for name in STATEMENTS
    }


def _drawn(truth: ScoredSlice, size: int, rng: np.random.Generator) -> ScoredSlice:
    rows = rng.integers(0, len(truth.labels), size)
    return ScoredSlice(
        margins=truth.margins[rows],
        labels=truth.labels[rows],
        folds=rng.integers(0, N_FOLDS, size),
        parts=rng.choice(len(PARTS), size=size, p=[SHARES[part] for part in PARTS]),
        disguised=truth.disguised[rows],
        teacher=None if truth.teacher is None else truth.teacher[rows],
    )


def _stated(found: CertifiedSlice) -> dict[str, float]:
    whole = found.certificate.end_to_end[_POINT]
    return {
        "low": found.certificate.low.alpha,
        "high": found.certificate.high.alpha,
        "miss_rate": whole.miss_rate.upper_bound,
        "false_positive_rate": whole.false_positive_rate.upper_bound,
        "deferral_rate": whole.deferral_rate.upper_bound,
    }


def true_rates(truth: ScoredSlice, slice_: Slice, found: CertifiedSlice) -> dict[str, float]:
    """Rate of each statement over the whole population."""
    probabilities = harmful_probability(truth.margins, found.calibration)
    harmful, point = truth.labels == 1, found.points[_POINT]
    policy = new_policy(_OLD, {slice_: found})
    has_teacher = truth.teacher is not None
    asked = deferred(probabilities, truth.disguised, point, has_teacher=has_teacher)
    called = outcomes(probabilities, truth.teacher, asked, point, slice_=slice_, policy=policy)
    return {
        "low": float((probabilities[harmful] < found.certificate.low.threshold).mean()),
        "high": float((probabilities[~harmful] > found.certificate.high.threshold).mean()),
        "miss_rate": float((~called[harmful]).mean()),
        "false_positive_rate": float(called[~harmful].mean()),
        "deferral_rate": float(asked.mean()),
    }


def _summary(bounds: Floats, rates: Floats, delta: float) -> dict[str, Any]:
    failed = int((rates > bounds).sum())
    return {
        "splits": len(rates),
        "failed": failed,
        "failed_share": failed / len(rates),
        # At or below delta, the splits do not contradict it. 1 - 99.9 % is the chance of a false
        # alarm.
        "failed_share_at_least": 1.0 - upper_bound(len(rates) - failed, len(rates), 0.001),
        "delta": delta,
        "mean_bound": float(bounds.mean()),
        "mean_rate": float(rates.mean()),
        "excess": (rates - bounds).tolist(),
    }


def plot(found: Mapping[Any, dict[str, Any]]) -> bytes:
    """PNG: distance of the true rate from its bound, for each statement; right of 0 it failed."""
    from matplotlib.figure import Figure  # serving does not install it

    from model_training.measures.png import png

    figure = Figure(figsize=(14, 2.8 * len(found)), dpi=90, layout="constrained")
    grid = figure.subplots(len(found), len(STATEMENTS), squeeze=False)
    for axes_row, (slice_, statements) in zip(grid, found.items(), strict=True):
        for axes, (name, one) in zip(axes_row, statements.items(), strict=True):
            axes.hist(one["excess"], bins=30, color="#4878a8")
            axes.axvline(0.0, color="#b03030", linewidth=1.2)
            axes.set_title(
                f"{slice_}, {name.replace('_', ' ')}\n"
                f"failed {one['failed_share']:.1%} of {one['splits']} (stated {one['delta']:.0%})",
                fontsize=8,
            )
            axes.tick_params(labelsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("true rate less stated bound", fontsize=8)
    return png(figure)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("--scores", type=Path, required=True, help="scores.jsonl of cascade-report")
    parser.add_argument("--output", type=Path, required=True, help="folder for JSON and PNG")
    parser.add_argument("--set", default="validation", help="set of rows that is the population")
    parser.add_argument("--splits", type=int, default=400, help="samples to draw (default: 400)")
    parser.add_argument(
        "--size", type=int, default=1500, help="rows of each sample (default: 1500)"
    )
    for name, default in (("--alpha-miss", 0.05), ("--alpha-false-alarm", 0.05), ("--delta", 0.1)):
        parser.add_argument(name, type=float, default=default, help=f"default: {default}")


def run(arguments: argparse.Namespace) -> None:
    """Write `coverage.json` and `coverage.png`. Raises DataInvalid, TooFewRows."""
    rows = [row for row in read_scores(arguments.scores) if row.set == arguments.set]
    slices = [name for name in SLICES if any(row.slice == name for row in rows)]
    if not slices:
        raise DataInvalid(f"{arguments.scores}: contains no row of {arguments.set!r}")
    wanted = Wanted(arguments.alpha_miss, arguments.alpha_false_alarm, arguments.delta)
    found = {
        name: coverage(
            population(rows, name), name, wanted, size=arguments.size, n_splits=arguments.splits
        )
        for name in slices
    }
    write_json(arguments.output / "coverage.json", found)
    write_atomically(arguments.output / "coverage.png", plot(found))
    for name, statements in found.items():
        for statement, one in statements.items():
            print(f"{name} {statement}: failed {one['failed']} of {one['splits']}")
