"""Draws: the nucleus, the shares of tokens, and that a row's draw is its own."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from transformers import TopPLogitsWarper

from model_training.teachers import drawing
from model_training.teachers.drawing import draw


def _generators(n: int, first: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + seed) for seed in range(n)]


def _logits(n: int, width: int, *, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(n, width, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("top_p", [0.5, 0.8, 1.0])
def test_tokens_come_as_often_as_their_probabilities_say(top_p: float) -> None:
    n, temperature = 20_000, 1.3
    logits = _logits(1, 40, scale=1.0)
    kept = torch.softmax(logits / temperature, dim=-1)
    if top_p < 1.0:
        warped = TopPLogitsWarper(top_p)(torch.zeros(1, 0), logits / temperature)
        kept = torch.softmax(warped, dim=-1)
    drawn = draw(
        logits.expand(n, -1), _generators(n), temperature=temperature, top_p=top_p
    ).tolist()
    counts = Counter(drawn)
    likely = [token for token in range(40) if kept[0, token] > 0]
    assert set(drawn) <= set(likely)
    expected = kept[0, likely].double().numpy()
    found = chisquare([counts[token] for token in likely], n * expected / expected.sum())
    assert found.pvalue > 1e-4


@pytest.mark.parametrize("top_p", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("scale", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])  # bfloat16: many equal logits
def test_few_sorted_tokens_draw_as_all_of_them_would(
    top_p: float, scale: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = _logits(50, 3000, scale=scale).to(dtype)
    few = draw(logits, _generators(50), temperature=0.8, top_p=top_p)
    monkeypatch.setattr(drawing, "_LIKELIEST", 3000)
    every = draw(logits, _generators(50), temperature=0.8, top_p=top_p)
    assert few.tolist() == every.tolist()


def test_equal_logits_are_all_in_or_all_out() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0, 0.0, -3.0]]).expand(3000, -1)
    # The first has .69, the next three .09 each: a nucleus of .75 ends among them.
    drawn = draw(logits, _generators(3000), temperature=1.0, top_p=0.75).tolist()
    assert set(drawn) == {0, 1, 2, 3}


def test_a_draw_does_not_depend_on_the_rows_beside_it() -> None:
    logits = _logits(30, 500)
    together = draw(logits, _generators(30), temperature=1.0, top_p=0.9).tolist()
    for row in (0, 13, 29):
        alone = draw(logits[row : row + 1], _generators(1, row), temperature=1.0, top_p=0.9)
        assert alone.tolist() == [together[row]]


def test_temperature_zero_takes_the_likeliest_token() -> None:
    logits = _logits(20, 500)
    drawn = draw(logits, _generators(20), temperature=0.0, top_p=0.9)
    assert drawn.tolist() == np.argmax(logits.numpy(), axis=1).tolist()


def test_the_highest_number_still_draws_a_token_that_may_be_drawn() -> None:
    shares = torch.tensor([[0.1, 0.2, 0.3, 0.0]], dtype=torch.float64)
    assert drawing._pick(shares, torch.tensor([1.0], dtype=torch.float64)).tolist() == [2]
    assert drawing._pick(shares, torch.tensor([0.0], dtype=torch.float64)).tolist() == [0]
