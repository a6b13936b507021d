"""The stages that make rows in other languages.

translate  train split                   -> augment/translate.jsonl  beside their originals
write      train split, translate.jsonl  -> augment/write.jsonl      beside their translations

A translation learns what its original has learnt: its label, and the teacher's opinion of it. What
the model wrote itself learns the teacher's opinion of its English translation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from model_training.data.rows import Record
from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import made_by
from model_training.recipe.multilingual import MultilingualConfig, TranslateConfig, WriteConfig
from model_training.run.folder import LANGUAGES, ORIGINALS, Run
from model_training.run.stage_files import header, read_stage
from model_training.stages.augment_files import (
    HELD_OUT,
    TRANSLATE,
    WRITE,
    already,
    finish,
    journal_of,
    section_of,
    stage_file,
)

if TYPE_CHECKING:
    from model_training.augmentation.translate import Translated
    from model_training.augmentation.write import Embed, Written
    from model_training.data.rows import Row


def translate(run: Run) -> None:
    """Have rows of the train split translated, and keep what comes back the same."""
    import numpy as np
    from postern.languages.reader import LanguageReader

    from model_training.augmentation import translate as stage
    from model_training.data.rows import ENGLISH, read_rows
    from model_training.teachers.backends import open_backend
    from model_training.teachers.labellers import asked_of

    config = section_of(run, TRANSLATE, run.config.translate)
    _check(config, run.config.multilingual, known=stage.NAMES.keys())
    originals = run.rows_file(ORIGINALS)
    inputs = {"train": run.rows_file("train")}
    if originals.exists():
        inputs[ORIGINALS] = originals
    elif config.measured_languages:
        raise RecipeInvalid(
            f"[{TRANSLATE}] measured_languages needs [multilingual], which holds requests out"
        )
    settings = made_by(config) | {"asked": asked_of(config.model)}
    head = header(TRANSLATE, settings, inputs)
    if already(run, head):
        return

    train = run.rows("train")
    missing = sorted({*config.sources, *config.pair_sources} - {row.source for row in train})
    if missing:
        raise RecipeInvalid(f"[{TRANSLATE}]: the train split has no rows of {missing[0]!r}")

    def similarities(pairs: Sequence[tuple[str, str]]) -> Sequence[float]:
        if not pairs:
            return []
        embed = _embedding(config.encoder)
        sides = [embed(side) for side in zip(*pairs, strict=True)]
        return [float(one) for one in np.sum(sides[0] * sides[1], axis=1)]

    reader = LanguageReader({ENGLISH}, further=config.languages)
    with journal_of(run, TRANSLATE) as journal:
        rows, report = stage.translate(
            train,
            read_rows(originals) if originals.exists() else [],
            config,
            open_backend(config.model),
            journal,
            read=lambda text: reader.read([text]),
            similarities=similarities,
        )
    finish(run, head, rows, report)


def write(run: Run) -> None:
    """Have requests written in other languages, and translated into English."""
    from postern.languages.reader import LanguageReader

    from model_training.augmentation import write as stage
    from model_training.augmentation.translate import NAMES
    from model_training.data.rows import ENGLISH, read_rows
    from model_training.teachers.backends import open_backend
    from model_training.teachers.labellers import asked_of

    config = section_of(run, WRITE, run.config.write)
    if run.config.label is None:
        raise RecipeInvalid(f"[{WRITE}] needs [label]: a teacher says what may be learnt of it")
    _check(config, run.config.multilingual, known=NAMES.keys())
    held_out = {name: run.rows_file(name) for name in (*HELD_OUT, LANGUAGES, ORIGINALS)}
    held_out = {name: path for name, path in held_out.items() if path.exists()}
    inputs = {"train": run.rows_file("train")} | held_out
    if run.config.translate is not None:
        inputs[TRANSLATE] = stage_file(run, TRANSLATE)
    settings = made_by(config) | {"asked": asked_of(config.model)}
    head = header(WRITE, settings, inputs)
    if already(run, head):
        return
    reader = LanguageReader({ENGLISH}, further=config.languages)
    with journal_of(run, WRITE) as journal:
        rows, report = stage.write(
            run.rows("train"),
            translations(run),
            [row for path in held_out.values() for row in read_rows(path)],
            config,
            open_backend(config.model),
            journal,
            read=lambda text: reader.read([text]),
            embed=_embedding(config.encoder),
        )
    finish(run, head, rows, report)


def _embedding(encoder: str) -> Embed:
    from model_training.augmentation.diversity import embed, open_encoder

    tokenizer, model = open_encoder(encoder)
    return lambda texts: embed([*texts], tokenizer, model, what="compare")


def _check(
    config: TranslateConfig | WriteConfig,
    multilingual: MultilingualConfig | None,
    *,
    known: Collection[str],
) -> None:
    """Raises RecipeInvalid for a language that cannot be asked for, or that must stay without."""
    section = TRANSLATE if isinstance(config, TranslateConfig) else WRITE
    measured = config.measured_languages if isinstance(config, TranslateConfig) else ()
    unknown = sorted({*config.languages, *measured} - set(known))
    if unknown:
        raise RecipeInvalid(f"[{section}] has no name to ask for the language {unknown[0]!r}")
    held_out = set() if multilingual is None else set(multilingual.held_out_languages)
    both = sorted(held_out & set(config.languages))
    if both:
        raise RecipeInvalid(
            f"[{section}] languages has {both[0]!r}, which held_out_languages keeps without "
            "harmful requests"
        )


def measured_translations(run: Run) -> list[Row]:
    """Translations of requests that nothing learnt from, for `evaluate`."""
    return [one.row(None) for one in translations(run) if one.measured]


def translations(run: Run) -> list[Translated]:
    """What the stage `translate` kept; none if the recipe has no section for it.

    Raises RecipeInvalid if it was kept by other settings, DataInvalid if the file is damaged.
    """
    from model_training.augmentation.translate import Translated

    return _kept(run, TRANSLATE, run.config.translate, Translated)


def written_requests(run: Run) -> list[Written]:
    """What the stage `write` kept, likewise."""
    from model_training.augmentation.write import Written

    return _kept(run, WRITE, run.config.write, Written)


def _kept(
    run: Run, stage: str, config: TranslateConfig | WriteConfig | None, record: type[Record]
) -> list[Record]:
    if config is None:
        return []
    path = stage_file(run, stage)
    head, rows = read_stage(path, stage, record)
    wanted = made_by(config)
    if {name: head.settings.get(name) for name in wanted} != wanted:
        raise RecipeInvalid(
            f"{path}: was made with other settings than those of the recipe; "
            f"run stage {stage!r} again"
        )
    return rows
