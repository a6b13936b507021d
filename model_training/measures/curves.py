"""The gain of a cascade at each deferral rate, and its bounds. No I/O.

The student decides all exchanges except the deferred ones, which the fused opinion of student and
teacher decides. Lines: `band` defers where the student is most likely wrong, `random` anywhere, and
`oracle` where deferring turns an error into a right verdict. `override` is `band` with the teacher
alone deciding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.calibration.figures import Ints, brier, equal_mass_calibration_error, nll
from postern.contract.decision import Fusion
from postern.contract.probability import Floats, log_odds, sigmoids

Mask = npt.NDArray[np.bool_]

RATES: Final[tuple[float, ...]] = (
    *(round(0.01 * step, 2) for step in range(21)),
    *(round(0.05 * step, 2) for step in range(5, 21)),
)
LINES: Final = ("band", "override", "random", "oracle")


@dataclass(frozen=True)
class Opinions:
    """One set. student, fused: (n,) in [0, 1]; thresholds: one per row; teacher: by its own
    threshold.

    labels: (n,) 0 or 1.
    """

    student: Floats
    fused: Floats
    teacher: Floats
    threshold: Floats
    teacher_threshold: Floats
    labels: Ints

    @property
    def by_student(self) -> Mask:
        """(n,) whether the student calls each exchange harmful."""
        return self.student >= self.threshold

    @property
    def by_fusion(self) -> Mask:
        """(n,) whether both together call it harmful, at the student's threshold, as served."""
        return self.fused >= self.threshold

    @property
    def by_teacher(self) -> Mask:
        """(n,) whether the teacher alone calls it harmful, at its own threshold."""
        return self.teacher >= self.teacher_threshold


def fuse(student: Floats, teacher: Floats, fusion: Fusion) -> Floats:
    """(n,) vectorized `Fusion.probability`."""
    odds = fusion.student * log_odds(student) + fusion.teacher * log_odds(teacher) + fusion.bias
    return sigmoids(odds)


def f1_of(harmful: Mask, labels: Ints) -> float:
    """F1 of verdicts, [0, 1]; 0 if nothing is harmful or called so."""
    found = float((harmful & (labels == 1)).sum())
    return 2.0 * found / max(float(harmful.sum()) + float((labels == 1).sum()), 1.0)


def doubt(opinions: Opinions) -> Floats:
    """(n,) chance that a calibrated student is wrong: p below its threshold, 1 - p above it."""
    return np.where(opinions.by_student, 1.0 - opinions.student, opinions.student)


def in_band(opinions: Opinions, rate: float) -> Mask:
    """The share of rows with the greatest doubt: a band around the threshold."""
    doubts = doubt(opinions)
    deferred = np.zeros(len(doubts), dtype=np.bool_)
    order = np.argsort(-doubts, kind="stable")
    deferred[order[: round(rate * len(order))]] = True
    return deferred


def by_oracle(opinions: Opinions, rate: float) -> Mask:
    """The best rows to defer, at most a share of them.

    Only rows on which the student errs and the fusion does not. Misses go before false alarms:
    repairing a miss raises F1 at least as much.
    """
    repaired = (opinions.by_student != (opinions.labels == 1)) & (
        opinions.by_fusion == (opinions.labels == 1)
    )
    order = np.argsort(np.where(repaired, 1 - opinions.labels, 2), kind="stable")
    deferred = np.zeros(len(opinions.labels), dtype=np.bool_)
    deferred[order[: min(round(rate * len(order)), int(repaired.sum()))]] = True
    return deferred


def f1_deferring(opinions: Opinions, deferred: Mask, *, override: bool = False) -> float:
    """F1 if these rows are deferred. With `override`, the teacher alone decides them."""
    instead = opinions.by_teacher if override else opinions.by_fusion
    return f1_of(np.where(deferred, instead, opinions.by_student), opinions.labels)


def f1_at_random(opinions: Opinions, rate: float) -> float:
    """F1 of the expected counts if a random share is deferred: they lie on the chord."""
    harmful = opinions.labels == 1

    def counts(verdicts: Mask) -> Floats:
        return np.array([(verdicts & harmful).sum(), verdicts.sum()], dtype=np.float64)

    found, called = (1.0 - rate) * counts(opinions.by_student) + rate * counts(opinions.by_fusion)
    return float(2.0 * found / max(called + float(harmful.sum()), 1.0))


