"""What training draws, and which window of a text it learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.windows import Window
from postern.inference.tokenizer import Tokenizer

from model_training.data.rows import Row
from model_training.errors import RecipeInvalid
from model_training.recipe.config import DistilConfig
from model_training.student.bags import (
    PAD_MULTIPLE,
    Bag,
    draw_bags,
    most_harmful,
    steps,
    twin_pairs,
    with_twins,
)
from tests.tiny_student import HARMFUL_WORDS, HARMLESS_WORDS, tiny_hub_tokenizer

TOKENIZER_JSON = tiny_hub_tokenizer().to_str().encode()


def settings(**changed: Any) -> DistilConfig:
    fields = {
        "base": "tiny",
        "window_tokens": 64,
        "overlap_tokens": 8,
        "n_draws": 200,
        "pair_share": 0.0,
    }
    return DistilConfig.model_validate({**fields, **changed})


def row(label: int, words: int, *, soft_label: float | None = None, source: str = "a") -> Row:
    """A text of so many tokens, of the words of its class."""
    own = HARMFUL_WORDS if label else [word for word in HARMLESS_WORDS if len(word) > 1]
    text = " ".join(own[index % len(own)] for index in range(words))
    return Row(source=source, prompt=text, response=None, label=label, soft_label=soft_label)


def ids_of(words: Sequence[str]) -> set[int]:
    vocabulary = tiny_hub_tokenizer().get_vocab()
    return {vocabulary[word] for word in words}


def test_each_draw_is_read_in_windows_of_a_length_of_its_own() -> None:
    drawn = draw_bags(
        [row(0, 300), row(1, 300)],
        settings(shortest_window_tokens=32, bag_windows=99),
        TOKENIZER_JSON,
        np.random.default_rng(0),
    )
    longest = {max(window.length for window in bag) for bag in drawn.bags}
    assert longest == set(range(32, 65, PAD_MULTIPLE))
    for bag in drawn.bags:
        assert len({window.length for window in bag}) == 1, "of one text all windows are full"
        assert sum(window.length - 2 for window in bag) >= 300, "all of the text is in the bag"


def test_without_a_shortest_length_all_windows_have_the_recipes() -> None:
    drawn = draw_bags([row(0, 300), row(1, 300)], settings(), TOKENIZER_JSON, _rng())
    assert {window.length for bag in drawn.bags for window in bag} == {64}


def test_of_many_windows_some_are_kept_in_their_order() -> None:
    text = row(0, 900)
    whole = Tokenizer(TOKENIZER_JSON, window_tokens=64, overlap_tokens=8).encode((text.prompt,))
    position = {window.ids.tobytes(): index for index, window in enumerate(whole.windows)}
    drawn = draw_bags([text, row(1, 3)], settings(bag_windows=3), TOKENIZER_JSON, _rng())
    chosen = [
        [position[window.ids.tobytes()] for window in bag] for bag in drawn.bags if len(bag) > 1
    ]
    assert {len(places) for places in chosen} == {3}
    assert all(places == sorted(places) for places in chosen)
    assert {place for places in chosen for place in places} == set(range(len(whole.windows)))


def test_labels_and_soft_labels_stand_beside_their_own_windows() -> None:
    rows = [row(0, 40, soft_label=0.25), row(1, 3), row(1, 200, soft_label=0.75)]
    drawn = draw_bags(rows, settings(shortest_window_tokens=32), TOKENIZER_JSON, _rng())
    assert len(drawn.labels) == len(drawn.soft_labels) == len(drawn.bags) == 200
    harmful = ids_of(HARMFUL_WORDS)
    seen = set()
    for label, soft, bag in zip(drawn.labels, drawn.soft_labels, drawn.bags, strict=True):
        assert bool(harmful & set(bag[0].ids.tolist())) == bool(label)
        expected = 0.25 if not label else (None if bag[0].length == 5 else 0.75)
        assert (None if np.isnan(soft) else soft) == expected
        seen.add(expected)
    assert seen == {0.25, None, 0.75}


def test_rows_that_hold_nothing_visible_are_left_out() -> None:
    blank = Row(source="a", prompt="​ \n", response=None, label=0, soft_label=0.5)
    drawn = draw_bags([blank, row(0, 5), row(1, 5)], settings(), TOKENIZER_JSON, _rng())
    assert 120 < len(drawn.bags) < 180, "a quarter of the draws is blank"
    assert np.isnan(drawn.soft_labels).all()
    with pytest.raises(RecipeInvalid, match="visible"):
        draw_bags([blank], settings(), TOKENIZER_JSON, _rng())


def test_epochs_count_passes_over_the_rows_that_can_be_drawn() -> None:
    rows = [row(0, 5), row(1, 5), row(0, 5, source="never"), row(1, 5, source="never")]
    drawn = draw_bags(
        rows, settings(epochs=3, source_weights={"never": 0.0}), TOKENIZER_JSON, _rng()
    )
    assert len(drawn.bags) == 6


def _twins(count: int) -> list[Row]:
    """Pairs of twins among rows without, and names that are not of a pair."""
    named = [
        row(label, 3 + number).model_copy(update={"twin": f"pair {number}"})
        for number in range(count)
        for label in (0, 1)
    ]
    alone = row(0, 40).model_copy(update={"twin": "alone"})
    alike = [row(1, words).model_copy(update={"twin": "alike"}) for words in (41, 42)]
    return [row(0, 50), *named, alone, *alike, row(1, 50)]


@given(st.lists(st.integers(0, 12), max_size=30))
def test_a_twin_is_drawn_with_its_partner(draws: list[int]) -> None:
    rows = _twins(4)
    found = with_twins(rows, np.array(draws, dtype=np.int64)).tolist()
    assert len(found) == len(draws)
    expected = []
    for place in draws:
        paired = 1 <= place <= 8
        expected += [place, place + 1 if place % 2 else place - 1] if paired else [place]
    assert found == expected[: len(draws)]


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_twins_share_a_batch_only_where_pairs_count(weight: float) -> None:
    config = settings(batch_tokens=512, twin_weight=weight)
    drawn = draw_bags(_twins(4), config, TOKENIZER_JSON, _rng())
    found = [twin_pairs(batch, drawn) for step in steps(drawn, config, _rng()) for batch in step]
    n_pairs = sum(len(pairs) for pairs in found)
    assert n_pairs == np.sum(drawn.partners >= 0) // 2
    assert (n_pairs > 20) == (weight > 0)
    for batch, pairs in zip(
        (batch for step in steps(drawn, config, _rng()) for batch in step), found, strict=True
    ):
        assert (drawn.labels[batch][pairs] == [1, 0]).all()
        assert (drawn.partners[batch][pairs[:, 0]] == batch[pairs[:, 1]]).all()


def test_a_step_holds_so_many_batches_and_each_draw_once() -> None:
    config = settings(batch_tokens=256, gradient_accumulation=4, shortest_window_tokens=32)
    drawn = draw_bags([row(0, 20), row(1, 90)], config, TOKENIZER_JSON, _rng())
    found = steps(drawn, config, _rng())
    assert {len(step) for step in found[:-1]} == {4}
    assert 1 <= len(found[-1]) <= 4
    places = [int(place) for step in found for batch in step for place in batch]
    assert sorted(places) == list(range(200))
    for batch in (batch for step in found for batch in step):
        longest = int(drawn.lengths[batch].max())
        assert len(batch) * -(-longest // PAD_MULTIPLE) * PAD_MULTIPLE <= 256


MARGINS = st.lists(st.lists(st.integers(-50, 50), min_size=1, max_size=6), min_size=1, max_size=10)


@given(MARGINS, st.integers(4, 64))
def test_the_chosen_window_is_the_most_harmful_of_its_bag(
    margins: list[list[int]], batch_tokens: int
) -> None:
    """A window's only token is its margin, so that the choice can be read back."""
    asked: list[int] = []

    def judge(windows: Sequence[Window]) -> np.ndarray:
        assert sum(window.length for window in windows) <= max(batch_tokens, 2)
        asked.append(len(windows))
        return np.array([float(window.ids[0]) for window in windows])

    bags: list[Bag] = [
        tuple(Window(np.array([m, m]), np.zeros(2, dtype=np.int64)) for m in bag) for bag in margins
    ]
    chosen = most_harmful(bags, judge, batch_tokens=batch_tokens)
    assert [int(window.ids[0]) for window in chosen] == [max(bag) for bag in margins]
    assert sum(asked) == sum(len(bag) for bag in margins if len(bag) > 1)


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)
