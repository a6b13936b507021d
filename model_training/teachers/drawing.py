"""Draws tokens from logits: by temperature and top-p, with each row's own random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

_LIKELIEST: Final = 256
"""Tokens of a row that are sorted at first. Sorting 151,936 of them costs more than the model."""


def draw(
    logits: Tensor, generators: Sequence[torch.Generator], *, temperature: float, top_p: float
) -> Tensor:
    """(n,) int64 token ids. logits: (n, v) of any float type. generators: one for each row.

    Temperature 0 takes the likeliest token. Otherwise each row uses one number of its generator, so
    its draw depends neither on the rows beside it nor on where a killed run stopped. With top-p, a
    token can be drawn if the tokens likelier than it have less than this probability together
    (Holtzman et al. 2020, section 3.1); equally likely tokens are all in or all out.
    """
    if temperature == 0.0:
        return logits.argmax(dim=-1)
    scaled = logits.float() / temperature
    numbers = torch.cat(
        [
            torch.rand(1, generator=one, device=scaled.device, dtype=torch.float64)
            for one in generators
        ]
    )
    total = scaled.logsumexp(dim=-1, keepdim=True)
    if top_p >= 1.0:
        return _pick((scaled - total).double().exp(), numbers)
    drawn, complete = _from_likeliest(
        scaled, total, numbers, top_p, min(_LIKELIEST, _width(scaled))
    )
    rest = (~complete).nonzero().squeeze(1)
    if len(rest):
        drawn[rest], _ = _from_likeliest(
            scaled[rest], total[rest], numbers[rest], top_p, _width(scaled)
        )
    return drawn


def _width(scaled: Tensor) -> int:
    return scaled.shape[1]


def _from_likeliest(
    scaled: Tensor, total: Tensor, numbers: Tensor, top_p: float, n_likeliest: int
) -> tuple[Tensor, Tensor]:
    """Draws among the likeliest tokens of each row, and whether all that could be drawn were there.

    A complete row gets the same token whatever `n_likeliest` is, because the tokens are put into
    the order of their ids before the draw.
    """
    values, ids = scaled.topk(n_likeliest, dim=-1)
    shares = (values - total).double().exp()
    likelier = shares.cumsum(dim=-1) - shares
    n_kept = (likelier < top_p).sum(dim=-1, keepdim=True)
    least = values.gather(1, n_kept - 1)
    complete = (values[:, -1:] < least).squeeze(1) | (n_likeliest == _width(scaled))
    ids, order = ids.sort(dim=-1)
    shares = torch.where(values >= least, shares, 0.0).gather(1, order)
    return ids.gather(1, _pick(shares, numbers)[:, None]).squeeze(1), complete


def _pick(shares: Tensor, numbers: Tensor) -> Tensor:
    """(n,) places. shares: (n, m) float64, not normalized. numbers: (n,) float64 in [0, 1)."""
    sums = shares.cumsum(dim=-1)
    last = sums[:, -1]
    # A product may be rounded up to the last sum, behind which no token is left.
    aims = torch.minimum(numbers * last, torch.nextafter(last, torch.zeros_like(last)))
    return torch.searchsorted(sums, aims[:, None], right=True).squeeze(1)
