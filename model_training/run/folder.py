"""The folder of a run: paths of its stages, its split, its lock and its recipe."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from model_training.data.rows import Row, dump_json, read_rows, write_atomically
from model_training.errors import DataInvalid, RecipeInvalid
from model_training.recipe.config import RunConfig
from model_training.run.candidate import read_json
from model_training.run.launch import read_place
from model_training.run.stage_files import sha256

RECIPE = "recipe.json"
_OF_THE_WHOLE_RUN = {"data", "augment", "multilingual", "distil", "rounding", "imported"}
SPLIT_REPORT = "split.json"
SPLITS = ("train", "validation", "calibration")
LANGUAGES = "languages"
"""Held-out rows in other languages: measured, never chosen by."""
ORIGINALS = "originals"
"""English originals of held-out requests: nothing learns from them, their translations measure."""


@dataclass(frozen=True)
class OnRay:
    """The cluster on which a teacher labels. Fields as in `postern.batch.on_ray.Cluster`."""

    address: str | None = None
    sessions: int | None = None


@dataclass(frozen=True)
class Run:
    """Where a run reads and writes. data: a data folder; artifacts: what serving reads."""

    config: RunConfig
    data: Path
    folder: Path
    artifacts: Path
    threads: int | None
    recipes: Path = Path("recipes")
    """Folder of the recipe, and of the recipes that it names."""
    older: Path = Path("artifacts")
    """Folder of the published students that the recipe names by name and version."""
    ray: OnRay | None = None
    """Where the stage `label` has its teacher. None: in this process."""

    @property
    def teacher(self) -> Path:
        """Folder of members that were trained here, and of `ensemble.json`."""
        return self.folder / "teacher"

    @property
    def candidate(self) -> Path:
        return self.folder / "candidate"

    def rows_file(self, split: str) -> Path:
        return self.folder / "rows" / f"{split}.jsonl"

    def rows(self, split: str) -> list[Row]:
        """Raises DataInvalid if the split stage has not run, and as `read_split` does."""
        return read_split(self.folder, split)


def read_split(run: Path, split: str) -> list[Row]:
    """Read the rows of a split from a run folder.

    Raises DataInvalid if there are none, or if their hash differs from `split.json`: they were cut
    short, edited, or belong to a split that was killed while it was remade.
    """
    path = run / "rows" / f"{split}.jsonl"
    rows = read_rows(path)
    if not _is_as_written(run, split):
        raise DataInvalid(f"{path}: differs from what stage 'split' wrote; run it again")
    return rows


def is_split(run: Path) -> bool:
    """Whether a run folder contains a complete split."""
    written = all((run / "rows" / f"{split}.jsonl").exists() for split in SPLITS)
    report = (run / SPLIT_REPORT).exists()
    return written and report and all(_is_as_written(run, split) for split in SPLITS)


def _is_as_written(run: Path, split: str) -> bool:
    """True if no hash is known: rows of an older version, or placed there by hand."""
    report = run / SPLIT_REPORT
    known = read_json(report).get("sha256", {}) if report.exists() else {}
    return not known or sha256(run / "rows" / f"{split}.jsonl") == known.get(split)


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Allows one run at a time in a folder, and one recipe for its whole life.

    If several processes share a run, the first holds the lock. The lock ends with the process,
    however it ends. Raises RecipeInvalid.
    """
    if not read_place().is_first:
        yield
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise RecipeInvalid(f"{run.folder}: another run is using this folder") from exc
        recipe = run.folder / RECIPE
        # Compare without defaults, so that a new setting of the program does not end old runs.
        content = _without_defaults(run.config)
        if recipe.exists() and _without_defaults(recorded(run.folder)) != content:
            raise RecipeInvalid(f"{run.folder} contains a run of another recipe; use another --run")
        write_atomically(recipe, dump_json(content))
        yield


def recorded(folder: Path) -> RunConfig | None:
    """The sections with which a run folder was begun, under a name that is not its own; None if
    they do not parse."""
    try:
        return RunConfig.model_validate({"name": "x", "version": "0", **read_json(folder / RECIPE)})
    except (ValidationError, DataInvalid):
        return None


def _without_defaults(config: RunConfig | None) -> object:
    if config is None:
        return None
    return config.model_dump(mode="json", include=_OF_THE_WHOLE_RUN, exclude_defaults=True)
