"""Recipes of the studies: those of a run, plus the section [ablation] or [case_study]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_training.augmentation.instructions import Intent
from model_training.recipe.config import RunConfig
from model_training.recipe.ensemble import MemberName, Positive
from model_training.run.folder import Run


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Section):
    """What one group of students learns from, beside the labelled rows that all share."""

    name: MemberName
    about: str = ""
    """Description for the table. Default: the name."""
    soft: bool = True
    """Use the teacher's soft labels on the labelled rows. Otherwise only the labels of people."""
    eda: bool = False
    """Use rows of easy data augmentation, labelled by the teacher."""
    generated: tuple[Intent, ...] = ()
    """Use generated instructions of these intents."""
    answers: bool = True
    """Use their answers, too."""
    twins: bool = True
    """Use their twins, too. How much a pair weighs beside its rows: `distil.twin_weight`."""
    behaviour: bool = True
    """Use the labelled rows that teach behaviour, those of `[augment.behaviour]`."""
    instructions: Positive | None = None
    """Largest number of them. Arms with the same number have the same instructions."""
    unlabelled: bool = False
    """Use the rows of the pool that only the teacher labelled."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """Default: those of [ablation]. Use more of them if a difference is small."""


class AblationConfig(_Section):
    """Arms times seeds, all with equally many steps."""

    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 2, 3)
    curve: tuple[MemberName, ...] = ()
    """Arms that differ only in the number of generated instructions."""
    eda_rows: Positive | None = None
    """None: as many as there are generated instructions."""
    eda_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Share of the words of a text that change."""
    wordnet: Path = Path("/usr/share/wordnet")
    """Folder of WordNet's data files; Debian's package wordnet-base uses this one."""
    labelled_rows: Positive | None = None
    """Largest number of labelled rows, the same in every arm.

    With few steps, each row must still come several times; otherwise added rows have nothing to add
    to.
    """
    longest_text: Positive | None = None
    """In characters, prompt and response together.

    No arm has longer rows, because choosing among their windows costs as much as training.
    """
    measured_rows: Positive = 2400
    """Rows of the calibration and of the validation split, half of them pairs.

    Test sets are used whole.
    """
    keep_students: bool = False
    """Keep each student and its checkpoint (some 300 MB).

    Otherwise they are removed once measured.
    """

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
        """Each arm with each of its seeds: all arms of a seed before the next seed.

        So a table can be read early.
        """
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
    """Seed for the alphabet of `substitution`, and for choosing the prompts to attack."""
    instruction: str = ""
    """Text before the attacked prompt, which tells a chatbot how to read it."""
    longest_prompt: Positive = 400
    """In characters. Longer prompts are not attacked, because ciphers triple the tokens."""
    train_prompts: Positive = 8000
    """Attacked prompts for training, half of them harmful, only from the train split."""
    test_prompts: Positive = 1000
    """Attacked prompts for measuring, from the validation split, never trained on."""
    attack_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Share of attacked prompts in training. The rest is replay of the old rows."""
    measured_rows: Positive = 2400


class StudyRecipe(RunConfig):
    """The recipe of a study. Stages refuse recipes with these sections."""

    ablation: AblationConfig | None = None
    case_study: CaseStudyConfig | None = None


@dataclass(frozen=True)
class StudyRun(Run):
    """The folder of a study."""

    config: StudyRecipe
