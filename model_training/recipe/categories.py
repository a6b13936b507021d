"""Settings of the head that tells kinds of harm apart."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]


class CategoriesConfig(BaseModel):
    """A head on the trained encoder, one logit for each kind of harm.

    Its labels are those of `categories.json` in the data folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: Positive | None = None
    """Hidden layer whose mean state the head reads beside the state of the classifier. None: only
    the state of the classifier."""
    train_rows: Positive = 24_000
    """At most this many harmful train rows are read, spread over their sources."""
    fewest_train_rows: Positive = 200
    """A label with fewer train rows is left out."""
    fewest_calibration_rows: Positive = 15
    """A label with fewer rows in the calibration split is left out."""
    merged: dict[str, tuple[str, ...]] = {}
    """New labels, each in place of several labels of the taxonomy."""
    left_out: tuple[str, ...] = ()
    """Labels that the head does not learn."""

    @model_validator(mode="after")
    def _each_label_has_one_place(self) -> CategoriesConfig:
        placed = [label for labels in self.merged.values() for label in labels]
        placed += self.left_out
        if len(set(placed)) != len(placed):
            raise ValueError("a label is merged or left out twice")
        return self
