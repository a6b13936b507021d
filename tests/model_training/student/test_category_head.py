"""Kinds of harm: what the fit finds in states that hold them, and which labels it learns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.categories import MOST_LABELS

from model_training.data.categories import Kinds
from model_training.data.rows import Row
from model_training.errors import DataInvalid
from model_training.recipe.categories import CategoriesConfig
from model_training.student.category_head import (
    KindsRead,
    chosen,
    covered_by,
    fit_categories,
    frequent,
    read,
)

COVERS = {"hate": ("hate",), "arms": ("weapons", "violence")}


def kinds(source: str, count: int, *labels: str) -> list[Kinds]:
    return [
        Kinds(Row(source=source, prompt=f"{source} {n}", response=None, label=1), frozenset(labels))
        for n in range(count)
    ]


def made(count: int, seed: int) -> KindsRead:
    """Two of ten state columns hold a label each; a tenth of the rows are labelled wrongly."""
    rng = np.random.default_rng(seed)
    states = rng.normal(loc=3.0, scale=2.0, size=(count, 10))
    held = states[:, :2] > 4.0
    held ^= rng.random(held.shape) < 0.1
    folds = rng.integers(0, 5, size=count)
    return KindsRead(states, held, np.ones(count), folds.astype(np.int64))


def test_it_finds_what_the_states_hold_and_calibrates_it() -> None:
    fitted = fit_categories(made(2000, 0), made(1000, 1), COVERS)
    unseen = made(2000, 2)
    logits = unseen.states @ fitted.weights + fitted.bias
    probabilities = fitted.head.given_harm(logits)
    assert fitted.head.names == ("hate", "arms")
    assert [label.covers for label in fitted.head.labels] == list(COVERS.values())
    for place, label in enumerate(fitted.head.labels):
        held = unseen.held[:, place]
        told = probabilities[:, place] >= label.threshold
        assert (told == held).mean() > 0.85
        assert probabilities[:, place].mean() == pytest.approx(held.mean(), abs=0.03)
    assert fitted.metrics["labels"]["hate"]["auprc_calibration"] > 0.8


def test_labels_are_merged_left_out_and_refused() -> None:
    taxonomy = ("hate", "weapons", "violence", "jailbreak")
    config = CategoriesConfig(merged={"arms": ("weapons", "violence")}, left_out=("jailbreak",))
    assert covered_by(taxonomy, config) == COVERS
    with pytest.raises(DataInvalid, match="'magic'"):
        covered_by(taxonomy, CategoriesConfig(left_out=("magic",)))
    with pytest.raises(ValueError, match="twice"):
        CategoriesConfig(merged={"arms": ("weapons",)}, left_out=("weapons",))


def test_a_label_with_few_rows_is_left_out_and_counted() -> None:
    config = CategoriesConfig(fewest_train_rows=5, fewest_calibration_rows=2)
    train = kinds("a", 9, "hate") + kinds("b", 4, "weapons")
    calibration = kinds("c", 3, "hate") + kinds("d", 9, "violence")
    kept, missing = frequent(COVERS, train, calibration, config)
    assert kept == {"hate": ("hate",)}
    assert missing == {"arms": {"train": 4, "calibration": 9}}
    with pytest.raises(DataInvalid, match="no label"):
        frequent(COVERS, kinds("b", 4, "weapons"), calibration, config)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 200))
def test_small_sources_stay_whole_and_large_ones_are_cut_alike(
    sizes: list[int], at_most: int
) -> None:
    rows = [one for place, size in enumerate(sizes) for one in kinds(str(place), size, "hate")]
    found = chosen(rows, at_most, seed=1)
    assert len(found) == len(set(map(id, found))) == min(at_most, len(rows))
    assert found == chosen(rows, at_most, seed=1)
    taken = [sum(one.row.source == str(place) for one in found) for place in range(len(sizes))]
    cut = [count for count, size in zip(taken, sizes, strict=True) if count < size]
    assert all(count >= max(taken) - 1 for count in cut)


def test_rows_are_read_with_the_root_of_their_source_as_weight() -> None:
    rows = kinds("a", 4, "hate") + kinds("b", 1, "violence")
    found = read(rows, np.zeros((5, 3), dtype=np.float32), COVERS)
    assert found.held.tolist() == [[True, False]] * 4 + [[False, True]]
    assert found.weights.tolist() == [0.5] * 4 + [1.0]
    assert found.states.shape == (5, 3)
    assert len(COVERS) <= MOST_LABELS
