"""The stages that write instructions and answers. They communicate through files.

generate  train split           -> augment/generate.jsonl   instructions, as they were written
filter    generate.jsonl        -> augment/filter.jsonl     instructions worth answering
twins     filter.jsonl          -> augment/twins.jsonl      other intent, same words
respond   filter.jsonl          -> augment/respond.jsonl    alone and with answers
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from model_training.augmentation.instructions import Instruction
from model_training.data.categories import CATEGORY_MAP
from model_training.data.rows import (
    Source,
    normalized_key,
    prompt_hash,
    read_sources,
    write_atomically,
)
from model_training.data.sources import choose_sources, styles_of
from model_training.recipe.augmentation import made_by
from model_training.run.folder import Run
from model_training.run.stage_files import header
from model_training.stages.augment_files import (
    FILTER,
    GENERATE,
    HELD_OUT,
    RESPOND,
    TWINS,
    already,
    finish,
    journal_of,
    pool_files,
    pool_of,
    rows_of,
    section_of,
    stage_file,
)

if TYPE_CHECKING:
    from model_training.augmentation.filter import Known


def generate(run: Run) -> None:
    """Ask for harmful instructions and harmless counterparts."""
    from model_training.augmentation import generate as stage
    from model_training.teachers.backends import open_backend
    from model_training.teachers.labellers import asked_of

    config = section_of(run, GENERATE, run.config.generate)
    sources = choose_sources(read_sources(run.data), run.config.data)
    inputs = {"train": run.rows_file("train"), **pool_files(run, sources)}
    if config.categories == "map":
        inputs["categories"] = run.data / CATEGORY_MAP
    settings = made_by(config) | {"asked": asked_of(config.model)}
    head = header(GENERATE, settings, inputs)
    if already(run, head):
        return
    train = frozenset(prompt_hash(row.prompt) for row in run.rows("train"))
    kinds = stage.kinds_of(
        pool_of(run, sources),
        train=train,
        config=config,
        styles=styles_of(sources),
        known=stage.known_kinds(run.data, config),
    )
    with journal_of(run, GENERATE) as journal:
        rows, report = stage.generate(kinds, config, open_backend(config.model), journal)
    finish(run, head, rows, report)


def filter_(run: Run) -> None:
    """Drop texts that are not instructions, are known, or resemble another. Makes no calls."""
    from model_training.augmentation import filter as stage

    config = section_of(run, FILTER, run.config.filter)
    tests = [source for source in read_sources(run.data) if source.split == "test"]
    splits = {name: run.rows_file(name) for name in ("train", *HELD_OUT)}
    inputs = {GENERATE: stage_file(run, GENERATE), **splits, **pool_files(run, tests)}
    head = header(FILTER, made_by(config), inputs)
    if already(run, head):
        return
    instructions = rows_of(run, GENERATE, Instruction)
    known = _known(run, tests)
    rows, report = stage.sift(instructions, known, config)
    if config.diversity_rows or config.novelty_rows:
        from model_training.augmentation.variety import variety_report  # torch

        base = config.diversity_base or run.config.distil.base
        report |= variety_report(rows, known, base=base, config=config)
    if report.get("novelty"):
        from model_training.measures.plots import plot_novelty

        plot = run.folder / "augment" / "novelty.png"
        write_atomically(plot, plot_novelty(report["novelty"]))
    finish(run, head, rows, report)


def twins(run: Run) -> None:
    """Ask for a harmless twin of harmful instructions, and the other way round."""
    from model_training.augmentation import twins as stage
    from model_training.augmentation.filter import sift
    from model_training.teachers.backends import open_backend
    from model_training.teachers.labellers import asked_of

    config = section_of(run, TWINS, run.config.twins)
    sieve = section_of(run, FILTER, run.config.filter)
    tests = [source for source in read_sources(run.data) if source.split == "test"]
    splits = {name: run.rows_file(name) for name in ("train", *HELD_OUT)}
    inputs = {FILTER: stage_file(run, FILTER), **splits, **pool_files(run, tests)}
    head = header(TWINS, made_by(config) | {"asked": asked_of(config.model)}, inputs)
    if already(run, head):
        return
    originals = rows_of(run, FILTER, Instruction)
    with journal_of(run, TWINS) as journal:
        written, report = stage.write_twins(originals, config, open_backend(config.model), journal)
    known = {normalized_key(one.text) for one in originals}
    new = [one for one in written if normalized_key(one.text) not in known]
    rows, sifted = sift(new, _known(run, tests), sieve)
    finish(run, head, rows, {"written": report, "known": len(written) - len(new), **sifted})


def respond(run: Run) -> None:
    """Get a refusal and a complying answer for each instruction."""
    from model_training.augmentation import respond as stage
    from model_training.teachers.backends import open_backend
    from model_training.teachers.labellers import asked_of

    config = section_of(run, RESPOND, run.config.respond)
    inputs = {FILTER: stage_file(run, FILTER)}
    stances = {"refuse": config.refuse, "comply": config.comply}
    asked = {name: asked_of(one.model) for name, one in stances.items() if one is not None}
    head = header(RESPOND, made_by(config) | {"asked": asked}, inputs)
    if already(run, head):
        return
    instructions = rows_of(run, FILTER, Instruction)
    with journal_of(run, RESPOND) as journal:
        rows, report = stage.respond(instructions, config, open_backend, journal)
    finish(run, head, rows, report)


def _known(run: Run, tests: Sequence[Source]) -> Known:
    """What generated text must stay clear of."""
    from model_training.augmentation.filter import Known

    return Known(
        test=pool_of(run, tests),
        held_out=[row for name in HELD_OUT for row in run.rows(name)],
        train=run.rows("train"),
    )
