"""Cross-entropy and divergence from the teacher, summed so that a row weighs the same anywhere."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from model_training.student.losses import divergence, summed_loss, twin_loss

MARGINS = st.floats(-8.0, 8.0)
SOFT = st.floats(0.001, 0.999)
NONE = float("nan")


def loss(logits: torch.Tensor, labels: list[int], soft: list[float], **changed: Any) -> float:
    settings = {"soft_weight": 0.5, "distillation_temperature": 1.0, "label_smoothing": 0.0}
    return summed_loss(
        logits, torch.tensor(labels), torch.tensor(soft), **{**settings, **changed}
    ).item()


def logits_of(margins: list[float]) -> torch.Tensor:
    return torch.tensor([[0.3, 0.3 + margin] for margin in margins])


def test_even_logits_cost_log_two_each() -> None:
    assert loss(torch.zeros(3, 2), [0, 1, 1], [NONE] * 3) == pytest.approx(3 * math.log(2))


def test_the_loss_of_the_paper_by_hand() -> None:
    """0.5 (CE + KL) for a student at 3:1 and a teacher at 9:1, both for harmful."""
    student = torch.log(torch.tensor([[0.25, 0.75]]))
    kl = 0.9 * math.log(0.9 / 0.75) + 0.1 * math.log(0.1 / 0.25)
    assert loss(student, [1], [0.9]) == pytest.approx(0.5 * (-math.log(0.75) + kl), rel=1e-5)


@given(st.lists(st.tuples(MARGINS, SOFT, st.booleans()), min_size=2, max_size=12), SOFT)
def test_a_batch_costs_what_its_rows_cost(
    rows: list[tuple[float, float, bool]], weight: float
) -> None:
    logits = logits_of([margin for margin, _, _ in rows])
    labels = [index % 2 for index in range(len(rows))]
    soft = [value if given_ else NONE for _, value, given_ in rows]
    alone = [
        loss(logits[i : i + 1], labels[i : i + 1], soft[i : i + 1], soft_weight=weight)
        for i in range(len(rows))
    ]
    assert loss(logits, labels, soft, soft_weight=weight) == pytest.approx(sum(alone), rel=1e-4)


@given(MARGINS, SOFT, st.integers(0, 1), st.floats(0.0, 0.3))
def test_weight_zero_and_a_missing_soft_label_are_plain_cross_entropy(
    margin: float, soft: float, label: int, smoothing: float
) -> None:
    logits = logits_of([margin])
    plain = cross_entropy(logits, torch.tensor([label]), label_smoothing=smoothing).item()
    assert loss(logits, [label], [soft], soft_weight=0.0, label_smoothing=smoothing) == (
        pytest.approx(plain)
    )
    assert loss(logits, [label], [NONE], soft_weight=0.7, label_smoothing=smoothing) == (
        pytest.approx(plain)
    )


@given(MARGINS, SOFT, st.floats(0.5, 8.0))
def test_the_divergence_is_zero_at_the_teacher_and_pulls_towards_it(
    margin: float, soft: float, temperature: float
) -> None:
    teacher = math.log(soft / (1.0 - soft))
    at_teacher = divergence(
        logits_of([teacher]), torch.tensor([soft]), distillation_temperature=temperature
    )
    assert at_teacher.item() == pytest.approx(0.0, abs=1e-5)

    logits = logits_of([margin]).requires_grad_()
    found = divergence(logits, torch.tensor([soft]), distillation_temperature=temperature)
    assert found.item() >= -1e-5
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    if abs(margin - teacher) > 0.1:
        # Down the gradient, the margin moves to the teacher's side.
        assert math.copysign(1.0, -logits.grad[0, 1].item()) == math.copysign(1, teacher - margin)


@given(st.floats(-3.0, 3.0), st.floats(0.05, 0.95))
def test_a_high_temperature_compares_margins(margin: float, soft: float) -> None:
    teacher = math.log(soft / (1.0 - soft))
    found = divergence(logits_of([margin]), torch.tensor([soft]), distillation_temperature=50.0)
    assert found.item() == pytest.approx((margin - teacher) ** 2 / 8.0, abs=2e-2, rel=2e-2)


def test_a_low_temperature_compares_verdicts() -> None:
    """Softened by T -> 0 both are certain: agreement costs nothing, whatever the confidence."""
    agree, differ = divergence(
        logits_of([2.0, -2.0]), torch.tensor([0.6, 0.6]), distillation_temperature=0.02
    ).tolist()
    assert agree == pytest.approx(0.0, abs=1e-5)
    assert differ > 0.01


@pytest.mark.parametrize("soft", [0.0, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_certain_teacher_gives_a_finite_loss_and_gradient(
    soft: float, temperature: float
) -> None:
    logits = logits_of([-20.0, 20.0]).requires_grad_()
    found = summed_loss(
        logits,
        torch.tensor([0, 1]),
        torch.tensor([soft, NONE]),
        soft_weight=0.5,
        distillation_temperature=temperature,
        label_smoothing=0.0,
    )
    found.backward()  # type: ignore[no-untyped-call]
    assert math.isfinite(found.item())
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_half_precision_is_summed_in_single() -> None:
    logits = torch.full((4, 2), 1000.0, dtype=torch.bfloat16)
    assert loss(logits, [0] * 4, [NONE] * 4) == pytest.approx(4 * math.log(2), rel=1e-6)


@given(st.lists(st.tuples(MARGINS, MARGINS), min_size=1, max_size=5), st.floats(0.5, 4.0))
def test_twins_cost_what_their_margins_lack(pairs: list[tuple[float, float]], gap: float) -> None:
    margins = [margin for pair in pairs for margin in pair]
    logits = logits_of(margins).requires_grad_()
    places = torch.arange(len(margins)).reshape(-1, 2)
    found = twin_loss(logits, places, gap=gap)
    lacking = [max(0.0, gap - (harmful - harmless)) for harmful, harmless in pairs]
    assert found.item() == pytest.approx(sum(lacking), abs=1e-4)
    found.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    for place, lack in enumerate(lacking):
        pulled = -logits.grad[2 * place, 1].item(), logits.grad[2 * place + 1, 1].item()
        assert pulled == ((1.0, 1.0) if lack > 1e-4 else pulled)
