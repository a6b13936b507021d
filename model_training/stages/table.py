"""All stages in the order of a whole run: the section that each needs, its function and its help.

This is the only list of them. The command line, its help and `run` read it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from model_training.measures.cores import free_for_torch, own_cores
from model_training.recipe.config import RunConfig
from model_training.run.folder import Run
from model_training.stages.augmentation import filter_, generate, respond, twins
from model_training.stages.categories import categories
from model_training.stages.labelling import label
from model_training.stages.student import (
    distil,
    evaluate,
    export,
    fit_policy,
    publish,
    round_,
    split,
)
from model_training.stages.teacher import fit_teacher, train_teacher
from model_training.stages.translation import translate, write


@dataclass(frozen=True)
class Stage:
    """section: of the recipe; `run` includes this stage only if that section exists."""

    name: str
    section: str | None
    run: Callable[[Run], None]
    about: str
    """One line for the help."""


STAGES: Final = (
    Stage("split", None, split, "read the data folder; split it by prompt; derive rows"),
    Stage("generate", "generate", generate, "ask a language model for instructions"),
    Stage("filter", "filter", filter_, "drop generated instructions that are known or similar"),
    Stage("twins", "twins", twins, "ask for instructions of the other intent in the same words"),
    Stage("respond", "respond", respond, "have the instructions answered and refused"),
    Stage("translate", "translate", translate, "have English rows translated, and translated back"),
    Stage("write", "write", write, "have requests written in other languages"),
    Stage("train-teacher", "ensemble", train_teacher, "train the members of an ensemble"),
    Stage("fit-ensemble", "ensemble", fit_teacher, "weigh the members and compare them"),
    Stage("label", "label", label, "have a teacher label rows: soft labels"),
    Stage("distil", None, distil, "train the student, or continue a stopped training"),
    Stage("round", "rounding", round_, "train on with the rounding of the int8 graph"),
    Stage("export", None, export, "make and quantize the served graph, and check its parity"),
    Stage("categories", "categories", categories, "fit a head that tells kinds of harm apart"),
    Stage("fit-policy", None, fit_policy, "fit calibration, thresholds and deferral bands"),
    Stage("evaluate", None, evaluate, "measure the served graph on the test sets"),
    Stage("publish", None, publish, "verify the candidate and move it to the artifacts"),
)


def stage_named(name: str) -> Stage:
    """Look up a stage. Raises KeyError."""
    return {stage.name: stage for stage in STAGES}[name]


def stages_of(config: RunConfig) -> list[Stage]:
    """The stages of a whole run of a recipe."""
    return [
        stage
        for stage in STAGES
        if stage.section is None or getattr(config, stage.section) is not None
    ]


def run_in_turn(stages: Sequence[Stage], run: Run) -> None:
    """Run the stages one after the other, each with all cores. Raises what a stage raises."""
    cores = own_cores()
    for stage in stages:
        logging.info("stage %s", stage.name)
        free_for_torch(cores)
        stage.run(run)
