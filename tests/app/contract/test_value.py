"""What asking is expected to gain: a band where the head says nothing, and each row by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.value import VALUE_COLUMNS, Chance, ValueHead
from pydantic import ValidationError

P = st.floats(0.0, 1.0)
N = st.floats(-5.0, 5.0)
CHANCES = st.builds(Chance, bias=st.tuples(N, N), slope=st.tuples(N, N))
HEADS = st.builds(ValueHead, repair=CHANCES, harm=CHANCES, threshold=P)
NEVER = Chance(bias=(-30.0, -30.0), slope=(0.0, 0.0))


@given(HEADS, st.lists(st.tuples(P, P, N, N, N, N), min_size=1, max_size=6))
def test_every_row_stands_for_itself(head: ValueHead, rows: list[tuple[float, ...]]) -> None:
    table = np.array(rows)
    gains = head.gains(table[:, 2:], table[:, 0], table[:, 1])
    assert ((gains >= -1.0) & (gains <= 1.0)).all()
    for row, gain in zip(table, gains, strict=True):
        assert head.gains(row[None, 2:], row[:1], row[1:2])[0] == gain


@given(st.lists(P, min_size=2, max_size=20), P, st.floats(0.1, 3.0))
def test_without_outputs_it_is_a_band(
    probabilities: list[float], threshold: float, slope: float
) -> None:
    near = Chance(bias=(0.0, 0.0), slope=(-slope, -slope))
    head = ValueHead(repair=near, harm=NEVER, threshold=0.3)
    several = np.sort(probabilities)
    gains = head.gains(
        np.zeros((len(several), VALUE_COLUMNS)), several, np.full(len(several), threshold)
    )
    asked = np.array([head.wants_teacher(gain) for gain in gains])
    inside = np.flatnonzero(asked)
    if len(inside):
        assert asked[inside[0] : inside[-1] + 1].all()


def test_the_formula() -> None:
    head = ValueHead(
        repair=Chance(bias=(0.1, 0.2), slope=(-0.5, -1.0)),
        harm=Chance(bias=(-1.0, -2.0), slope=(-0.3, 0.4)),
        threshold=0.5,
    )
    outputs = np.array([[1.0, 2.0, 3.0, 4.0]])

    def odds(p: float) -> float:
        return math.log(p / (1 - p))

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    for p, side in ((0.3, 0), (0.4, 1), (0.9, 1)):
        far = abs(odds(p) - odds(0.4))
        repair = sigmoid(outputs[0, side] + head.repair.bias[side] + head.repair.slope[side] * far)
        harm = sigmoid(outputs[0, 2 + side] + head.harm.bias[side] + head.harm.slope[side] * far)
        gain = head.gains(outputs, np.array([p]), np.array([0.4]))[0]
        assert gain == pytest.approx(repair - harm)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_lies_between_0_and_1(threshold: float) -> None:
    with pytest.raises(ValidationError):
        ValueHead(repair=NEVER, harm=NEVER, threshold=threshold)
