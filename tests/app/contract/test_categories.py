"""What a category means: never likelier than harm, and nothing without a harmful verdict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.categories import CategoryHead, CategoryLabel, categories
from postern.contract.probability import sigmoid
from pydantic import ValidationError

from tests.tiny_categories import HEAD, label

P = st.floats(0.0, 1.0)
LOGITS = st.floats(-50.0, 50.0)
LABELS = st.builds(
    CategoryLabel,
    name=st.sampled_from(["hate", "fraud"]),
    covers=st.just(("hate",)),
    scale=st.floats(0.01, 10.0),
    bias=st.floats(-10.0, 10.0),
    threshold=P,
)
HEADS = st.builds(
    CategoryHead,
    labels=st.lists(LABELS, min_size=1, max_size=2, unique_by=lambda one: one.name).map(tuple),
)


@given(HEADS, st.lists(LOGITS, min_size=2, max_size=2), P, st.booleans())
def test_harm_of_a_kind_is_never_likelier_than_harm(
    head: CategoryHead, logits: list[float], probability: float, harmful: bool
) -> None:
    row = np.array([logits[: len(head.labels)]], dtype=np.float32)
    shares = head.given_harm(row)[0].tolist()
    found = categories(head, shares, probability=probability, harmful=harmful)
    assert tuple(one.name for one in found) == head.names
    for one, kind, logit, share in zip(found, head.labels, row[0], shares, strict=True):
        assert 0.0 <= one.probability <= probability
        assert share == pytest.approx(sigmoid(kind.scale * float(logit) + kind.bias))
        assert one.applies == (harmful and share >= kind.threshold)


@given(HEADS, st.lists(P, min_size=2, max_size=2), P)
def test_nothing_applies_to_what_is_unharmful(
    head: CategoryHead, shares: list[float], probability: float
) -> None:
    some = shares[: len(head.labels)]
    found = categories(head, some, probability=probability, harmful=False)
    assert not any(one.applies for one in found)


@given(P, P, P, P)
def test_a_lower_threshold_never_takes_a_category_away(
    share: float, probability: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    head = CategoryHead(labels=(label("hate"),))
    applies = [
        categories(head.moved_to({"hate": at}), [share], probability=probability, harmful=True)[0]
        for at in (low, high)
    ]
    assert applies[0].applies >= applies[1].applies
    assert applies[0].probability == applies[1].probability


def test_only_the_named_thresholds_move() -> None:
    moved = HEAD.moved_to({"violence": 0.25})
    assert [one.threshold for one in moved.labels] == [0.0, 0.25, 0.1, 0.0, 0.2, 0.5]
    assert moved.names == HEAD.names
    with pytest.raises(KeyError, match="crime"):
        HEAD.moved_to({"crime": 0.5})  # a label of the taxonomy, but none of the artifact


def test_a_head_names_each_label_once_and_one_at_least() -> None:
    for labels in ((), (label("hate"), label("hate"))):
        with pytest.raises(ValidationError):
            CategoryHead(labels=labels)
