"""MPNet for export: tracing turns its attention into ONNX Runtime's fused operator.

MPNet (Song et al. 2020) adds a bias to every head's scores. It depends only on the distance between
two tokens and is the same in all layers. ONNX Runtime's optimizer has no pattern for it. So inside
`fused_attention`, each layer writes `com.microsoft.MultiHeadAttention` itself, which takes such a
bias as an input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.functional import linear
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder, MPNetSelfAttention

MODEL_TYPE: Final = "mpnet"
CUSTOM_OPSETS: Final = {"com.microsoft": 1}


@dataclass
class _Batch:
    """lengths: (batch,) int32, tokens before the padding on the right."""

    lengths: Tensor | None = None


class _MultiHeadAttention(torch.autograd.Function):
    """softmax(QK' / sqrt(d) + position bias, over real tokens) V, as one ONNX operator.

    query, key, value: (batch, tokens, width) before their biases; bias: (3 x width,) for query, key
    and value in this order; position_bias: (1, heads, tokens, tokens). Returns (batch, tokens,
    width).
    """

    @staticmethod
    def forward(
        _ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor,
        lengths: Tensor,
        position_bias: Tensor,
        n_heads: int,
    ) -> Tensor:
        n_batch, n_tokens, width = query.shape
        q, k, v = (
            (projected + part).view(n_batch, n_tokens, n_heads, -1).transpose(1, 2)
            for projected, part in zip((query, key, value), bias.chunk(3), strict=True)
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // n_heads) + position_bias
        padding = torch.arange(n_tokens)[None, :] >= lengths[:, None]
        scores = scores.masked_fill(padding[:, None, None, :], float("-inf"))
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(n_batch, n_tokens, width)

    @staticmethod
    def symbolic(
        g: Any,
        query: Any,
        key: Any,
        value: Any,
        bias: Any,
        lengths: Any,
        position_bias: Any,
        n_heads: int,
    ) -> Any:
        attended = g.op(
            "com.microsoft::MultiHeadAttention",
            *(query, key, value, bias, lengths, position_bias),
            num_heads_i=n_heads,
        )
        attended.setType(query.type())
        return attended


@contextmanager
def fused_attention(model: Any) -> Iterator[None]:
    """Inside, the model computes the same values, and tracing writes one operator per attention.

    model: an MPNet in evaluation mode; its input must include `attention_mask`, padding on the
    right.
    """
    batch = _Batch()
    modules = list(model.modules())
    attentions: list[Any] = [one for one in modules if isinstance(one, MPNetSelfAttention)]
    encoders: list[Any] = [one for one in modules if isinstance(one, MPNetEncoder)]
    longest = int(model.config.max_position_embeddings)

    def keep_lengths(_module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        batch.lengths = kwargs["attention_mask"].sum(dim=1).to(torch.int32)

    def attend(
        self: Any, hidden_states: Tensor, _mask: Any, position_bias: Tensor, **_: Any
    ) -> tuple[Tensor]:
        attended = _MultiHeadAttention.apply(  # type: ignore[no-untyped-call]
            *(one(hidden_states) for one in (self.q, self.k, self.v)),
            torch.cat([self.q.bias, self.k.bias, self.v.bias]),
            batch.lengths,
            position_bias,
            self.num_attention_heads,
        )
        return (self.o(attended),)

    def without_bias(self: Any, values: Tensor) -> Tensor:
        return linear(values, self.weight)

    def bias_of_positions(self: Any, x: Tensor, **_: Any) -> Tensor:
        # Look up the bucket of each distance instead of computing it: a logarithm that differs in
        # its last bit would put a distance into another bucket.
        distances = torch.arange(-longest + 1, longest)
        buckets = self.relative_position_bucket(distances)  # in 32, as transformers always does
        places = torch.arange(x.size(1))
        apart = places[None, :] - places[:, None] + (longest - 1)
        return self.relative_attention_bias(buckets[apart]).permute(2, 0, 1).unsqueeze(0)  # type: ignore[no-any-return]

    hook = model.base_model.register_forward_pre_hook(keep_lengths, with_kwargs=True)
    # Called as layers, they give the products in the graph their names (`quantization_aware`).
    projections = [part for one in attentions for part in (one.q, one.k, one.v)]
    for projection in projections:
        projection.forward = MethodType(without_bias, projection)
    for attention in attentions:
        attention.forward = MethodType(attend, attention)
    for encoder in encoders:
        encoder.compute_position_bias = MethodType(bias_of_positions, encoder)
    try:
        yield
    finally:
        hook.remove()
        for projection in projections:
            del projection.forward
        for attention in attentions:
            del attention.forward
        for encoder in encoders:
            del encoder.compute_position_bias
