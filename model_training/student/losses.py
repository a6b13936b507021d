"""The loss of the student. Pure functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

# A teacher's probability of 0 or 1 has no finite logit to soften.
_CERTAIN = 1e-6


def summed_loss(
    logits: Tensor,
    labels: Tensor,
    soft_labels: Tensor,
    *,
    soft_weight: float,
    distillation_temperature: float,
    label_smoothing: float,
) -> Tensor:
    """(1 - w) cross-entropy + w KL(teacher || student), summed over a batch: scalar float32, nats.

    logits: (n, 2), any float dtype, computed in float32; labels: (n,) int64; soft_labels: (n,)
    float32 harmful probability of the teacher, NaN if it gave none. Such a row uses only the
    cross-entropy, unweighted. At w = 0.5 it is the loss of HarmAug (Lee et al. 2024, section 3).

    The sum, not the mean: batches contain a fixed number of tokens, not of rows, and each row must
    have the same weight in all of them.
    """
    wide = logits.to(torch.float32)
    hard = cross_entropy(wide, labels, label_smoothing=label_smoothing, reduction="none")
    # NaN in the unused branch would still reach the gradient.
    soft = divergence(
        wide, soft_labels.nan_to_num(0.5), distillation_temperature=distillation_temperature
    )
    both = (1.0 - soft_weight) * hard + soft_weight * soft
    return torch.where(soft_labels.isnan(), hard, both).sum()


def twin_loss(logits: Tensor, pairs: Tensor, *, gap: float) -> Tensor:
    """What the margins of twins lack of `gap` nats, summed over pairs: scalar float32.

    logits: (n, 2), any float dtype; pairs: (p, 2) int64, the places of the harmful and of the
    harmless twin.
    """
    wide = logits.to(torch.float32)
    margins = wide[:, 1] - wide[:, 0]
    return torch.relu(gap - (margins[pairs[:, 0]] - margins[pairs[:, 1]])).sum()


def divergence(logits: Tensor, soft_labels: Tensor, *, distillation_temperature: float) -> Tensor:
    """(n,) float32 >= 0, nats: T^2 KL(teacher || student), both softened by the temperature T.

    logits: (n, 2) float32; soft_labels: (n,) in [0, 1]. The factor T^2 keeps the size of the
    gradient (Hinton et al. 2015, section 2); at high T the divergence tends to an eighth of the
    squared difference of the margins.
    """
    temperature = distillation_temperature
    teacher = torch.sigmoid(torch.logit(soft_labels.float(), eps=_CERTAIN) / temperature)
    both = torch.stack([1.0 - teacher, teacher], dim=1)
    student = log_softmax(logits / temperature, dim=1)
    return temperature**2 * (torch.xlogy(both, both) - both * student).sum(dim=1)
