"""The distribution of probabilities when the policy was fitted.

Live traffic is compared with it.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from postern.contract.probability import Floats

_N_BINS: Final = 10

Edge = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Mass = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class ProbabilityReference(BaseModel):
    """A histogram of probabilities over [0, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[Edge, ...]
    """Inner edges of the bins, rising. A bin includes its lower edge."""
    masses: tuple[Mass, ...]
    """Number or total weight of the exchanges in each bin; one more than edges."""

    @model_validator(mode="after")
    def _fits(self) -> ProbabilityReference:
        if len(self.masses) != len(self.edges) + 1:
            raise ValueError("masses must be one more than edges")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must rise")
        if sum(self.masses) <= 0.0:
            raise ValueError("masses must not all be zero")
        return self


def reference_of(probabilities: Floats, weights: Floats | None = None) -> ProbabilityReference:
    """Tenths of equal mass; fewer if many probabilities are equal. probabilities: (n > 0,).

    Bins of equal width would put nearly all of a confident student's mass into two of them.
    """
    given = np.ones(len(probabilities)) if weights is None else weights
    order = np.argsort(probabilities, kind="stable")
    below = np.cumsum(given[order]) / given.sum()
    places = np.searchsorted(below, np.arange(1, _N_BINS) / _N_BINS)
    found = np.unique(probabilities[order][places])
    # A first edge at the lowest probability would leave the bin below it empty.
    edges = found[found > probabilities.min()]
    masses = np.bincount(
        np.searchsorted(edges, probabilities, side="right"),
        weights=given,
        minlength=len(edges) + 1,
    )
    return ProbabilityReference(
        edges=tuple(float(edge) for edge in edges), masses=tuple(float(mass) for mass in masses)
    )
