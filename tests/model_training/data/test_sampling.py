"""Draws are balanced and reproducible; packing keeps every draw once, within the token budget."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model_training.data.sampling import Stratum, draw, pack


def _draw(strata: list[Stratum], n_draws: int, seed: int = 0, **weights: float) -> list[int]:
    drawn: list[int] = draw(
        strata,
        n_draws=n_draws,
        pair_share=0.25,
        source_exponent=0.5,
        source_weights=weights,
        rng=np.random.default_rng(seed),
    ).tolist()
    return drawn


_COUNTS: dict[Stratum, int] = {
    ("prompt", 0, "big"): 900,
    ("prompt", 0, "small"): 100,
    ("prompt", 1, "big"): 50,
    ("pair", 0, "big"): 30,
    ("pair", 1, "small"): 30,
}
_STRATA = [stratum for stratum, count in _COUNTS.items() for _ in range(count)]


def test_classes_and_slices_are_balanced_whatever_the_pool_holds() -> None:
    drawn = Counter(_STRATA[index][:2] for index in _draw(_STRATA, 20_000))
    assert abs(drawn["prompt", 0] / 20_000 - 0.375) < 0.02
    assert abs(drawn["prompt", 1] / 20_000 - 0.375) < 0.02
    assert abs(drawn["pair", 0] / 20_000 - 0.125) < 0.02


def test_sources_count_by_the_root_of_their_size() -> None:
    drawn = Counter(_STRATA[index] for index in _draw(_STRATA, 20_000))
    assert 2.5 < drawn["prompt", 0, "big"] / drawn["prompt", 0, "small"] < 3.5


def test_a_weight_of_zero_leaves_a_source_out() -> None:
    drawn = {_STRATA[index][2] for index in _draw(_STRATA, 1000, big=0.0)}
    assert drawn == {"small"}


def test_no_row_comes_twice_before_all_of_its_source_came_once() -> None:
    counts = Counter(_draw(_STRATA, 5000))
    small = [counts[index] for index in range(900, 1000)]
    assert max(small) - min(small) <= 1


def test_a_seed_decides_everything() -> None:
    assert _draw(_STRATA, 500, seed=7) == _draw(_STRATA, 500, seed=7)
    assert _draw(_STRATA, 500, seed=7) != _draw(_STRATA, 500, seed=8)


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 256), min_size=1, max_size=200),
    batch_tokens=st.integers(64, 1024),
    chunk_rows=st.integers(1, 100),
    seed=st.integers(0, 99),
)
def test_packing_loses_nothing_and_keeps_the_budget(
    lengths: list[int], batch_tokens: int, chunk_rows: int, seed: int
) -> None:
    draws = np.arange(len(lengths), dtype=np.int64)
    batches = pack(
        draws,
        np.array(lengths, dtype=np.int64),
        batch_tokens=batch_tokens,
        chunk_rows=chunk_rows,
        multiple_of=16,
        rng=np.random.default_rng(seed),
    )
    assert sorted(index for batch in batches for index in batch) == draws.tolist()
    for batch in batches:
        longest = -(-max(lengths[index] for index in batch) // 16) * 16
        assert len(batch) == 1 or len(batch) * longest <= batch_tokens


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 256), min_size=2, max_size=100),
    twins=st.sets(st.integers(0, 98)),
    batch_tokens=st.integers(64, 1024),
    seed=st.integers(0, 99),
)
def test_partners_share_a_batch_unless_both_are_too_long_for_one(
    lengths: list[int], twins: set[int], batch_tokens: int, seed: int
) -> None:
    partners = np.full(len(lengths), -1, dtype=np.int64)
    for place in sorted(twins):
        if place + 1 < len(lengths) and partners[place] < 0:
            partners[place], partners[place + 1] = place + 1, place
    draws = np.arange(len(lengths), dtype=np.int64)
    batches = pack(
        draws,
        np.array(lengths, dtype=np.int64),
        batch_tokens=batch_tokens,
        chunk_rows=len(lengths),
        multiple_of=16,
        rng=np.random.default_rng(seed),
        partners=partners,
    )
    assert sorted(index for batch in batches for index in batch) == draws.tolist()
    batch_of = {int(index): number for number, batch in enumerate(batches) for index in batch}
    for batch in batches:
        longest = -(-max(lengths[index] for index in batch) // 16) * 16
        assert len(batch) == 1 or len(batch) * longest <= batch_tokens
    for one, other in enumerate(partners.tolist()):
        if other >= 0 and 2 * -(-max(lengths[one], lengths[other]) // 16) * 16 <= batch_tokens:
            assert batch_of[one] == batch_of[other]
