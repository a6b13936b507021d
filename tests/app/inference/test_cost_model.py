"""The predicted time of a batch: right for what is linear, calm at outliers, quick to follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.inference.cost_model import CostModel

COEFFICIENTS = st.tuples(st.floats(0.0, 0.02), st.floats(1e-6, 5e-4), st.floats(0.0, 2e-6))


def seconds_of(coefficients: tuple[float, float, float], length: int, count: int) -> float:
    a, b, c = coefficients
    return a + b * count * length + c * count * length**2


def predicted(model: CostModel, length: int, count: int) -> float:
    return model.predict(batches=1, tokens=count * length, squares=count * length**2)


def feed(
    model: CostModel,
    coefficients: tuple[float, float, float],
    *,
    batches: int,
    seed: int = 0,
    noise: float = 0.0,
) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(batches):
        length, count = 8 * int(rng.integers(1, 25)), int(rng.integers(1, 17))
        factor = float(np.exp(noise * rng.standard_normal()))
        model.observe(length, count, factor * seconds_of(coefficients, length, count))


@settings(max_examples=60)
@given(coefficients=COEFFICIENTS, length=st.integers(1, 24), count=st.integers(1, 16))
def test_it_learns_what_is_linear(
    coefficients: tuple[float, float, float], length: int, count: int
) -> None:
    model = CostModel()
    feed(model, coefficients, batches=80)
    assert predicted(model, 8 * length, count) == pytest.approx(
        seconds_of(coefficients, 8 * length, count), rel=0.05, abs=2e-5
    )


def test_the_first_batch_weighs_no_more_than_the_next_ones() -> None:
    model = CostModel()
    for length in (32, 48, 64, 80, 16):
        model.observe(length, 1, 0.1 * length)
    assert predicted(model, 128, 1) == pytest.approx(12.8, rel=0.02)


@settings(max_examples=60)
@given(
    batches=st.lists(
        st.tuples(st.integers(1, 64), st.integers(1, 32), st.floats(0.0, 1e4)), max_size=40
    )
)
def test_more_work_never_looks_quicker_whatever_was_seen(
    batches: list[tuple[int, int, float]],
) -> None:
    model = CostModel()
    assert model.predict(batches=1, tokens=1000, squares=1000) == 0.0
    assert not model.is_known
    for length, count, seconds in batches:
        model.observe(length, count, seconds)
    coefficients = model.coefficients()
    assert np.isfinite(coefficients).all()
    assert min(coefficients) >= 0.0
    assert model.error >= 0.0


def test_one_stall_does_not_move_it_and_a_slower_machine_does() -> None:
    usual = (0.002, 1e-4, 1e-7)
    model = CostModel()
    feed(model, usual, batches=60, noise=0.05)
    before = predicted(model, 64, 8)
    model.observe(64, 8, 100 * seconds_of(usual, 64, 8))
    assert predicted(model, 64, 8) == pytest.approx(before, rel=0.1)
    slower = (0.006, 3e-4, 3e-7)
    feed(model, slower, batches=100, noise=0.05, seed=1)
    assert predicted(model, 64, 8) == pytest.approx(seconds_of(slower, 64, 8), rel=0.35)


def test_a_first_observation_is_believed() -> None:
    model = CostModel()
    model.observe(64, 1, 0.2)
    assert model.is_known
    assert predicted(model, 64, 1) == pytest.approx(0.2, rel=1e-3)


def test_the_error_is_that_of_the_predictions() -> None:
    exact, noisy = CostModel(), CostModel()
    feed(exact, (0.002, 1e-4, 1e-7), batches=100)
    feed(noisy, (0.002, 1e-4, 1e-7), batches=100, noise=0.3)
    assert exact.error < 0.05 < noisy.error < 0.6
