"""The stages of a run, in order. They meet only through files in the run folder.

split      pool of rows          -> rows/{train,validation,calibration}.jsonl
generator, generate, filter, respond, label: rows of a recipe that asks for more (`data_stages.py`)
train-teacher, fit-ensemble: a teacher that is trained here (`teacher_stages.py`)
distil     train, validation     -> student/
export     student               -> candidate/{model.onnx,tokenizer.json}
calibrate  candidate             -> candidate: policy
evaluate   candidate, test sets  -> candidate: report
publish    candidate             -> artifacts/<name>/<version>/
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from model_training.data.derived import derive
from model_training.data.rows import (
    Row,
    Source,
    dump_json,
    read_pool,
    read_rows,
    read_sources,
    write_atomically,
    write_rows,
)
from model_training.data.split import (
    deduplicate,
    labelled_rows,
    split_rows,
)
from model_training.errors import (
    DataInvalid,
    RecipeInvalid,
)
from model_training.recipe.config import (
    DataConfig,
    RunConfig,
)
from model_training.run.candidate import read_json
from model_training.run.launch import read_place
from model_training.run.stage_files import sha256

RECIPE = "recipe.json"
DATA_STAGES = ("generator", "generate", "filter", "respond", "label")
TEACHER_STAGES = ("train-teacher", "fit-ensemble")
_OF_THE_WHOLE_RUN = {"data", "augment", "distil", "imported"}
SPLIT_REPORT = "split.json"
SPLITS = ("train", "validation", "calibration")


@dataclass(frozen=True)
class Run:
    """Where a run reads and writes. data: a folder of the schema; artifacts: what serving reads."""

    config: RunConfig
    data: Path
    folder: Path
    artifacts: Path
    threads: int | None
    recipes: Path = Path("recipes")
    """The folder of the recipe, where those that it names lie."""

    @property
    def teacher(self) -> Path:
        """Members that were trained here, and `ensemble.json`."""
        return self.folder / "teacher"

    @property
    def candidate(self) -> Path:
        return self.folder / "candidate"

    def rows_file(self, split: str) -> Path:
        return self.folder / "rows" / f"{split}.jsonl"

    def rows(self, split: str) -> list[Row]:
        """Raises DataInvalid when the split stage has not run, and as `read_split` does."""
        return read_split(self.folder, split)


def read_split(run: Path, split: str) -> list[Row]:
    """Rows of a split of a run folder. Raises DataInvalid where there are none, and where they are
    not those that `split.json` has the hash of: cut short, edited, or of a split that was killed
    while it was made anew."""
    path = run / "rows" / f"{split}.jsonl"
    rows = read_rows(path)
    if not _is_as_written(run, split):
        raise DataInvalid(f"{path}: is not what stage 'split' wrote; run it again")
    return rows


def is_split(run: Path) -> bool:
    """Whether a run folder holds a whole split."""
    written = all((run / "rows" / f"{split}.jsonl").exists() for split in SPLITS)
    report = (run / SPLIT_REPORT).exists()
    return written and report and all(_is_as_written(run, split) for split in SPLITS)


def _is_as_written(run: Path, split: str) -> bool:
    """True where nothing is known: rows of an older version, or placed there by hand."""
    report = run / SPLIT_REPORT
    known = read_json(report).get("sha256", {}) if report.exists() else {}
    return not known or sha256(run / "rows" / f"{split}.jsonl") == known.get(split)


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """One run at a time in a folder, and one recipe for its whole life.

    Of several processes that share a run, the first holds the lock. Raises RecipeInvalid. The lock
    goes with the process, however it ends.
    """
    if not read_place().is_first:
        yield
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise RecipeInvalid(f"{run.folder}: another run is at work here") from exc
        recipe = run.folder / RECIPE
        # Without defaults, so that a setting that is new to the program does not end old runs.
        content = run.config.model_dump(
            mode="json", include=_OF_THE_WHOLE_RUN, exclude_defaults=True
        )
        if recipe.exists() and _recorded(recipe) != content:
            raise RecipeInvalid(f"{run.folder} holds a run of another recipe; use another --run")
        write_atomically(recipe, dump_json(content))
        yield


def _recorded(recipe: Path) -> object:
    """The sections that a folder was begun with, without defaults; None where they do not parse."""
    try:
        found = RunConfig.model_validate({"name": "x", "version": "0", **read_json(recipe)})
    except (ValidationError, DataInvalid):
        return None
    return found.model_dump(mode="json", include=_OF_THE_WHOLE_RUN, exclude_defaults=True)


def split(run: Run) -> None:
    """Reads the pool, drops duplicates, splits by prompt, derives rows from the train side."""
    sources = choose_sources(read_sources(run.data), run.config.data)
    pool = [row for source in sources for row in read_pool(run.data, source)]
    unique = deduplicate(labelled_rows(pool))
    splits = split_rows(
        unique.rows,
        validation_share=run.config.data.validation_share,
        calibration_share=run.config.data.calibration_share,
        held_out_more=run.config.data.held_out_more,
    )
    rng = np.random.default_rng(run.config.distil.seed)
    train = [*splits.train, *derive(splits.train, run.config.augment, rng)]
    for name, rows in (
        ("train", train),
        ("validation", splits.validation),
        ("calibration", splits.calibration),
    ):
        write_rows(run.rows_file(name), rows)
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


def choose_sources(sources: Sequence[Source], config: DataConfig) -> list[Source]:
    """Train sources by the recipe's rule. Raises DataInvalid: unknown name, or none left."""
    train = [source for source in sources if source.split == "train"]
    match config.sources:
        case "all":
            chosen = train
        case "permissive":
            chosen = [source for source in train if source.permissive]
        case "default":
            chosen = [source for source in train if source.permissive and source.default]
        case names:
            unknown = set(names) - {source.name for source in train}
            if unknown:
                raise DataInvalid(f"sources.json lists no train source {sorted(unknown)[0]!r}")
            chosen = [source for source in train if source.name in names]
    if not chosen:
        raise DataInvalid("no train source is left to read")
    return chosen


