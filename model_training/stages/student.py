"""The stages that every run has. They communicate only through files in the run folder.

split       pool of rows          -> rows/{train,validation,calibration}.jsonl
distil      train, validation     -> student/
round       student, train        -> rounded/, if the recipe has [rounding]
export      student or rounded    -> candidate/{model.onnx,tokenizer.json}
categories  candidate, rows       -> candidate: a head on its graph
fit-policy  candidate             -> candidate: policy
evaluate    candidate, test sets  -> candidate: report
publish     candidate             -> artifacts/<name>/<version>/
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from model_training.data.derived import derive
from model_training.data.development import development_rows
from model_training.data.multilingual import (
    code_switched,
    foreign_answers,
    foreign_people,
    foreign_templates,
    judged_rows,
    learnt_languages,
    read_multilingual,
    without_originals,
)
from model_training.data.rows import (
    Row,
    dump_json,
    read_further_sources,
    read_pool,
    read_rows,
    read_sources,
    write_atomically,
    write_rows,
)
from model_training.data.sources import choose_sources
from model_training.data.split import deduplicate, labelled_rows, split_rows
from model_training.measures.validation import look_alike_rows, measured
from model_training.run.candidate import read_policy
from model_training.run.folder import LANGUAGES, ORIGINALS, SPLIT_REPORT, SPLITS, Run
from model_training.run.stage_files import sha256
from model_training.stages.labelling import teacher_of, training_rows
from model_training.stages.translation import measured_translations

_LOOK_ALIKES_EACH = 100


def split(run: Run) -> None:
    """Read the pool, drop duplicates, split by prompt, and derive rows from the train side."""
    sources = choose_sources(read_sources(run.data), run.config.data)
    pool = [row for source in sources for row in read_pool(run.data, source)]
    unique = deduplicate(labelled_rows(pool))
    further = None
    rows = unique.rows
    if run.config.multilingual is not None:
        further = read_multilingual(run.data, run.config.multilingual, run.config.data)
        rows, originals = without_originals(rows, pool, run.config.multilingual, further.closed)
        write_rows(run.rows_file(ORIGINALS), originals)
    splits = split_rows(
        rows,
        validation_share=run.config.data.validation_share,
        calibration_share=run.config.data.calibration_share,
        held_out_more=run.config.data.held_out_more,
    )
    rng = np.random.default_rng(run.config.distil.seed)
    train = [*splits.train, *derive(splits.train, run.config.augment, rng)]
    if run.config.multilingual is not None and further is not None:
        count = run.config.multilingual.code_switched
        written = [
            *foreign_templates(run.config.multilingual, rng),
            *foreign_people(run.config.multilingual, rng),
        ]
        further.splits.train.extend(written)
        train += code_switched(splits.train, further.splits.train, count, rng)
        train += further.splits.train
        train += foreign_answers(further.splits.train, run.config.multilingual, rng)
        splits.validation.extend(further.splits.validation)
        splits.calibration.extend(further.splits.calibration)
        write_rows(run.rows_file(LANGUAGES), further.held_out)
    for name, some in (
        ("train", train),
        ("validation", splits.validation),
        ("calibration", splits.calibration),
    ):
        write_rows(run.rows_file(name), some)
    report = {
        "pool_rows": len(pool),
        "dropped": dict(unique.dropped),
        "sha256": {name: sha256(run.rows_file(name)) for name in SPLITS},
        "rows": {
            "train": _composition(train),
            "validation": _composition(splits.validation),
            "calibration": _composition(splits.calibration),
        },
    }
    write_atomically(run.folder / SPLIT_REPORT, dump_json(report))


def distil(run: Run) -> None:
    """Train the student, continue a stopped training, or take over an imported classifier."""
    if run.config.imported is not None:
        from model_training.student.imported import import_classifier

        import_classifier(run.config, validation=run.rows("validation"), run=run.folder)
        return
    from model_training.student import (
        distil as stage,  # torch, which fit-policy and evaluate do not need
    )

    stage.distil(run.config, run=run.folder, **_learnt_and_measured(run))


def round_(run: Run) -> None:
    """Train the student on with the rounding of the int8 graph, or continue doing so."""
    from model_training.student import distil as stage

    stage.train_rounded(run.config, run=run.folder, **_learnt_and_measured(run))


def _learnt_and_measured(run: Run) -> dict[str, list[Row]]:
    settings = run.config.distil
    development = development_rows(
        run.data, run.config.data, settings.development_sources, settings.development_rows
    )
    return {
        "train": training_rows(run),
        "validation": judged_rows(run.rows("validation"), run.config.multilingual),
        "development": [row for rows in development.values() for row in rows],
    }


def export(run: Run) -> None:
    """Student -> ONNX -> quantized graph that passes the parity gate."""
    from model_training.student import export as stage
    from model_training.student.distil import STUDENT, rounded_student

    student = run.folder / STUDENT
    if run.config.rounding is not None:
        student = rounded_student(run.folder, run.config.export)
    stage.export_student(
        student,
        run.candidate,
        run.config,
        rows=run.rows("train"),
        validation=judged_rows(run.rows("validation"), run.config.multilingual),
        threads=run.threads,
    )


def fit_policy(run: Run) -> None:
    """Fit the policy on the calibration split, with the served graph."""
    from model_training.evaluation import fit_policy as stage

    rows = measured(
        judged_rows(run.rows("calibration"), run.config.multilingual),
        run.config.export.measured_rows,
    )
    stage.write_policy(run.candidate, rows, run.config, threads=run.threads)


def evaluate(run: Run) -> None:
    """Report on the test sets and the validation split, through the serving code."""
    from model_training.evaluation import evaluate as stage
    from model_training.stages.categories import kinds_of_split

    kinds = [] if run.config.categories is None else kinds_of_split(run, "validation")
    learnt_from = [] if run.config.imported else training_rows(run)
    held_out = judged_rows(run.rows("validation"), run.config.multilingual)
    at_most = run.config.export.measured_rows
    stage.evaluate(
        run.candidate,
        read_policy(run.candidate),
        run.config,
        data=run.data,
        validation=measured(held_out, at_most),
        look_alikes=None
        if at_most is None
        else look_alike_rows(held_out, stage.LOOK_ALIKES, _LOOK_ALIKES_EACH),
        threads=run.threads,
        composition=None if run.config.imported else _composition(learnt_from),
        kinds=kinds,
        **_held_out_languages(run, learnt_from),
    )


def _held_out_languages(run: Run, learnt_from: Sequence[Row]) -> dict[str, Any]:
    if run.config.multilingual is None:
        return {}
    return {
        "foreign": [*read_rows(run.rows_file(LANGUAGES)), *measured_translations(run)],
        "learnt": learnt_languages(learnt_from, run.config.multilingual),
    }


def check_unpublished(run: Run) -> None:
    """Raises ArtifactInvalid if the recipe's version was published from another candidate."""
    from model_training.evaluation.publish import check_free

    check_free(run.candidate, run.config, run.artifacts)


def publish(run: Run) -> None:
    """Verify the candidate and rename it into the artifacts."""
    from model_training.evaluation import publish as stage
    from model_training.evaluation.model_card import write_model_card

    policy = read_policy(run.candidate)
    write_model_card(
        run.candidate,
        policy,
        run.config,
        sources=[
            *choose_sources(read_sources(run.data), run.config.data),
            *read_further_sources(run.data),
        ],
        train=training_rows(run),
    )
    folder = stage.publish(
        run.candidate,
        policy,
        run.config,
        artifacts=run.artifacts,
        commit=_commit(),
        licence=run.config.licence,
        teacher=teacher_of(run),
    )
    print(f"published {run.config.name} {run.config.version} to {os.path.relpath(folder)}")


def _composition(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    counts = Counter((row.source, f"{row.slice}_{row.label}") for row in rows)
    composition: dict[str, dict[str, int]] = {}
    for (source, kind), count in sorted(counts.items()):
        composition.setdefault(source, {})[kind] = count
    return composition


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
