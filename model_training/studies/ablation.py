"""Measures what each kind of rows is worth: arms times seeds, each in a run folder with equal
steps.

It reads the rows and soft labels of a finished run and writes into a folder of its own. A killed
run continues where it stopped. Several processes on one folder share the work.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from postern.contract.exchange import Exchange

from model_training.augmentation.instructions import SOURCES, Intent
from model_training.augmentation.label import Candidate, label
from model_training.data.behaviour.rows import SOURCE as BEHAVIOUR
from model_training.data.eda import augmented, read_wordnet
from model_training.data.rows import Row, dump_json, prompt_hash, write_atomically
from model_training.data.sampling import draw
from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import made_by
from model_training.recipe.config import RunConfig
from model_training.run.candidate import read_json, write_json
from model_training.run.folder import read_split
from model_training.run.journal import Journal
from model_training.run.stage_files import header, is_done, read_stage, require_fresh, write_stage
from model_training.student.checkpoints import BEST, CHECKPOINT
from model_training.studies.ablation_report import (
    ABLATION,
    ABLATION_CURVE_PLOT,
    ABLATION_PLOT,
    ABLATION_TEXT,
    ablation_markdown,
    has_curve,
    plot_arms,
    plot_curve,
    summary,
)
from model_training.studies.config import AblationConfig, Arm, StudyRun
from model_training.teachers.labellers import asked_of, open_teacher

_LOG = logging.getLogger(__name__)

FIGURES: Final = "figures.json"
EDA: Final = "eda"
_EDA_SOURCE: Final = "derived_eda"
_LABEL: Final = "label"


@dataclass(frozen=True)
class Material:
    """Rows of a finished run, by what an arm may use. labelled: all have the teacher's label too.

    twins: of rows in `generated`. eda: none until they are made.
    """

    labelled: list[Row]
    generated: dict[Intent, list[Row]]
    twins: list[Row]
    unlabelled: list[Row]
    eda: list[Row]

    @property
    def n_instructions(self) -> int:
        return len({row.prompt for row in self.made(tuple(SOURCES), twins=True)})

    def made(self, intents: Sequence[Intent], *, twins: bool) -> list[Row]:
        """What the language model wrote with these intents."""
        rows = [row for intent in intents for row in self.generated[intent]]
        if not twins:
            return [row.model_copy(update={"twin": None}) for row in rows]
        sources = {SOURCES[intent] for intent in intents}
        return rows + [row for row in self.twins if row.source in sources]


def ablate(run: StudyRun, of: Path, *, arm: str | None = None) -> None:
    """Train and measure what is not done yet, in `run`; `of` is the folder of a finished run.

    arm: only this one. Raises RecipeInvalid: no [ablation], no such arm, labels of another teacher,
    or a folder with results of other settings or rows.
    """
    config = run.config.ablation
    if config is None:
        raise RecipeInvalid(f"the recipe {run.config.name} has no section [ablation]")
    arms = [one for one in config.arms if arm in (None, one.name)]
    if not arms:
        raise RecipeInvalid(f"[ablation] has no arm {arm!r}")
    from model_training.studies.trial import measuring_sets  # onnxruntime

    run.folder.mkdir(parents=True, exist_ok=True)
    material = read_material(
        of, longest_text=config.longest_text, labelled_rows=config.labelled_rows
    )
    _check_arms(arms, material)
    if any(one.eda for one in arms):
        material = _with_eda(run, of, material, config)
    sets = measuring_sets(
        run.data,
        validation=read_split(of, "validation"),
        calibration=read_split(of, "calibration"),
        at_most=config.measured_rows,
    )
    busy = 0
    for one, seed in config.trials():
        if one in arms:
            busy += not _trial(run, config, one, seed, rows=arm_rows(one, material), sets=sets)
            _write_report(run, config)
    if busy:
        _LOG.info("ablate: %d trainings are under way in other processes", busy)


def read_material(
    of: Path, *, longest_text: int | None = None, labelled_rows: int | None = None
) -> Material:
    """Read the rows of a finished run.

    longest_text: in characters, of a row. labelled_rows: at most this many, chosen by a hash of
    their prompts, so that a smaller choice is part of a larger one. Raises DataInvalid if there is
    no such run; RecipeInvalid if rows lack labels or changed since.
    """
    train_file, label_file = of / "rows" / "train.jsonl", of / "augment" / "label.jsonl"
    head, rows = read_stage(label_file, _LABEL, Row)
    require_fresh(label_file, head, {"train": train_file})
    found = {
        _key(row): row
        for row in rows
        if longest_text is None or len(row.prompt) + len(row.response or "") <= longest_text
    }
    labelled = [found.pop(_key(row)) for row in read_split(of, "train") if _key(row) in found]
    if not labelled:
        raise RecipeInvalid(
            f'{label_file}: holds no row of the train split; label with rows = ["labelled", …]'
        )
    if labelled_rows is not None and labelled_rows < len(labelled):
        ranks = sorted(range(len(labelled)), key=lambda place: prompt_hash(labelled[place].prompt))
        labelled = [labelled[place] for place in sorted(ranks[:labelled_rows])]
    rest = list(found.values())
    originals, twins = _parted(rest)
    generated = {
        intent: [row for row in originals if row.source == source]
        for intent, source in SOURCES.items()
    }
    others = [row for row in originals if row.source not in SOURCES.values()]
    return Material(labelled, generated, twins, others, eda=[])


def _parted(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Rows that are nobody's twin, and twins, which come after their originals."""
    names = set[str]()
    originals: list[Row] = []
    twins: list[Row] = []
    for row in rows:
        (twins if row.twin in names else originals).append(row)
        if row.twin is not None:
            names.add(row.twin)
    return originals, twins


