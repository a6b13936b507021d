"""No prompt stands on two sides; duplicates and contradictions go; rows travel whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model_training.data.rows import PoolRow, Row, normalized_key
from model_training.data.split import deduplicate, labelled_rows, split_rows

_texts = st.text(alphabet="abc ,!", min_size=1, max_size=5)
_rows = st.lists(
    st.builds(
        Row,
        source=st.sampled_from(["look_alikes", "other"]),
        prompt=_texts,
        response=st.none() | _texts,
        label=st.integers(0, 1),
    ),
    max_size=60,
)


@given(_rows)
def test_no_prompt_is_on_two_sides(rows: list[Row]) -> None:
    splits = split_rows(
        rows, validation_share=0.3, calibration_share=0.3, held_out_more={"look_alikes": 0.3}
    )
    sides = [
        {normalized_key(row.prompt) for row in side}
        for side in (splits.train, splits.validation, splits.calibration)
    ]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert len(splits.train) + len(splits.validation) + len(splits.calibration) == len(rows)


@given(_rows)
def test_what_is_left_is_unique_and_consistent(rows: list[Row]) -> None:
    unique = deduplicate(rows)
    keys = [
        (normalized_key(row.prompt), row.response and normalized_key(row.response))
        for row in unique.rows
    ]
    assert len(keys) == len(set(keys))
    assert len(unique.rows) + sum(unique.dropped.values()) == len(rows)
    assert all(row in rows for row in unique.rows)


def test_contradictory_labels_drop_every_copy() -> None:
    rows = [Row(source="a", prompt="Same text", response=None, label=label) for label in (0, 1)]
    assert deduplicate(rows).rows == []
    assert deduplicate(rows).dropped == {"contradictory": 2}


def test_a_pool_row_gives_a_row_for_each_of_its_labels() -> None:
    pool = [
        PoolRow(source="a", prompt="p", response="r", prompt_label=1, response_label=0),
        PoolRow(source="a", prompt="p", response="r", prompt_label=None, response_label=None),
        PoolRow(source="a", prompt="q", prompt_label=0),
    ]
    assert labelled_rows(pool) == [
        Row(source="a", prompt="p", response=None, label=1),
        Row(source="a", prompt="p", response="r", label=0),
        Row(source="a", prompt="q", response=None, label=0),
    ]


def test_look_alikes_are_held_out_in_greater_number() -> None:
    rows = [
        Row(source=source, prompt=f"{source} {index}", response=None, label=0)
        for source in ("look_alikes", "other")
        for index in range(2000)
    ]
    splits = split_rows(
        rows, validation_share=0.05, calibration_share=0.05, held_out_more={"look_alikes": 0.2}
    )
    held = [row.source for row in splits.validation]
    assert 400 < held.count("look_alikes") < 600
    assert 60 < held.count("other") < 140
