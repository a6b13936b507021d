"""The stage that labels rows, and the rows that a student learns from in the end.

label  train split, pool, and what earlier stages wrote  -> augment/label.jsonl  with soft labels
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postern.contract.exchange import Exchange

from model_training.augmentation.instructions import Instruction
from model_training.data.rows import ENGLISH, Row, normalized_key, read_sources
from model_training.data.sources import choose_sources
from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import TeacherConfig, made_by
from model_training.run.folder import OnRay, Run
from model_training.run.stage_files import header, read_stage, write_stage
from model_training.stages.augment_files import (
    DISAGREEMENTS,
    FILTER,
    HELD_OUT,
    LABEL,
    RESPOND,
    TRANSLATE,
    TWINS,
    WRITE,
    already,
    finish,
    journal_of,
    pool_files,
    pool_of,
    require_fresh_inputs,
    rows_of,
    section_of,
    stage_file,
)
from model_training.stages.translation import translations, written_requests

if TYPE_CHECKING:
    from model_training.augmentation.respond import Exchanged
    from model_training.teachers.llm import Backend


def label(run: Run) -> None:
    """Have the teacher label the rows that the recipe names, and list its disagreements."""
    from model_training.augmentation import label as stage
    from model_training.teachers.labellers import asked_of, at_home, open_teacher

    config = section_of(run, LABEL, run.config.label)
    asked_whom = at_home(config.teacher, run.teacher)
    sources = choose_sources(read_sources(run.data), run.config.data)
    tests = [source for source in read_sources(run.data) if source.split == "test"]
    splits = {name: run.rows_file(name) for name in ("train", *HELD_OUT)}
    inputs = {**splits, **pool_files(run, sources), **pool_files(run, tests)}
    made = RESPOND if run.config.respond is not None else FILTER
    settings = made_by(config) | {"asked": asked_of(asked_whom)}
    if "generated" in config.rows:
        inputs[made] = stage_file(run, made)
        if run.config.twins is not None:
            inputs[TWINS] = stage_file(run, TWINS)
    settings |= _least_gap(run)
    if run.config.write is not None:
        inputs[WRITE] = stage_file(run, WRITE)
    if "labelled" in config.rows:  # `sources.json` says who labelled, but is not an input itself
        if run.config.translate is not None:
            inputs[TRANSLATE] = stage_file(run, TRANSLATE)
        settings |= {"label_kinds": {one.name: one.label_kind for one in sources}}
    head = header(LABEL, settings, inputs)
    if already(run, head):
        return
    on_ray = None if run.ray is None else _ray_backend(run, run.ray, asked_whom)
    candidates: list[stage.Candidate] = []
    train = run.rows("train")
    if "generated" in config.rows:
        twice = rows_of(run, TWINS, Instruction) if run.config.twins is not None else []
        candidates += stage.generated(_exchanges(run, made), twice)
    if "unlabelled" in config.rows:
        candidates += stage.unlabelled(
            pool_of(run, sources),
            train=train,
            held_out=[row for name in HELD_OUT for row in run.rows(name)],
            test_keys={normalized_key(row.prompt) for row in pool_of(run, tests)},
        )
    if "labelled" in config.rows:
        # A teacher was measured in English; its word on other languages would teach its mistakes.
        english = [row for row in train if row.language == ENGLISH]
        some = stage.likeliest(english, config.labelled_rows, run.config.distil)
        if run.config.translate is not None:
            some = stage.with_originals(some, english, translations(run))
        candidates += stage.labelled(some, {one.name: one.label_kind for one in sources})
    candidates += stage.written(written_requests(run))
    teacher = open_teacher(
        asked_whom, temperature=config.temperature, threads=run.threads, backend=on_ray
    )
    with journal_of(run, LABEL) as journal:
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
    translated ones and those that were written in other languages.

    Without a [label] section, no soft labels. Raises RecipeInvalid if the split or the generated
    rows have changed since they were labelled, DataInvalid if a file is damaged.
    """
    from model_training.augmentation.label import Disagreement, agreed_requests, text_sha256
    from model_training.augmentation.translate import translated_rows

    train = run.rows("train")
    sections = (run.config.label, run.config.translate, run.config.write)
    if any(section is not None for section in sections):
        require_fresh_inputs(run, "")
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
        listed = rows_of(run, DISAGREEMENTS, Disagreement)
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
    requests = written_requests(run)
    agreed = agreed_requests(requests, found.values())
    for one in requests:  # their English is for the teacher alone
        found.pop((one.source, one.english, None, one.label), None)
    keys = [(row.source, row.prompt, row.response, row.label) for row in train]
    rows = [found.get(key, row) for key, row in zip(keys, train, strict=True)]
    learnt = set(keys)
    others = [row for key, row in found.items() if key not in learnt]
    return [*rows, *others, *translated_rows(further, rows_told), *agreed]


def _least_gap(run: Run) -> dict[str, float]:
    """The setting of [twins] that decides which rows the stage `label` keeps."""
    twins, label_ = run.config.twins, run.config.label
    if twins is None or label_ is None or "generated" not in label_.rows:
        return {}
    return {"least_gap": twins.least_gap}


def teacher_of(run: Run) -> str | None:
    """Who gave the soft labels that the student was trained on, for the manifest."""
    if run.config.label is None:
        return None
    head, _ = read_stage(stage_file(run, LABEL), LABEL, Row)
    return str(head.settings["asked"])


def _exchanges(run: Run, made: str) -> list[Exchanged]:
    from model_training.augmentation.respond import Exchanged, alone

    if made == RESPOND:
        return rows_of(run, RESPOND, Exchanged)
    instructions = rows_of(run, FILTER, Instruction)
    return [alone(one) for one in instructions]
