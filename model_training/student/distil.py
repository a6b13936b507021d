"""Trains a student, and trains it on with the rounding of the int8 graph.

A run that was killed and resumed ends with the same weights.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from postern.contract.artifact import TOKENIZER
from postern.inference.tokenizer import Tokenizer

from model_training.data.encoding import encode
from model_training.data.rows import Row, dump_json, write_atomically
from model_training.errors import RecipeInvalid
from model_training.measures.validation import evaluation_rows
from model_training.recipe.config import DistilConfig, ExportConfig, RunConfig, WindowConfig
from model_training.recipe.published import named
from model_training.run.launch import read_place
from model_training.student.average import average
from model_training.student.bags import draw_bags
from model_training.student.checkpoints import CHECKPOINT, fingerprint, weights_of
from model_training.student.encoders import check_fits, load_base, read_tokenizer_json
from model_training.student.from_artifact import read_start, start_from
from model_training.student.processes import Processes, joined
from model_training.student.quantization_aware import write_ranges
from model_training.student.trainer import Trainer
from model_training.student.vocabulary import cut_vocabulary

STUDENT = "student"
MIXES = "mixes"
"""Folder of the trainings of `[distil] mixes`, by name: each is like a run with one training."""
ROUNDED = "rounded"
_BEGUN = "begun.json"


def distil(
    config: RunConfig,
    *,
    train: Sequence[Row],
    validation: Sequence[Row],
    development: Sequence[Row] = (),
    run: Path,
) -> Path:
    """Fine-tune the base into a two-label student, and return the folder of the best one; with
    `mixes`, of the mean of their best ones.

    development: rows of other sources than those of training. They take part in the choice.
    Continues from `run`'s checkpoint if there is one. Several processes share the batches of each
    step, and only the first writes. Raises RecipeInvalid if the checkpoint belongs to another
    recipe or other rows, or if the base does not fit the recipe; GateFailed if the loss is not
    finite.
    """
    place = read_place()
    place.check_shares(config.distil.gradient_accumulation)
    student = run / STUDENT
    with joined(place) as processes:
        trained = [
            _train(
                config.model_copy(update={"distil": settings}),
                rows=(train, validation, development),
                run=run / MIXES / name if name else run,
                processes=processes,
            )
            for name, settings in config.distil.trainings.items()
        ]
        if config.distil.mixes and processes.is_first:
            average(trained, student)
    return student


def _train(
    config: RunConfig,
    *,
    rows: tuple[Sequence[Row], Sequence[Row], Sequence[Row]],
    run: Path,
    processes: Processes,
) -> Path:
    """One training from the base or from a published student: the folder of its student.

    rows: train, validation, development.
    """
    settings = config.distil
    train, _, _ = rows
    torch.manual_seed(settings.seed)
    tokenizer_json = read_tokenizer_json(settings.base)
    model = load_base(settings)
    if settings.vocabulary_tokens is not None:
        texts = (text for row in train for text in (row.prompt, row.response) if text)
        tokenizer_json = cut_vocabulary(model, tokenizer_json, texts, settings.vocabulary_tokens)
    start = None
    if settings.artifact is not None:
        start = read_start(named(settings.artifact), config.data)
        if not (run / CHECKPOINT).exists():  # the trainer holds the weights from here on
            start_from(model, start, tokenizer_json)
    trained = WindowConfig(
        window_tokens=settings.window_tokens, overlap_tokens=settings.overlap_tokens
    )
    check_fits(model, tokenizer_json, trained)
    served = check_fits(model, tokenizer_json, config.windows)
    run.mkdir(parents=True, exist_ok=True)
    student = run / STUDENT
    trainer = _trainer(
        settings,
        model=model,
        tokenizer=(tokenizer_json, served),
        rng=np.random.default_rng(settings.seed),
        rows=rows,
        recipe=fingerprint(settings, train, text="" if start is None else start.sha256),
        run=run,
        processes=processes,
    )
    trainer.train()
    if start is not None and settings.start_share:
        begun = load_base(settings)
        start_from(begun, start, tokenizer_json)
        trainer.keep_of(begun, settings.start_share)
    if processes.is_first:
        trainer.save(student)
        # Last: this file marks the folder as complete.
        write_atomically(student / TOKENIZER, tokenizer_json)
    return student


def train_rounded(
    config: RunConfig,
    *,
    train: Sequence[Row],
    validation: Sequence[Row],
    development: Sequence[Row] = (),
    run: Path,
) -> Path:
    """Train the finished student on, with rounding, and return the folder of the result.

    Arguments, checkpoints and errors are as in `distil`. Raises RecipeInvalid if there is no
    student.
    """
    assert config.rounding is not None
    begun = run / STUDENT
    try:
        tokenizer_json = (begun / TOKENIZER).read_bytes()
    except OSError as exc:
        raise RecipeInvalid(f"{begun}: contains no finished student") from exc
    settings = config.distil.model_copy(
        update={
            **config.rounding.model_dump(),
            "base": str(begun),
            "artifact": None,
            "start_share": 0.0,
            "mixes": (),
            "epochs": None,
            "n_steps": None,
            "embedding_bits": None,
        }
    )
    place = read_place()
    place.check_shares(settings.gradient_accumulation)
    torch.manual_seed(settings.seed)
    model = load_base(settings)
    served = check_fits(model, tokenizer_json, config.windows)
    student = run / ROUNDED
    student.mkdir(parents=True, exist_ok=True)
    described = settings.model_copy(update={"base": ""})  # wherever the run is
    with joined(place) as processes:
        trainer = _trainer(
            settings,
            model=model,
            tokenizer=(tokenizer_json, served),
            rng=np.random.default_rng(settings.seed + 1),  # other draws than the training before
            rows=(train, validation, development),
            recipe=fingerprint(described, train, text=_rounded_how(begun, config.export)),
            run=student,
            processes=processes,
            rounding=config.export,
        )
        trainer.train()
        if processes.is_first:
            trainer.save(student)
            write_ranges(student, trainer.progress.ranges)
            begun_with = {
                "sha256": weights_of(begun),
                "float_layers": list(config.export.float_layers),
            }
            write_atomically(student / _BEGUN, dump_json(begun_with))
            write_atomically(student / TOKENIZER, tokenizer_json)  # last, as in `distil`
    return student


def _rounded_how(begun: Path, export: ExportConfig) -> str:
    """What decides the rounding beside the recipe of the training."""
    return f"{weights_of(begun)} {sorted(export.float_layers)} {export.activation_percentile}"


def rounded_student(run: Path, export: ExportConfig) -> Path:
    """The folder that `train_rounded` wrote.

    Raises RecipeInvalid if there is none, if it was trained on from other weights than those that
    `run` has now, or if `export` rounds layers that stayed float.
    """
    student = run / ROUNDED
    try:
        found = json.loads((student / _BEGUN).read_bytes())
        begun, learnt_float = found["sha256"], found.get("float_layers", ())
        current = weights_of(run / STUDENT)
    except (OSError, ValueError, KeyError) as exc:
        raise RecipeInvalid(f"{student}: is not finished; run stage 'round' first") from exc
    if begun != current:
        raise RecipeInvalid(f"{student}: continues another student; run stage 'round' again")
    if not set(learnt_float) <= set(export.float_layers):
        raise RecipeInvalid(f"{student}: left other layers in float; run stage 'round' again")
    return student


def _trainer(
    settings: DistilConfig,
    *,
    model: Any,
    tokenizer: tuple[bytes, Tokenizer],
    rng: np.random.Generator,
    rows: tuple[Sequence[Row], Sequence[Row], Sequence[Row]],
    recipe: str,
    run: Path,
    processes: Processes,
    rounding: ExportConfig | None = None,
) -> Trainer:
    """A trainer that continues from the checkpoint in `run`, if there is one.

    tokenizer: its file, and as it is served. rows: train, validation, development. recipe:
    identifies them and the settings.
    """
    train, validation, development = rows
    content, served = tokenizer
    measured = evaluation_rows(
        validation, settings.evaluation_rows, np.random.default_rng(settings.seed)
    )
    trainer = Trainer(
        settings,
        model=model,
        drawn=draw_bags(train, settings, content, rng),
        rng=rng,
        validation=encode(measured, served),
        development=encode(development, served),
        recipe=recipe,
        run=run,
        processes=processes,
        rounding=rounding,
    )
    trainer.resume()
    return trainer
