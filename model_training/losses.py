"""The loss of the student. Pure functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def summed_cross_entropy(logits: Tensor, labels: Tensor, *, label_smoothing: float) -> Tensor:
    """Cross-entropy summed over a batch, scalar float32, in nats.

    logits: (n, 2), any float dtype, computed in float32; labels: (n,) int64. The sum, not the mean:
    batches hold a fixed number of tokens, not of rows, and a row must weigh the same in each.
    """
    return cross_entropy(
        logits.to(torch.float32), labels, label_smoothing=label_smoothing, reduction="sum"
    )
