"""The stages that make rows: generate, filter, respond, label. They communicate through files.

generate  train split           -> augment/generate.jsonl   instructions, as they were written
filter    generate.jsonl        -> augment/filter.jsonl     instructions worth answering
twins     filter.jsonl          -> augment/twins.jsonl      other intent, same words
respond   filter.jsonl          -> augment/respond.jsonl    alone and with answers
translate train split           -> augment/translate.jsonl  English rows in other languages
label     respond.jsonl, pool   -> augment/label.jsonl      rows with soft labels

Calls are kept in augment/calls/. A finished stage does nothing if its inputs and settings have not
changed. A killed stage asks only what it has no answer to.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from postern.contract.exchange import Exchange
from pydantic import BaseModel

from model_training.augmentation.instructions import Instruction
from model_training.data.categories import CATEGORY_MAP
from model_training.data.rows import (
    ENGLISH,
    PoolRow,
    Record,
    Row,
    Source,
    dump_json,
    normalized_key,
    prompt_hash,
    read_pool,
    read_sources,
    write_atomically,
)
from model_training.data.sources import choose_sources, styles_of
from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import TeacherConfig, made_by
from model_training.run.folder import OnRay, Run
from model_training.run.journal import Journal
from model_training.run.stage_files import (
    Header,
    header,
    is_done,
    read_header,
    read_stage,
    require_fresh,
    write_stage,
)

if TYPE_CHECKING:
    from model_training.augmentation.filter import Known
    from model_training.augmentation.respond import Exchanged
    from model_training.augmentation.translate import Translated
    from model_training.teachers.llm import Backend

Section = TypeVar("Section", bound=BaseModel)
GENERATE, FILTER, TWINS, RESPOND, LABEL = "generate", "filter", "twins", "respond", "label"
TRANSLATE = "translate"
DISAGREEMENTS = "disagreements"
_HELD_OUT = ("validation", "calibration")


def stage_file(run: Run, stage: str) -> Path:
    return run.folder / "augment" / f"{stage}.jsonl"


def generate(run: Run) -> None:
    """Ask for harmful instructions and harmless counterparts."""
    from model_training.augmentation import generate as stage
    from model_training.teachers.backends import open_backend
    from model_training.teachers.labellers import asked_of

    config = _section(run, GENERATE, run.config.generate)
    sources = choose_sources(read_sources(run.data), run.config.data)
    inputs = {"train": run.rows_file("train"), **_files(run, sources)}
    if config.categories == "map":
        inputs["categories"] = run.data / CATEGORY_MAP
    settings = made_by(config) | {"asked": asked_of(config.model)}
    head = header(GENERATE, settings, inputs)
    if _already(run, head):
        return
    train = frozenset(prompt_hash(row.prompt) for row in run.rows("train"))
    kinds = stage.kinds_of(
        _pool(run, sources),
        train=train,
        config=config,
        styles=styles_of(sources),
        known=stage.known_kinds(run.data, config),
    )
    with _journal(run, GENERATE) as journal:
        rows, report = stage.generate(kinds, config, open_backend(config.model), journal)
    finish(run, head, rows, report)


def filter_(run: Run) -> None:
    """Drop texts that are not instructions, are known, or resemble another. Makes no calls."""
    from model_training.augmentation import filter as stage

    config = _section(run, FILTER, run.config.filter)
    tests = [source for source in read_sources(run.data) if source.split == "test"]
    splits = {name: run.rows_file(name) for name in ("train", *_HELD_OUT)}
    inputs = {GENERATE: stage_file(run, GENERATE), **splits, **_files(run, tests)}
    head = header(FILTER, made_by(config), inputs)
    if _already(run, head):
        return
    instructions = _read(run, GENERATE, Instruction)
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

    config = _section(run, TWINS, run.config.twins)
    sieve = _section(run, FILTER, run.config.filter)
    tests = [source for source in read_sources(run.data) if source.split == "test"]
    splits = {name: run.rows_file(name) for name in ("train", *_HELD_OUT)}
    inputs = {FILTER: stage_file(run, FILTER), **splits, **_files(run, tests)}
    head = header(TWINS, made_by(config) | {"asked": asked_of(config.model)}, inputs)
    if _already(run, head):
        return
    originals = _read(run, FILTER, Instruction)
    with _journal(run, TWINS) as journal:
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

    config = _section(run, RESPOND, run.config.respond)
    inputs = {FILTER: stage_file(run, FILTER)}
    stances = {"refuse": config.refuse, "comply": config.comply}
    asked = {name: asked_of(one.model) for name, one in stances.items() if one is not None}
    head = header(RESPOND, made_by(config) | {"asked": asked}, inputs)
    if _already(run, head):
        return
    instructions = _read(run, FILTER, Instruction)
    with _journal(run, RESPOND) as journal:
        rows, report = stage.respond(instructions, config, open_backend, journal)
    finish(run, head, rows, report)


def label(run: Run) -> None:
    """Have the teacher label the rows that the recipe names, and list its disagreements."""
    from model_training.augmentation import label as stage
    from model_training.teachers.labellers import asked_of, at_home, open_teacher

    config = _section(run, LABEL, run.config.label)
    asked_whom = at_home(config.teacher, run.teacher)
    sources = choose_sources(read_sources(run.data), run.config.data)
    tests = [source for source in read_sources(run.data) if source.split == "test"]
    splits = {name: run.rows_file(name) for name in ("train", *_HELD_OUT)}
    inputs = {**splits, **_files(run, sources), **_files(run, tests)}
    made = RESPOND if run.config.respond is not None else FILTER
    settings = made_by(config) | {"asked": asked_of(asked_whom)}
    if "generated" in config.rows:
        inputs[made] = stage_file(run, made)
        if run.config.twins is not None:
            inputs[TWINS] = stage_file(run, TWINS)
    settings |= _least_gap(run)
    if "labelled" in config.rows:  # `sources.json` says who labelled, but is not an input itself
        if run.config.translate is not None:
            inputs[TRANSLATE] = stage_file(run, TRANSLATE)
        settings |= {"label_kinds": {one.name: one.label_kind for one in sources}}
    head = header(LABEL, settings, inputs)
    if _already(run, head):
        return
    on_ray = None if run.ray is None else _ray_backend(run, run.ray, asked_whom)
    candidates: list[stage.Candidate] = []
    train = run.rows("train")
    if "generated" in config.rows:
        twice = _read(run, TWINS, Instruction) if run.config.twins is not None else []
        candidates += stage.generated(_exchanges(run, made), twice)
    if "unlabelled" in config.rows:
        candidates += stage.unlabelled(
            _pool(run, sources),
            train=train,
            held_out=[row for name in _HELD_OUT for row in run.rows(name)],
            test_keys={normalized_key(row.prompt) for row in _pool(run, tests)},
        )
    if "labelled" in config.rows:
        # A teacher was measured in English; its word on other languages would teach its mistakes.
        english = [row for row in train if row.language == ENGLISH]
        some = stage.likeliest(english, config.labelled_rows, run.config.distil)
        if run.config.translate is not None:
            some = stage.with_originals(some, english, translations(run))
        candidates += stage.labelled(some, {one.name: one.label_kind for one in sources})
    teacher = open_teacher(
        asked_whom, temperature=config.temperature, threads=run.threads, backend=on_ray
    )
    with _journal(run, LABEL) as journal:
        rows, disputed, report = stage.label(
            candidates,
            teacher,
            journal,
            disagreement=config.disagreement,
            least_gap=0.0 if run.config.twins is None else run.config.twins.least_gap,
        )
    # Write the list first: the rows mark the stage as done.
    write_stage(
        stage_file(run, DISAGREEMENTS),
        head.model_copy(update={"stage": DISAGREEMENTS}),
        disputed,
    )
    finish(run, head, rows, report)


def _ray_backend(run: Run, ray: OnRay, teacher: TeacherConfig) -> Backend:
    """Raises RecipeInvalid if this kind of teacher cannot run there."""
    from postern.batch.on_ray import Cluster

    from model_training.teachers.classifier import default_threads  # torch
    from model_training.teachers.on_ray import RayBackend

    threads = run.threads or default_threads()
    cluster = Cluster(ray.address, ray.sessions, cores=threads, gpu=True)
    log = run.folder / "augment" / "ray.log"
    return RayBackend(teacher, cluster, threads=threads, log=log)


def training_rows(run: Run) -> list[Row]:
    """The train split with the teacher's labels: soft labels on its rows, and new rows, also
    translated ones.

    Without a [label] section, no soft labels. Raises RecipeInvalid if the split or the generated
    rows have changed since they were labelled, DataInvalid if a file is damaged.
    """
    from model_training.augmentation.label import Disagreement, text_sha256
    from model_training.augmentation.translate import translated_rows

    train = run.rows("train")
    if run.config.label is not None or run.config.translate is not None:
        _require_fresh_inputs(run, "")
    further = [one for one in translations(run) if not one.measured]
    if run.config.label is None:
        return [*train, *translated_rows(further, ())]
    head, rows_told = read_stage(stage_file(run, LABEL), LABEL, Row)
    # Rows on the list of disagreements are dropped below, not by the stage.
    wanted = made_by(run.config.label) | _least_gap(run) | {"drop_disagreements": None}
    told = {name: head.settings.get(name) for name in wanted} | {"drop_disagreements": None}
    if told != wanted:
        raise RecipeInvalid(
            f"{stage_file(run, LABEL)}: was labelled with other settings than those of the recipe; "
            "run stage 'label' again"
        )
    found = {(row.source, row.prompt, row.response, row.label): row for row in rows_told}
    if run.config.label.drop_disagreements:
        listed = _read(run, DISAGREEMENTS, Disagreement)
        disputed = {row.sha256 for row in listed}
        train = [row for row in train if text_sha256(row.exchange) not in disputed]
        found = {
            key: row for key, row in found.items() if text_sha256(row.exchange) not in disputed
        }
        further = [
            one
            for one in further
            if text_sha256(Exchange(one.original_prompt, one.original_response)) not in disputed
        ]
    rows = [found.pop((row.source, row.prompt, row.response, row.label), row) for row in train]
    return [*rows, *found.values(), *translated_rows(further, rows_told)]


def _least_gap(run: Run) -> dict[str, float]:
    """The setting of [twins] that decides which rows the stage `label` keeps."""
    twins, label_ = run.config.twins, run.config.label
    if twins is None or label_ is None or "generated" not in label_.rows:
        return {}
    return {"least_gap": twins.least_gap}


def measured_translations(run: Run) -> list[Row]:
    """Translations of requests that nothing learnt from, for `evaluate`."""
    return [one.row(None) for one in translations(run) if one.measured]


def translations(run: Run) -> list[Translated]:
    """What the stage `translate` kept; none if the recipe has no section for it.

    Raises RecipeInvalid if it was kept by other settings, DataInvalid if the file is damaged.
    """
    from model_training.augmentation.translate import Translated

    if run.config.translate is None:
        return []
    path = stage_file(run, TRANSLATE)
    head, rows = read_stage(path, TRANSLATE, Translated)
    wanted = made_by(run.config.translate)
    if {name: head.settings.get(name) for name in wanted} != wanted:
        raise RecipeInvalid(
            f"{path}: was translated with other settings than those of the recipe; "
            "run stage 'translate' again"
        )
    return rows


def teacher_of(run: Run) -> str | None:
    """Who gave the soft labels that the student was trained on, for the manifest."""
    if run.config.label is None:
        return None
    head, _ = read_stage(stage_file(run, LABEL), LABEL, Row)
    return str(head.settings["asked"])


def _known(run: Run, tests: Sequence[Source]) -> Known:
    """What generated text must stay clear of."""
    from model_training.augmentation.filter import Known

    return Known(
        test=_pool(run, tests),
        held_out=[row for name in _HELD_OUT for row in run.rows(name)],
        train=run.rows("train"),
    )


def _exchanges(run: Run, made: str) -> list[Exchanged]:
    from model_training.augmentation.respond import Exchanged, alone

    if made == RESPOND:
        return _read(run, RESPOND, Exchanged)
    instructions = _read(run, FILTER, Instruction)
    return [alone(one) for one in instructions]


def _section(run: Run, name: str, section: Section | None) -> Section:
    if section is None:
        raise RecipeInvalid(f"the recipe {run.config.name} has no section [{name}]")
    return section


def _files(run: Run, sources: Sequence[Source]) -> dict[str, Path]:
    return {source.file: run.data / source.file for source in sources}


def _pool(run: Run, sources: Sequence[Source]) -> list[PoolRow]:
    return [row for source in sources for row in read_pool(run.data, source)]


def _read(run: Run, stage: str, record: type[Record]) -> list[Record]:
    return read_stage(stage_file(run, stage), stage, record)[1]


def _require_fresh_inputs(run: Run, stage: str) -> None:
    """Raises RecipeInvalid if a file of an earlier stage is older than its inputs."""
    splits = {name: run.rows_file(name) for name in ("train", *_HELD_OUT)}
    earlier: dict[str, Path] = {}
    for name in (GENERATE, FILTER, TWINS, RESPOND, TRANSLATE, LABEL):
        if name == stage:
            return
        if getattr(run.config, name) is None:
            continue
        head = read_header(stage_file(run, name))
        if head is not None:
            require_fresh(stage_file(run, name), head, splits | earlier)
            earlier[name] = stage_file(run, name)


def _already(run: Run, head: Header) -> bool:
    _require_fresh_inputs(run, head.stage)
    done = is_done(stage_file(run, head.stage), head)
    if done:
        logging.info("%s: nothing to do", head.stage)
    return done


def _journal(run: Run, stage: str) -> Journal:
    return Journal(run.folder / "augment" / "calls" / f"{stage}.jsonl")


def finish(run: Run, head: Header, rows: Sequence[BaseModel], report: dict[str, Any]) -> None:
    """Write the report first: the file of rows marks the stage as done."""
    path = run.folder / "augment" / f"{head.stage}.json"
    write_atomically(path, dump_json(report))
    write_stage(stage_file(run, head.stage), head, rows)
    logging.info("%s: %d rows, %s", head.stage, len(rows), path)
