"""Measures a student with the serving code, on rows that are the same for all compared students.

The graph is the one that the recipe's [export] asks for, after its parity gate. Thresholds come
from the calibration split, as for a published student.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from model_training.data.rows import Row, read_pool, read_sources
from model_training.data.split import labelled_rows
from model_training.evaluation.behaviour.gate import behaviour
from model_training.evaluation.evaluate import LOOK_ALIKES, by_slice, figures, look_alike_figures
from model_training.evaluation.fit_policy import fit_policy, samples
from model_training.measures.served import open_candidate
from model_training.measures.validation import look_alike_rows, measured
from model_training.recipe.config import RunConfig
from model_training.run.candidate import EXPORT, read_json
from model_training.student.export import export_student

_LOOK_ALIKES_EACH: Final = 400

Sets = Mapping[str, Sequence[Row]]
"""`calibration`, `validation`, and sets of other names, each measured as a whole."""


def measuring_sets(
    data: Path, *, validation: Sequence[Row], calibration: Sequence[Row], at_most: int
) -> dict[str, list[Row]]:
    """The rows on which students are compared: every test set whole, and a part of the splits.

    at_most: rows of each split, half of them pairs if there are enough. Harmless look-alikes are a
    set of their own, because few are among them. The choice is the same each time.
    """
    tests = [source for source in read_sources(data) if source.split == "test"]
    return {
        "calibration": list(measured(calibration, at_most)),
        "validation": list(measured(validation, at_most)),
        "look_alikes": look_alike_rows(validation, LOOK_ALIKES, _LOOK_ALIKES_EACH),
        **{f"test, {one.name}": labelled_rows(read_pool(data, one)) for one in tests},
    }


def measure(
    student: Path,
    config: RunConfig,
    sets: Sets,
    *,
    train: Sequence[Row],
    folder: Path,
    threads: int | None = None,
    with_behaviour: bool = False,
) -> dict[str, Any]:
    """Figures of each set, and of the behaviour cases if asked for.

    folder: for the exported graph, removed afterwards. train: for activation ranges, if the recipe
    quantizes. Raises GateFailed.
    """
    candidate = folder / "candidate"
    try:
        export_student(
            student, candidate, config, rows=train, validation=sets["validation"], threads=threads
        )
        exported = read_json(candidate / EXPORT)
        served = open_candidate(
            candidate, config.windows, pad_id=int(exported["pad_id"]), threads=threads
        )
        scored = {name: served.score(rows, what=f"measure: {name}") for name, rows in sets.items()}
        policy = fit_policy(samples(scored["calibration"], config)).policy
        cases = behaviour(served, policy, config.behaviour) if with_behaviour else {}
    finally:
        shutil.rmtree(candidate, ignore_errors=True)
    return {
        "graph": exported["quantization"],
        "validation": by_slice(scored["validation"], policy, n_resamples=0),
        "look_alikes": look_alike_figures(scored["look_alikes"], policy),
        "behaviour": cases,
        "sets": {
            name: figures(one, policy)
            for name, one in scored.items()
            if name not in ("calibration", "validation", "look_alikes")
        },
    }