def arm_rows(arm: Arm, material: Material) -> list[Row]:
    """Training rows of the students of an arm."""
    rows = list(material.labelled)
    if not arm.soft:
        rows = [row.model_copy(update={"soft_label": None}) for row in rows]
    if not arm.behaviour:
        rows = [row for row in rows if not row.source.startswith(BEHAVIOUR)]
    made = [
        row
        for row in material.made(arm.generated, twins=arm.twins)
        if arm.answers or row.response is None
    ]
    if arm.instructions is not None:
        # By hash: a smaller arm contains part of a larger one, whatever the order of the file.
        prompts = sorted({row.prompt for row in made}, key=prompt_hash)[: arm.instructions]
        kept = set(prompts)
        made = [row for row in made if row.prompt in kept]
    more = material.unlabelled if arm.unlabelled else []
    return [*rows, *(material.eda if arm.eda else []), *made, *more]


def eda_candidates(
    labelled: Sequence[Row], count: int, wordnet: Path, *, config: RunConfig, share: float
) -> list[Candidate]:
    """Changed prompts of the labelled rows, drawn as training draws them, for the teacher.

    Raises RecipeInvalid if WordNet cannot be read.
    """
    synonyms = read_wordnet(wordnet)
    prompts = [row for row in labelled if row.response is None]
    rng = np.random.default_rng(0)
    draws = draw(
        [(row.slice, row.label, row.source) for row in prompts],
        n_draws=count,
        pair_share=0.5,  # within one slice, the slice says nothing
        source_exponent=config.distil.source_exponent,
        source_weights=config.distil.source_weights,
        rng=rng,
    )
    texts = (augmented(prompts[place].prompt, synonyms, rng, share=share) for place in draws)
    known = {" ".join(row.prompt.split()) for row in prompts}
    return [
        Candidate("unlabelled", _EDA_SOURCE, Exchange(text), None, "none")
        for text in dict.fromkeys(texts)
        if text not in known  # no word of it could be changed
    ]


def _check_arms(arms: Sequence[Arm], material: Material) -> None:
    for arm in arms:
        for intent in arm.generated:
            if not material.generated[intent]:
                raise RecipeInvalid(
                    f"arm {arm.name!r}: the run holds no generated {intent} instructions"
                )
        if arm.instructions and arm.instructions > material.n_instructions:
            raise RecipeInvalid(
                f"arm {arm.name!r}: the run holds {material.n_instructions} generated "
                f"instructions, not {arm.instructions}"
            )


