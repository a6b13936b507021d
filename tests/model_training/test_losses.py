"""The loss is a sum over rows, so that a row weighs the same in every batch."""

from __future__ import annotations

import math

import torch

from model_training.losses import summed_cross_entropy


def test_even_logits_cost_log_two_each() -> None:
    loss = summed_cross_entropy(torch.zeros(3, 2), torch.tensor([0, 1, 1]), label_smoothing=0.0)
    assert math.isclose(loss.item(), 3 * math.log(2), rel_tol=1e-6)


def test_a_batch_costs_what_its_halves_cost() -> None:
    logits, labels = torch.randn(8, 2), torch.randint(0, 2, (8,))
    whole = summed_cross_entropy(logits, labels, label_smoothing=0.1)
    halves = [
        summed_cross_entropy(logits[part], labels[part], label_smoothing=0.1)
        for part in (slice(0, 4), slice(4, 8))
    ]
    assert math.isclose(whole.item(), sum(half.item() for half in halves), rel_tol=1e-5)


def test_half_precision_is_summed_in_single() -> None:
    logits = torch.full((4, 2), 1000.0, dtype=torch.bfloat16)
    loss = summed_cross_entropy(logits, torch.zeros(4, dtype=torch.int64), label_smoothing=0.0)
    assert loss.dtype == torch.float32
    assert math.isclose(loss.item(), 4 * math.log(2), rel_tol=1e-6)
