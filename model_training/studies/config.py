"""Recipes of the studies: those of a run with the section [ablation] or [case_study]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_training.augmentation.instructions import Intent
from model_training.recipe.config import RunConfig
from model_training.recipe.ensemble import (
    MemberName,
    Positive,
)
from model_training.run.folder import Run


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Section):
    """What one group of students learns from, beside the labelled rows that all share."""

    name: MemberName
    about: str = ""
    """For the table; the name where not given."""
    soft: bool = True
    """The teacher's soft labels on the labelled rows; else the labels of people alone."""
    eda: bool = False
    """Rows of easy data augmentation, labelled by the teacher."""
    generated: tuple[Intent, ...] = ()
    """Generated instructions of these intents, with their answers."""
    instructions: Positive | None = None
    """At most so many of them, the same few in every arm that has as few."""
    unlabelled: bool = False
    """The rows of the pool that the teacher alone labelled."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """Those of [ablation] where not given; more of them where a difference is small."""


class AblationConfig(_Section):
    """Arms times seeds, each at equal steps."""

    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 2, 3)
    curve: tuple[MemberName, ...] = ()
    """Arms that differ in the number of generated instructions alone."""
    eda_rows: Positive | None = None
    """None: as many as there are generated instructions."""
    eda_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Of the words of a text, those that change."""
    wordnet: Path = Path("/usr/share/wordnet")
    """WordNet's data files; Debian's package wordnet-base puts them there."""
    labelled_rows: Positive | None = None
    """At most so many of the labelled rows, the same in every arm: with few steps, each must still
    come several times, or there is nothing for added rows to add."""
    longest_text: Positive | None = None
    """Characters of prompt and response together: longer rows are in no arm, as choosing among
    their windows costs as much as training does."""
    measured_rows: Positive = 2400
    """Of the calibration and of the validation split, half of them pairs; test sets are whole."""
    keep_students: bool = False
    """A student and its checkpoint take some 300 MB; else they go once it is measured."""

    @model_validator(mode="after")
    def _names(self) -> AblationConfig:
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError("two arms have the same name")
        if unknown := set(self.curve) - set(names):
            raise ValueError(f"`curve` names no arm {sorted(unknown)[0]!r}")
        for seeds in (self.seeds, *(arm.seeds or () for arm in self.arms)):
            if len(set(seeds)) != len(seeds):
                raise ValueError("a seed is named twice")
        return self

    def trials(self) -> list[tuple[Arm, int]]:
        """Each arm with each of its seeds: all arms of a seed before the next, so that a table can
        be read early."""
        seeds = [*self.seeds, *(seed for arm in self.arms for seed in arm.seeds or ())]
        return [
            (arm, seed)
            for seed in dict.fromkeys(seeds)
            for arm in self.arms
            if seed in (arm.seeds or self.seeds)
        ]


class CaseStudyConfig(_Section):
    """A published student learns a new attack, and must not forget."""

    attack: Literal["rot13", "base64", "leetspeak", "substitution"]
    seed: int = 42
    """Of the alphabet of `substitution`, and of which prompts are attacked."""
    instruction: str = ""
    """Stands before the attacked text, as an attacker would tell the chatbot how to read it."""
    longest_prompt: Positive = 400
    """In characters: only such prompts are attacked, as ciphers triple the tokens."""
    train_prompts: Positive = 8000
    """Attacked for training, half of them harmful; prompts of the train split alone."""
    test_prompts: Positive = 1000
    """Attacked for measuring; prompts of the validation split, never trained on."""
    attack_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Of the prompts drawn in training; the rest is replay of the old rows."""
    measured_rows: Positive = 2400


class StudyRecipe(RunConfig):
    """The recipe of a study; stages refuse one with these sections."""

    ablation: AblationConfig | None = None
    case_study: CaseStudyConfig | None = None


@dataclass(frozen=True)
class StudyRun(Run):
    """The folder of a study."""

    config: StudyRecipe