def _late(module: str, name: str) -> Callable[[Run], None]:
    """A stage of a module that needs what stands here."""

    def stage(run: Run) -> None:
        stages = import_module(f"model_training.{module}")
        getattr(stages, module.upper())[name](run)

    return stage


def distil(run: Run) -> None:
    """Trains the student, or goes on where it was stopped; takes over an imported classifier."""
    if run.config.imported is not None:
        from model_training.student.imported import import_classifier

        import_classifier(run.config, validation=run.rows("validation"), run=run.folder)
        return
    from model_training.stages.rows import training_rows
    from model_training.student import (
        distil as stage,  # torch, which calibrate and evaluate do not need
    )

    stage.distil(
        run.config, train=training_rows(run), validation=run.rows("validation"), run=run.folder
    )


def export(run: Run) -> None:
    """Student -> ONNX -> quantized, behind the parity gate."""
    from model_training.student import export as stage

    stage.export_student(
        run.folder / "student",
        run.candidate,
        run.config,
        rows=run.rows("train"),
        validation=run.rows("validation"),
        threads=run.threads,
    )


def calibrate(run: Run) -> None:
    """Fits the policy on the calibration split, on the graph that is served."""
    from model_training.evaluation import fit_policy as stage

    stage.calibrate(run.candidate, run.rows("calibration"), run.config, threads=run.threads)


def evaluate(run: Run) -> None:
    """Reports on the test sets and the validation split, through the serving code."""
    from model_training.evaluation import evaluate as stage
    from model_training.run.candidate import read_policy
    from model_training.stages.rows import training_rows

    stage.evaluate(
        run.candidate,
        read_policy(run.candidate),
        run.config,
        data=run.data,
        validation=run.rows("validation"),
        threads=run.threads,
        composition=None if run.config.imported else _composition(training_rows(run)),
    )


def publish(run: Run) -> None:
    """Verifies the candidate and renames it into the artifacts."""
    from model_training.evaluation import publish as stage
    from model_training.evaluation.model_card import write_model_card
    from model_training.run.candidate import read_policy
    from model_training.stages.rows import (
        teacher_of,
        training_rows,
    )

    policy = read_policy(run.candidate)
    write_model_card(
        run.candidate,
        policy,
        run.config,
        sources=choose_sources(read_sources(run.data), run.config.data),
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


def stages_of(config: RunConfig) -> list[str]:
    """The stages that a whole run of a recipe has: data stages where it has their sections."""
    section = {name: name for name in DATA_STAGES} | dict.fromkeys(TEACHER_STAGES, "ensemble")
    return [
        name for name in STAGES if name not in section or getattr(config, section[name]) is not None
    ]


STAGES: dict[str, Callable[[Run], None]] = {
    "split": split,
    **{name: _late("data_stages", name) for name in DATA_STAGES if name != "label"},
    **{name: _late("teacher_stages", name) for name in TEACHER_STAGES},
    "label": _late("data_stages", "label"),
    "distil": distil,
    "export": export,
    "calibrate": calibrate,
    "evaluate": evaluate,
    "publish": publish,
}


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
