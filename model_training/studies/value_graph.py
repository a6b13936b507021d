"""A student graph with a head for `value` deferral, which reads the input of its classifier."""

from __future__ import annotations

from postern.contract.probability import Floats
from postern.contract.value import VALUE_OUTPUT

from model_training.student import heads


def with_pooled(model: bytes) -> bytes:
    """The graph with a further output: the state that feeds the classifier, (n, d).

    Its name is `POOLED`. Raises DataInvalid.
    """
    return heads.with_states(model, VALUE_OUTPUT)


def with_head(model: bytes, weights: Floats, bias: Floats) -> bytes:
    """The graph with the output `value`, (n, k): state @ weights + bias. Replaces an older head.

    weights: (d, k); bias: (k,). Raises DataInvalid.
    """
    return heads.with_head(model, VALUE_OUTPUT, weights, bias)


POOLED = heads.states_name(VALUE_OUTPUT)
"""Name of the output of `with_pooled`."""