def _with_eda(run: StudyRun, of: Path, material: Material, config: AblationConfig) -> Material:
    """Have the teacher of the other rows label the rows of EDA, once for all arms."""
    if run.config.label is None:
        raise RecipeInvalid("an arm with EDA needs a teacher: [label], as in the recipe of the run")
    label_file = of / "augment" / "label.jsonl"
    asked = asked_of(run.config.label.teacher)
    if (found := read_stage(label_file, _LABEL, Row)[0].settings["asked"]) != asked:
        raise RecipeInvalid(f"{label_file}: was labelled by {found}, not by {asked}")
    count = config.eda_rows or max(material.n_instructions, 1)
    settings = made_by(run.config.label) | {"asked": asked, "rows": count}
    inputs = {"train": of / "rows" / "train.jsonl", _LABEL: label_file}
    head = header(EDA, settings | {"share": config.eda_share}, inputs)
    path = run.folder / "augment" / f"{EDA}.jsonl"
    with _lock(run.folder / ".eda.lock", wait=True):
        if not is_done(path, head):
            candidates = eda_candidates(
                material.labelled, count, config.wordnet, config=run.config, share=config.eda_share
            )
            teacher = open_teacher(
                run.config.label.teacher, temperature=run.config.label.temperature
            )
            with Journal(run.folder / "augment" / "calls" / f"{EDA}.jsonl") as journal:
                rows, _, _ = label(candidates, teacher, journal, disagreement=1.0)
            write_stage(path, head, rows)
        rows = read_stage(path, EDA, Row)[1]
    return replace(material, eda=rows)


def _trial(
    run: StudyRun,
    config: AblationConfig,
    arm: Arm,
    seed: int,
    *,
    rows: Sequence[Row],
    sets: Mapping[str, Sequence[Row]],
) -> bool:
    """Train and measure one student. Returns False if another process is working on it."""
    from model_training.student.distil import distil  # torch
    from model_training.studies.trial import measure

    settings = run.config.distil.model_copy(update={"seed": seed})
    own = run.config.model_copy(update={"distil": settings})
    made_of = _made_of(own, rows, sets)
    folder = run.folder / f"{arm.name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / ".lock", wait=False) as held:
        if not held:
            return False
        if (folder / FIGURES).exists():
            if read_json(folder / FIGURES).get("made_of") != made_of:
                raise RecipeInvalid(
                    f"{folder} was made with other settings or rows; use another --run"
                )
            _tidy(folder, config)
            return True
        _LOG.info("ablate: arm %s, seed %d, %d rows", arm.name, seed, len(rows))
        student = distil(own, train=rows, validation=sets["validation"], run=folder)
        found = measure(
            student,
            own,
            sets,
            train=rows,
            folder=folder,
            threads=run.threads,
            with_behaviour=True,
        )
        steps = read_json(student / "training.json")["step"]
        content = {"arm": arm.name, "seed": seed, "rows": len(rows), "steps": steps, **found}
        write_json(folder / FIGURES, {"made_of": made_of, **content})
        _tidy(folder, config)
    return True


def _tidy(folder: Path, config: AblationConfig) -> None:
    if not config.keep_students:
        for name in (CHECKPOINT, BEST, "student/model.safetensors"):
            (folder / name).unlink(missing_ok=True)


def _made_of(config: RunConfig, rows: Sequence[Row], sets: Mapping[str, Sequence[Row]]) -> str:
    digest = hashlib.sha256()
    for section in (config.distil, config.export):
        digest.update(section.model_dump_json(exclude_defaults=True).encode())
    for name, some in {"train": rows, **sets}.items():
        digest.update(name.encode())
        for row in some:
            digest.update(row.model_dump_json().encode("utf-8", "replace"))
    return digest.hexdigest()


def _write_report(run: StudyRun, config: AblationConfig) -> None:
    """Write tables and plots of everything done so far."""
    paths = [run.folder / f"{arm.name}-{seed}" / FIGURES for arm, seed in config.trials()]
    records: list[dict[str, Any]] = [read_json(path) for path in paths if path.exists()]
    found = json.loads(dump_json(summary(config, records, run.config)))
    if (run.folder / ABLATION).exists() and read_json(run.folder / ABLATION) == found:
        return
    write_atomically(run.folder / ABLATION_TEXT, ablation_markdown(found).encode())
    write_atomically(run.folder / ABLATION_PLOT, plot_arms(found))
    if has_curve(found):
        write_atomically(run.folder / ABLATION_CURVE_PLOT, plot_curve(found))
    write_json(run.folder / ABLATION, found)


@contextmanager
def _lock(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether the lock is held. It ends with the process, however that ends."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _key(row: Row) -> str:
    return json.dumps([row.source, row.prompt, row.response, row.label])
