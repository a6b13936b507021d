"""Categories of harm: what kind of harm a harmful exchange holds.

The student's graph may have a further output: one logit for each label, a linear function of its
hidden states. They answer a conditional question: if this exchange is harmful, is the harm of this
kind? So the probability of a category is that of harm times that of the label, never more than the
probability of harm, and nothing applies to an exchange whose verdict is unharmful. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from postern.contract.probability import Floats, sigmoids

CATEGORIES_OUTPUT: Final = "categories"
"""Name of the output in the graph, (n, labels) float32."""
MOST_LABELS: Final = 64

LabelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CategoryLabel(_Frozen):
    """A kind of harm. Given harm, its probability is sigmoid(scale * logit + bias)."""

    name: LabelName
    """Name in replies, settings and metrics."""
    covers: Annotated[tuple[LabelName, ...], Field(min_length=1)]
    """Labels of the taxonomy that it stands for: itself, or several that were merged."""
    scale: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    bias: Finite
    threshold: Share
    """Probability, given harm, from which the category applies to a harmful exchange."""


class CategoryHead(_Frozen):
    """The labels in the order of the columns of the output."""

    labels: Annotated[tuple[CategoryLabel, ...], Field(min_length=1, max_length=MOST_LABELS)]

    @model_validator(mode="after")
    def _told_apart(self) -> CategoryHead:
        names = [label.name for label in self.labels]
        if len(set(names)) != len(names):
            raise ValueError("two labels have the same name")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    def given_harm(self, logits: npt.NDArray[np.floating[Any]]) -> Floats:
        """(n, labels) in [0, 1]: the probability of each label if the exchange is harmful.

        logits: (n, labels), from the graph.
        """
        return sigmoids(np.asarray(logits, dtype=np.float64) * self._scales + self._biases)

    @cached_property
    def _scales(self) -> Floats:
        return np.array([label.scale for label in self.labels])

    @cached_property
    def _biases(self) -> Floats:
        return np.array([label.bias for label in self.labels])

    def moved_to(self, thresholds: Mapping[str, float]) -> CategoryHead:
        """The same head with other thresholds for some labels. Raises KeyError for other names."""
        unknown = set(thresholds) - set(self.names)
        if unknown:
            raise KeyError(sorted(unknown)[0])
        return CategoryHead(
            labels=tuple(
                label.model_copy(update={"threshold": thresholds.get(label.name, label.threshold)})
                for label in self.labels
            )
        )


class Category(NamedTuple):
    """A label of one exchange. probability: of harm of this kind, in [0, 1].

    A named tuple, because every reply makes one for each label.
    """

    name: str
    probability: float
    applies: bool


def categories(
    head: CategoryHead, given_harm: Sequence[float], *, probability: float, harmful: bool
) -> tuple[Category, ...]:
    """All labels of one exchange, in the order of the head.

    given_harm: (labels,), a row of `CategoryHead.given_harm`; probability: of harm; harmful: the
    verdict.
    """
    return tuple(
        Category(label.name, probability * share, harmful and share >= label.threshold)
        for label, share in zip(head.labels, given_harm, strict=True)
    )
