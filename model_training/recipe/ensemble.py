"""Settings of the teacher that this repository trains: the section [ensemble]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_training.recipe.augmentation import ModelName
from model_training.recipe.published import PublishedStudent

Positive = Annotated[int, Field(gt=0)]
MemberName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderMember(_Section):
    """A student of another recipe, trained on the same split of the same data."""

    kind: Literal["encoder"]
    name: MemberName
    recipe: Annotated[str, Field(pattern=r"^[\w.-]+\.toml$")]
    """A file beside this recipe. Its [data] must equal that of this one."""
    seed: int = 42


class NgramMember(_Section):
    """Logistic regression over hashed character n-grams, one per slice.

    It sees spelling where an encoder sees words, so it makes different errors.
    """

    kind: Literal["ngrams"]
    name: MemberName
    shortest: Positive = 2
    longest: Annotated[int, Field(gt=0, le=8)] = 5
    """Longest n-gram in characters, inside words and at their edges."""
    features_log2: Annotated[int, Field(ge=10, le=22)] = 19
    """Log2 of the hash buckets for the judged text, and for the prompt beside a response."""
    longest_text: Positive = 2000
    """Characters that are read of a text."""
    rows: Positive = 60_000
    """Draws from the train split for each slice, balanced as for an encoder."""
    alpha: Annotated[float, Field(gt=0.0)] = 1e-7
    """Strength of the regularization."""
    epochs: Positive = 10
    seed: int = 42

    @model_validator(mode="after")
    def _lengths(self) -> NgramMember:
        if self.shortest > self.longest:
            raise ValueError("`shortest` must not be above `longest`")
        return self


class ArtifactMember(_Section):
    """A published student, as it is served.

    It must have been trained on the split of this recipe.
    """

    kind: Literal["artifact"]
    name: MemberName
    artifact: PublishedStudent
    """Its folder, or its name, version and hash."""


class RunMember(_Section):
    """The student of a finished run, read in torch.

    It must have been trained on the split of this recipe. A processor that computes in bfloat16
    reads an encoder of 110M twice as fast as its int8 artifact (docs/research/log.md).
    """

    kind: Literal["run"]
    name: MemberName
    run: ModelName
    """Its folder."""


Member = Annotated[
    EncoderMember | NgramMember | ArtifactMember | RunMember, Field(discriminator="kind")
]


class EnsembleConfig(_Section):
    """The members, and the rows on which they are compared."""

    members: Annotated[tuple[Member, ...], Field(min_length=1)]
    transfer_sources: tuple[str, ...] = ()
    """Train sources that the recipe does not learn from, for comparison only."""
    transfer_rows: Positive = 300
    """Rows of each of them, drawn at random."""
    held_out_rows: Positive | None = None
    """Rows of the validation and of the calibration split that are read, half of them pairs.
    None: all."""

    @model_validator(mode="after")
    def _names(self) -> EnsembleConfig:
        names = [member.name for member in self.members]
        if len(set(names)) != len(names):
            raise ValueError("two members have the same name")
        return self
