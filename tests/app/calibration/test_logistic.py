"""The one logistic fit: what L-BFGS-B of scipy finds, and finite where rows are separated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.calibration.logistic import fit_logistic
from scipy.optimize import minimize


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(10, 300), st.floats(0.1, 30.0))
@settings(max_examples=60)
def test_it_finds_what_scipy_finds(seed: int, columns: int, rows: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(scale=scale, size=(rows, columns))
    features[:, -1] = 1.0
    truth = rng.normal(size=columns)
    labels = (rng.random(rows) < 1 / (1 + np.exp(-features @ truth))).astype(np.int64)
    labels[:2] = 0, 1
    weights = rng.random(rows) + 0.1
    lower, upper = np.full(columns, 0.0), np.full(columns, 8.0)
    lower[-1] = -8.0
    signs = 2.0 * labels - 1.0

    def loss(x: np.ndarray) -> float:
        terms = np.logaddexp(0.0, -signs * (features @ x))
        return float(np.sum(weights / weights.sum() * terms))

    found = fit_logistic(features, labels, lower=lower, upper=upper, weights=weights)
    reference = minimize(
        loss, x0=np.clip(np.zeros(columns), lower, upper), method="L-BFGS-B",
        bounds=list(zip(lower, upper, strict=True)), options={"ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip

    assert ((found >= lower) & (found <= upper)).all()
    assert loss(found) <= reference.fun + 1e-8


def test_separated_rows_end_at_a_bound() -> None:
    features = np.column_stack([np.linspace(-5, 5, 40), np.ones(40)])
    labels = (features[:, 0] > 0).astype(np.int64)
    found = fit_logistic(
        features, labels, lower=np.array([0.05, -10.0]), upper=np.array([20.0, 10.0])
    )
    assert found[0] == pytest.approx(20.0)
    assert np.isfinite(found).all()


def test_weights_count_as_repeated_rows() -> None:
    rng = np.random.default_rng(1)
    features = np.column_stack([rng.normal(size=60), np.ones(60)])
    labels = rng.integers(0, 2, 60)
    weights = rng.integers(1, 4, 60)
    box = {"lower": np.array([-9.0, -9.0]), "upper": np.array([9.0, 9.0])}
    weighted = fit_logistic(features, labels, weights=weights.astype(np.float64), **box)
    repeated = fit_logistic(np.repeat(features, weights, axis=0), np.repeat(labels, weights), **box)
    assert weighted == pytest.approx(repeated, abs=1e-6)
