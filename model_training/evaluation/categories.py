"""How well kinds of harm are told apart, on rows that training and calibration never saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from postern.contract.categories import CATEGORIES_OUTPUT, CategoryHead
from postern.contract.decision import Policy
from postern.contract.probability import Floats, harmful_margin

from model_training.data.categories import (
    CategoryMap,
    Kinds,
    Labels,
    category_tests,
    read_category_map,
)
from model_training.data.rows import PoolRow
from model_training.data.split import labelled_rows
from model_training.evaluation.verdicts import flagged_by, probabilities_of
from model_training.measures import figures as scores
from model_training.measures.served import ScoredRows, Served, open_candidate
from model_training.recipe.config import RunConfig
from model_training.run.candidate import CATEGORIES, EXPORT, read_head, read_json


def category_figures(
    candidate: Path,
    policy: Policy,
    config: RunConfig,
    *,
    data: Path,
    validation: Sequence[Kinds],
    threads: int | None = None,
) -> dict[str, Any]:
    """Figures of the head for the report. Empty if the candidate has none.

    validation: harmful rows whose kinds are known, for the question "which kind, given harm?". The
    test sets of the data folder hold harmless rows too, and ask "is it harm of this kind?".
    """
    head = read_head(candidate)
    if head is None:
        return {}
    served = open_candidate(
        candidate,
        config.windows,
        pad_id=int(read_json(candidate / EXPORT)["pad_id"]),
        threads=threads,
        extra=CATEGORIES_OUTPUT,
    )
    rows = [one.row for one in validation]
    places, outputs = served.outputs(rows, what="evaluate: categories, validation")
    known = [validation[place].labels for place in places]
    found: dict[str, Any] = {
        "labels": read_json(candidate / CATEGORIES)["labels"],
        "too_few_rows": read_json(candidate / CATEGORIES)["too_few_rows"],
        "validation": _figures(head, head.given_harm(outputs[:, 2:]), known, harmful=None),
        "test": {},
    }
    tests = category_tests(data)
    categories = read_category_map(data) if tests else None
    for name, pool in tests.items():
        assert categories is not None
        found["test"][name] = _test(served, head, policy, categories, pool, name)
    return {"categories": found}


def _test(
    served: Served,
    head: CategoryHead,
    policy: Policy,
    categories: CategoryMap,
    pool: Sequence[PoolRow],
    name: str,
) -> dict[str, Any]:
    """Figures of a test set: labels that none of its rows can hold are left out."""
    pairs = [
        (row, categories.labels_of(one.source, one.category) if row.harmful else frozenset())
        for one in pool
        for row in labelled_rows([one])
    ]
    places, outputs = served.outputs([row for row, _ in pairs], what=f"evaluate: {name}")
    scored = ScoredRows([pairs[place][0] for place in places], harmful_margin(outputs[:, :2]))
    return _figures(
        head,
        head.given_harm(outputs[:, 2:]),
        [pairs[place][1] for place in places],
        harmful=(
            probabilities_of(scored, policy),
            flagged_by(scored, policy, policy.default_operating_point),
        ),
    )


def _figures(
    head: CategoryHead,
    given_harm: Floats,
    known: Sequence[Labels],
    *,
    harmful: tuple[Floats, npt.NDArray[np.bool_]] | None,
) -> dict[str, Any]:
    """By label: rows that hold it, base rate, AUPRC, and F1 of `applies`.

    harmful: probabilities and verdicts; None if every row is harmful. Labels without a row are left
    out.
    """
    found: dict[str, Any] = {"rows": len(known), "labels": {}}
    for place, label in enumerate(head.labels):
        held = np.array([bool(labels & set(label.covers)) for labels in known], dtype=np.int64)
        if not held.any() or held.all():
            continue
        share = given_harm[:, place]
        told = share >= label.threshold
        if harmful is not None:
            told = told & harmful[1]
        ranked = share if harmful is None else share * harmful[0]
        precision, recall, f1 = scores.precision_recall_f1(
            told.astype(np.float64), held, threshold=0.5
        )
        found["labels"][label.name] = {
            "rows": int(held.sum()),
            "base_rate": float(held.mean()),
            "auprc": scores.auprc(ranked, held),
            "precision": precision,
            "recall": recall,
            "f1": f1,
        }
    return found
