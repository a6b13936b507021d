"""Files of the folder `augment`, and what the stages that make rows share.

Calls are kept in augment/calls/. A finished stage does nothing if its inputs and settings have not
changed. A killed stage asks only what it has no answer to.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from model_training.data.rows import (
    PoolRow,
    Record,
    Source,
    dump_json,
    read_pool,
    write_atomically,
)
from model_training.errors import RecipeInvalid
from model_training.run.folder import Run
from model_training.run.journal import Journal
from model_training.run.stage_files import (
    Header,
    is_done,
    read_header,
    read_stage,
    require_fresh,
    write_stage,
)

Section = TypeVar("Section", bound=BaseModel)

GENERATE: Final = "generate"
FILTER: Final = "filter"
TWINS: Final = "twins"
RESPOND: Final = "respond"
TRANSLATE: Final = "translate"
WRITE: Final = "write"
LABEL: Final = "label"
DISAGREEMENTS: Final = "disagreements"
HELD_OUT: Final = ("validation", "calibration")


def stage_file(run: Run, stage: str) -> Path:
    """Where a stage keeps its rows."""
    return run.folder / "augment" / f"{stage}.jsonl"


def section_of(run: Run, name: str, section: Section | None) -> Section:
    """A section that the stage needs. Raises RecipeInvalid if the recipe has none."""
    if section is None:
        raise RecipeInvalid(f"the recipe {run.config.name} has no section [{name}]")
    return section


def pool_files(run: Run, sources: Sequence[Source]) -> dict[str, Path]:
    """The files of sources by name, as inputs of a stage."""
    return {source.file: run.data / source.file for source in sources}


def pool_of(run: Run, sources: Sequence[Source]) -> list[PoolRow]:
    """All rows of sources. Raises DataInvalid."""
    return [row for source in sources for row in read_pool(run.data, source)]


def rows_of(run: Run, stage: str, record: type[Record]) -> list[Record]:
    """What a stage kept. Raises DataInvalid if the file is missing or damaged."""
    return read_stage(stage_file(run, stage), stage, record)[1]


def require_fresh_inputs(run: Run, stage: str) -> None:
    """Raises RecipeInvalid if a file of an earlier stage is older than its inputs."""
    splits = {name: run.rows_file(name) for name in ("train", *HELD_OUT)}
    earlier: dict[str, Path] = {}
    for name in (GENERATE, FILTER, TWINS, RESPOND, TRANSLATE, WRITE, LABEL):
        if name == stage:
            return
        if getattr(run.config, name) is None:
            continue
        head = read_header(stage_file(run, name))
        if head is not None:
            require_fresh(stage_file(run, name), head, splits | earlier)
            earlier[name] = stage_file(run, name)


def already(run: Run, head: Header) -> bool:
    """Whether the work of a header is done. Raises RecipeInvalid if an earlier stage is stale."""
    require_fresh_inputs(run, head.stage)
    done = is_done(stage_file(run, head.stage), head)
    if done:
        logging.info("%s: nothing to do", head.stage)
    return done


def journal_of(run: Run, stage: str) -> Journal:
    """The answers that a stage has had, for later runs too."""
    return Journal(run.folder / "augment" / "calls" / f"{stage}.jsonl")


def finish(run: Run, head: Header, rows: Sequence[BaseModel], report: dict[str, Any]) -> None:
    """Write the report first: the file of rows marks the stage as done."""
    path = run.folder / "augment" / f"{head.stage}.json"
    write_atomically(path, dump_json(report))
    write_stage(stage_file(run, head.stage), head, rows)
    logging.info("%s: %d rows, %s", head.stage, len(rows), path)
