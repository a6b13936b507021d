"""The stage that has English rows translated into other languages.

translate  train split  -> augment/translate.jsonl  translations that stay, beside their originals

A translation learns what its original has learnt: its label, and the teacher's opinion of it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import made_by
from model_training.recipe.multilingual import MultilingualConfig, TranslateConfig
from model_training.run.folder import ORIGINALS, Run
from model_training.run.journal import Journal
from model_training.run.stage_files import header, is_done
from model_training.stages.augmentation import TRANSLATE, finish, stage_file


def translate(run: Run) -> None:
    """Have rows of the train split translated, and keep what comes back the same."""
    import numpy as np
    from postern.languages.reader import LanguageReader

    from model_training.augmentation import translate as stage
    from model_training.augmentation.diversity import embed, open_encoder
    from model_training.data.rows import ENGLISH, read_rows
    from model_training.teachers.backends import open_backend
    from model_training.teachers.labellers import asked_of

    config = run.config.translate
    if config is None:
        raise RecipeInvalid(f"the recipe {run.config.name} has no section [{TRANSLATE}]")
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
    if is_done(stage_file(run, TRANSLATE), head):
        logging.info("%s: nothing to do", TRANSLATE)
        return

    train = run.rows("train")
    missing = sorted({*config.sources, *config.pair_sources} - {row.source for row in train})
    if missing:
        raise RecipeInvalid(f"[{TRANSLATE}]: the train split has no rows of {missing[0]!r}")

    def similarities(pairs: Sequence[tuple[str, str]]) -> Sequence[float]:
        if not pairs:
            return []
        tokenizer, model = open_encoder(config.encoder)
        sides = [
            embed([*side], tokenizer, model, what="compare") for side in zip(*pairs, strict=True)
        ]
        return [float(one) for one in np.sum(sides[0] * sides[1], axis=1)]

    reader = LanguageReader({ENGLISH}, further=config.languages)
    with Journal(run.folder / "augment" / "calls" / f"{TRANSLATE}.jsonl") as journal:
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


def _check(
    config: TranslateConfig, multilingual: MultilingualConfig | None, *, known: Collection[str]
) -> None:
    """Raises RecipeInvalid for a language that cannot be asked for, or that must stay without."""
    unknown = sorted({*config.languages, *config.measured_languages} - set(known))
    if unknown:
        raise RecipeInvalid(f"[{TRANSLATE}] has no name to ask for the language {unknown[0]!r}")
    held_out = set() if multilingual is None else set(multilingual.held_out_languages)
    both = sorted(held_out & set(config.languages))
    if both:
        raise RecipeInvalid(
            f"[{TRANSLATE}] languages has {both[0]!r}, which held_out_languages keeps without "
            "harmful requests"
        )
