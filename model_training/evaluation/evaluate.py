"""Measures held-out figures, through the code that serves, on the files that `publish` will
rename.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.contract.decision import Policy
from postern.contract.exchange import SLICES
from postern.contract.language import ENGLISH
from postern.contract.probability import Calibration, Floats, harmful_probability

from model_training.data.categories import Kinds
from model_training.data.rows import Row, read_pool, read_sources, write_atomically
from model_training.data.split import labelled_rows
from model_training.evaluation.behaviour.gate import behaviour, foreign_behaviour
from model_training.evaluation.categories import category_figures
from model_training.evaluation.languages import language_figures
from model_training.evaluation.report import report_markdown
from model_training.evaluation.verdicts import flagged_by, probabilities_of
from model_training.measures import figures as scores
from model_training.measures.figures import Ints
from model_training.measures.plots import (
    Composition,
    plot_composition,
    plot_precision_recall,
    plot_reliability,
)
from model_training.measures.served import ScoredRows, Served, open_candidate
from model_training.measures.validation import evaluation_rows
from model_training.recipe.config import RunConfig
from model_training.run.candidate import (
    CALIBRATION,
    COMPOSITION_PLOT,
    EXPORT,
    PRECISION_RECALL_PLOT,
    RELIABILITY_PLOT,
    REPORT,
    REPORT_TEXT,
    policy_sha256,
    read_json,
    write_json,
)

LOOK_ALIKES: Final = ("contrast_constructed", "coconot", "benign_wrapped")
_OF_THE_MODEL: Final = (
    "quantization", "size_bytes", "model_sha256", "encoder", "parameters", "refused"
)  # fmt: skip
_FPR: Final = 0.05
# The test sets are English. A student that is not published for English reads so many rows of each.
_FOREIGN_TEST_ROWS: Final = 200
_UNCALIBRATED: Final = Calibration(temperature=1.0)


def evaluate(
    candidate: Path,
    policy: Policy,
    config: RunConfig,
    *,
    data: Path,
    validation: Sequence[Row],
    look_alikes: Sequence[Row] | None = None,
    threads: int | None = None,
    n_resamples: int = 1000,
    composition: Composition | None = None,
    kinds: Sequence[Kinds] = (),
    foreign: Sequence[Row] = (),
    learnt: Collection[str] = (),
) -> dict[str, Any]:
    """Writes `report.json`, `report.md` and plots into the candidate; returns the report.

    data: the data folder; only this function reads its test sets, and no choice depends on them.
    look_alikes: harmless rows that look harmful; None: those of `validation`.
    composition: of the training rows. kinds: validation rows whose kinds of harm are known.
    foreign: held-out rows in other languages. learnt: languages in which training held harmful
    requests.
    """
    exported = read_json(candidate / EXPORT)
    served = open_candidate(
        candidate, config.windows, pad_id=int(exported["pad_id"]), threads=threads
    )
    test = {
        source.name: served.score(
            _measured(labelled_rows(read_pool(data, source)), config),
            what=f"evaluate: {source.name}",
        )
        for source in read_sources(data)
        if source.split == "test"
    }
    held_out = served.score(validation, what="evaluate: validation")
    alike = held_out
    if look_alikes is not None:
        alike = served.score(look_alikes, what="evaluate: look-alikes")
    report = {
        "name": config.name,
        "version": config.version,
        "model": {key: exported[key] for key in _OF_THE_MODEL if key in exported},
        "policy_sha256": policy_sha256(policy),
        "imported": config.imported is not None,
        "parity": exported["parity"],
        "calibration": _calibration(candidate),
        "test": {
            name: figures(scored, policy, n_resamples=n_resamples) for name, scored in test.items()
        },
        "validation": by_slice(held_out, policy, n_resamples=n_resamples),
        "validation_sources": by_source(held_out, policy),
        "look_alikes": look_alike_figures(alike, policy),
        **_behaviour(served, policy, config),
        **category_figures(candidate, policy, config, data=data, validation=kinds, threads=threads),
        **_languages(served, policy, config, foreign, learnt, n_resamples=n_resamples),
        **({"composition": composition} if composition else {}),
    }
    write_json(candidate / REPORT, report)
    write_atomically(candidate / REPORT_TEXT, report_markdown(report).encode())
    drawn = {**test, **_slices(held_out, prefix="validation, ")}
    write_atomically(candidate / PRECISION_RECALL_PLOT, plot_precision_recall(drawn))
    write_atomically(candidate / RELIABILITY_PLOT, plot_reliability(drawn, policy))
    (candidate / COMPOSITION_PLOT).unlink(missing_ok=True)  # left by an earlier evaluation
    if composition:
        write_atomically(candidate / COMPOSITION_PLOT, plot_composition(composition))
    return report


def _measured(rows: Sequence[Row], config: RunConfig) -> Sequence[Row]:
    """All rows of a test set, or a few, always the same, if the student is not for English."""
    if config.multilingual is None or ENGLISH[0] in config.multilingual.languages:
        return rows
    return evaluation_rows(rows, _FOREIGN_TEST_ROWS, np.random.default_rng(0))


def figures(scored: ScoredRows, policy: Policy, *, n_resamples: int = 0) -> dict[str, Any]:
    """All figures of one set, without those that need a label which the set lacks.

    n_resamples: for bootstrap intervals; 0 computes none.
    """
    labels, probabilities = scored.labels, probabilities_of(scored, policy)
    found: dict[str, Any] = {
        "rows": len(labels),
        "harmful_rows": int(labels.sum()),
        "at": {
            name: _at_point(flagged_by(scored, policy, name), labels)
            for name in policy.operating_points
        },
        "deferred_share": _deferred_share(scored, policy, probabilities),
    }
    if len(set(labels.tolist())) < 2:
        return found
    found |= _ranking(scored, policy, labels, n_resamples=n_resamples)
    uncalibrated = harmful_probability(scored.margins, _UNCALIBRATED)
    return found | {
        "ece_15_uncalibrated": scores.expected_calibration_error(uncalibrated, labels),
        "ece_15": scores.expected_calibration_error(probabilities, labels),
        "brier": scores.brier(probabilities, labels),
        "nll": scores.nll(probabilities, labels),
    }


def _ranking(
    scored: ScoredRows, policy: Policy, labels: Ints, *, n_resamples: int
) -> dict[str, Any]:
    measured: dict[str, Callable[[Floats, Ints], float]] = {
        "auprc": scores.auprc,
        "recall_at_fpr_5": lambda s, y: scores.recall_at_fpr(s, y, rate=_FPR),
    }
    ranking: dict[str, Any] = {name: of(scored.margins, labels) for name, of in measured.items()}
    if n_resamples:
        flagged = flagged_by(scored, policy, policy.default_operating_point).astype(np.float64)
        measured_at: dict[str, tuple[Callable[[Floats, Ints], float], Floats]] = {
            **{name: (of, scored.margins) for name, of in measured.items()},
            "f1": (lambda s, y: scores.f1(s, y, threshold=0.5), flagged),
        }
        ranking["interval_95"] = {
            name: scores.bootstrap_interval(of, values, labels, n_resamples=n_resamples)
            for name, (of, values) in measured_at.items()
        }
    return ranking


def _at_point(flagged: npt.NDArray[np.bool_], labels: Ints) -> dict[str, float]:
    values = flagged.astype(np.float64)
    found: dict[str, float] = {}
    if np.any(labels == 1):
        precision, recall, f1 = scores.precision_recall_f1(values, labels, threshold=0.5)
        found |= {"f1": f1, "precision": precision, "recall": recall}
    if np.any(labels == 0):
        rate = scores.false_positive_rate(values, labels, threshold=0.5)
        found["false_positive_rate"] = rate
    return found


def _deferred_share(scored: ScoredRows, policy: Policy, probabilities: Floats) -> float:
    """Share of rows inside the deferral band of the default operating point."""
    points = policy.operating_points[policy.default_operating_point]
    bands = np.array([points[row.slice].deferral_band for row in scored.rows]).reshape(-1, 2)
    inside = (probabilities >= bands[:, 0]) & (probabilities <= bands[:, 1])
    return float(inside.mean()) if len(inside) else 0.0


def by_slice(scored: ScoredRows, policy: Policy, *, n_resamples: int) -> dict[str, Any]:
    return {
        name: figures(part, policy, n_resamples=n_resamples)
        for name, part in _slices(scored).items()
    }


def by_source(scored: ScoredRows, policy: Policy) -> dict[str, Any]:
    """Figures by source and slice: a source may hold prompts with and without responses."""
    found: dict[str, Any] = {}
    for source in sorted(set(scored.sources.tolist())):
        for name in SLICES:
            part = _part(scored, (scored.sources == source) & (scored.slices == name))
            if part.rows:
                found[f"{source}, {name}"] = figures(part, policy)
    return found


def look_alike_figures(scored: ScoredRows, policy: Policy) -> dict[str, Any]:
    """False-positive rate on harmless rows that look harmful, at each operating point.

    `pooled` is the mean over sources, so that the largest source does not dominate.
    """
    found: dict[str, Any] = {}
    for source in LOOK_ALIKES:
        part = _part(scored, (scored.sources == source) & (scored.labels == 0))
        if part.rows:
            found[source] = {
                "rows": len(part.rows),
                **{
                    name: float(flagged_by(part, policy, name).mean())
                    for name in policy.operating_points
                },
            }
    if found:
        found["pooled"] = {
            "rows": sum(entry["rows"] for entry in found.values()),
            **{
                name: float(np.mean([entry[name] for entry in found.values()]))
                for name in policy.operating_points
            },
        }
    return found


def _slices(scored: ScoredRows, prefix: str = "") -> dict[str, ScoredRows]:
    parts = {f"{prefix}{name}": _part(scored, scored.slices == name) for name in SLICES}
    return {name: part for name, part in parts.items() if part.rows}


def _part(scored: ScoredRows, where: npt.NDArray[np.bool_]) -> ScoredRows:
    return ScoredRows([scored.rows[int(i)] for i in np.flatnonzero(where)], scored.margins[where])


def _behaviour(served: Served, policy: Policy, config: RunConfig) -> dict[str, Any]:
    found = behaviour(served, policy, config.behaviour)
    floors = {kind: config.behaviour.floor_of(kind) for kind in found}
    return {"behaviour": found, "behaviour_floors": floors} if found else {}


def _languages(
    served: Served,
    policy: Policy,
    config: RunConfig,
    rows: Sequence[Row],
    learnt: Collection[str],
    *,
    n_resamples: int,
) -> dict[str, Any]:
    if config.multilingual is None:
        return {}
    scored = served.score(rows, what="evaluate: languages")
    found = language_figures(
        scored, policy, config.multilingual, learnt=learnt, n_resamples=n_resamples
    )
    cases = foreign_behaviour(served, policy, config.multilingual.languages)
    return {"languages": found | {"behaviour": cases}}


def _calibration(candidate: Path) -> dict[str, Any]:
    path = candidate / CALIBRATION
    return read_json(path)["slices"] if path.exists() else {}
