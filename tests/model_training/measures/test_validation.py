"""Rows that a checkpoint is chosen by: half pairs, and a mean over slices."""

from __future__ import annotations

import numpy as np
import pytest

from model_training.data.rows import Row
from model_training.measures.validation import auprc_by_slice, evaluation_rows


def _rows(n_prompts: int, n_pairs: int) -> list[Row]:
    prompts = [
        Row(source="a", prompt=f"p{i}", response=None, label=i % 2) for i in range(n_prompts)
    ]
    pairs = [Row(source="a", prompt=f"q{i}", response="r", label=i % 2) for i in range(n_pairs)]
    return prompts + pairs


@pytest.mark.parametrize(
    ("n_prompts", "n_pairs", "expected"),
    [(100, 100, (20, 20)), (100, 5, (35, 5)), (5, 100, (5, 35)), (3, 4, (3, 4)), (0, 9, (0, 9))],
)
def test_half_of_the_rows_are_pairs_where_there_are_as_many(
    n_prompts: int, n_pairs: int, expected: tuple[int, int]
) -> None:
    rows = _rows(n_prompts, n_pairs)
    chosen = evaluation_rows(rows, 40, np.random.default_rng(0))
    assert (
        tuple(sum(row.slice == name for row in chosen) for name in ("prompt", "pair")) == expected
    )
    assert len({id(row) for row in chosen}) == len(chosen)
    assert chosen == evaluation_rows(rows, 40, np.random.default_rng(0))
    assert chosen != rows[: len(chosen)] or len(chosen) == len(rows) or not n_prompts


def test_the_mean_is_over_slices_that_hold_both_classes() -> None:
    rows = _rows(4, 4)
    right = np.array([row.label for row in rows], dtype=float)
    assert auprc_by_slice(rows, right) == ({"prompt": 1.0, "pair": 1.0}, 1.0)
    found, mean = auprc_by_slice(rows, np.concatenate([right[:4], -right[4:]]))
    assert found["prompt"] == 1.0
    assert mean == pytest.approx((1.0 + found["pair"]) / 2)
    assert mean < 1.0
    assert auprc_by_slice(rows[:1], right[:1]) == ({}, 0.0)
