"""Weighted logistic regression within bounds: the one fit behind calibration and fusion. No I/O."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from postern.calibration.figures import Ints
from postern.contract.probability import Floats

_STEPS: Final = 200
_FLAT: Final = 1e-10


def fit_logistic(
    features: Floats,
    labels: Ints,
    *,
    lower: Floats,
    upper: Floats,
    weights: Floats | None = None,
    ridge: Floats | None = None,
) -> Floats:
    """(d,) coefficients of highest likelihood, each between its bounds.

    features: (n, d), with a column of ones for an intercept; labels: (n,) 0 or 1; weights: > 0.
    ridge: (d,) >= 0; half of it times the squared coefficient is added to the mean loss. The loss
    is convex and the bounds are finite, so perfectly separated rows have a fit too. Projected
    Newton after Bertsekas 1982, which needs a dozen steps.
    """
    given = np.ones(len(labels)) if weights is None else weights
    problem = _Problem(features, np.where(labels == 1, 1.0, -1.0), given / given.sum(), ridge)
    x = np.clip(np.zeros(features.shape[1]), lower, upper)
    for _ in range(_STEPS):
        gradient, hessian = problem.slopes(x)
        # A coefficient that is pushed against its bound stays there.
        near = 1e-9 * (1.0 + np.abs(x))
        free = ~(((x <= lower + near) & (gradient > 0)) | ((x >= upper - near) & (gradient < 0)))
        if not free.any() or np.abs(gradient[free]).max() < _FLAT:
            break
        step = np.zeros_like(x)
        step[free] = _solve(hessian[np.ix_(free, free)], gradient[free])
        moved = problem.searched(x, step, gradient, lower, upper)
        if moved is None:
            moved = problem.searched(x, np.where(free, gradient, 0.0), gradient, lower, upper)
        if moved is None:
            break
        x = moved
    return x


class _Problem:
    """The weighted negative log-likelihood. signs: (n,) 1 or -1; weights: (n,), summing to 1."""

    def __init__(
        self, features: Floats, signs: Floats, weights: Floats, ridge: Floats | None
    ) -> None:
        self._ridge = np.zeros(features.shape[1]) if ridge is None else ridge
        self._features = features
        self._signs = signs
        self._weights = weights

    def loss(self, x: Floats) -> float:
        """In nats."""
        likely = np.sum(self._weights * np.logaddexp(0.0, -self._signs * (self._features @ x)))
        return float(likely + 0.5 * np.sum(self._ridge * x**2))

    def slopes(self, x: Floats) -> tuple[Floats, Floats]:
        """(d,) gradient and (d, d) second derivatives."""
        wrong = np.exp(-np.logaddexp(0.0, self._signs * (self._features @ x)))
        gradient = self._features.T @ (-self._weights * self._signs * wrong) + self._ridge * x
        curve = self._weights * wrong * (1.0 - wrong)
        hessian = self._features.T @ (self._features * curve[:, None])
        return gradient, hessian + np.diag(self._ridge)

    def searched(
        self, x: Floats, step: Floats, gradient: Floats, lower: Floats, upper: Floats
    ) -> Floats | None:
        """The first of ever shorter steps that lowers the loss enough; None if none does."""
        here = self.loss(x)
        for halving in range(50):
            moved = np.clip(x - step * 0.5**halving, lower, upper)
            expected = float(gradient @ (x - moved))
            if expected > 0.0 and self.loss(moved) <= here - 1e-4 * expected:
                return np.asarray(moved, dtype=np.float64)
        return None


def _solve(hessian: npt.NDArray[np.float64], gradient: Floats) -> Floats:
    damped = hessian + np.eye(len(gradient)) * (1e-12 + 1e-10 * float(np.trace(hessian)))
    return np.asarray(np.linalg.solve(damped, gradient), dtype=np.float64)