def line(opinions: Opinions, name: str, rate: float) -> float:
    """F1 of one of the lines at a deferral rate in [0, 1]."""
    match name:
        case "random":
            return f1_at_random(opinions, rate)
        case "oracle":
            return f1_deferring(opinions, by_oracle(opinions, rate))
        case _:
            return f1_deferring(opinions, in_band(opinions, rate), override=name == "override")


def curves(opinions: Opinions) -> dict[str, Any]:
    """F1 of every line at every rate of `RATES`, and F1 of each judge alone."""
    return {
        "rates": list(RATES),
        "student": f1_of(opinions.by_student, opinions.labels),
        "teacher": f1_of(opinions.by_teacher, opinions.labels),
        **{name: [line(opinions, name, rate) for rate in RATES] for name in LINES},
    }


def deferred_figures(opinions: Opinions, rate: float) -> dict[str, float]:
    """Benefit and harm among the deferred rows of the band, as counts and as shares of them."""
    deferred = in_band(opinions, rate)
    truth = opinions.labels[deferred] == 1
    before = opinions.by_student[deferred] == truth
    after = opinions.by_fusion[deferred] == truth
    size = max(int(deferred.sum()), 1)
    benefit, harm = int((~before & after).sum()), int((before & ~after).sum())
    return {
        "deferred": int(deferred.sum()),
        "student_errors": int((~before).sum()),
        "benefit": benefit,
        "harm": harm,
        "benefit_share": benefit / size,
        "harm_share": harm / size,
    }


def gain_share(opinions: Opinions, rate: float) -> float | None:
    """The band's gain in F1 as a share of the oracle's gain at that rate; None if the oracle has
    none."""
    alone = f1_of(opinions.by_student, opinions.labels)
    possible = line(opinions, "oracle", rate) - alone
    return (line(opinions, "band", rate) - alone) / possible if possible > 1e-12 else None


def risk_coverage(errors: Mask, doubts: Floats) -> tuple[Floats, Floats]:
    """(coverage, error rate) if the least doubtful rows are answered first, each (n,).

    Equally doubtful rows count as their mean, whatever their order. errors: (n > 0,).
    """
    order = np.argsort(doubts, kind="stable")
    sorted_doubts, wrong = doubts[order], errors[order].astype(np.float64)
    _, group, size = np.unique(sorted_doubts, return_inverse=True, return_counts=True)
    mean = np.bincount(group, weights=wrong) / size
    answered = np.arange(1, len(wrong) + 1, dtype=np.float64)
    return answered / len(wrong), np.cumsum(mean[group]) / answered


def aurc(errors: Mask, doubts: Floats) -> float:
    """Area under the risk-coverage curve, [0, 1]; lower is better. After Geifman et al. 2019."""
    return float(risk_coverage(errors, doubts)[1].mean())


def calibration_figures(probabilities: Floats, labels: Ints) -> dict[str, float]:
    """ECE over 15 bins of equal mass, Brier score and NLL in nats."""
    return {
        "ece_15_equal_mass": equal_mass_calibration_error(probabilities, labels),
        "brier": brier(probabilities, labels),
        "nll": nll(probabilities, labels),
    }


def intervals(
    opinions: Opinions, rate: float, *, n_resamples: int, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals (Efron 1979), resampled within classes.

    Each row is resampled together with whether it is deferred, so the rate may vary a little.
    """
    rng = np.random.default_rng(seed)
    deferred = in_band(opinions, rate)
    verdicts = {
        "student": opinions.by_student,
        "teacher": opinions.by_teacher,
        "band": np.where(deferred, opinions.by_fusion, opinions.by_student),
    }
    classes = [np.flatnonzero(opinions.labels == label) for label in (0, 1)]
    found: dict[str, list[float]] = {name: [] for name in (*verdicts, "band_less_student")}
    for _ in range(n_resamples):
        rows = np.concatenate([rng.choice(one, size=len(one)) for one in classes if len(one)])
        for name, harmful in verdicts.items():
            found[name].append(f1_of(harmful[rows], opinions.labels[rows]))
        found["band_less_student"].append(found["band"][-1] - found["student"][-1])
    tails = {name: np.quantile(values, [0.025, 0.975]) for name, values in found.items()}
    return {name: (float(low), float(high)) for name, (low, high) in tails.items()}
