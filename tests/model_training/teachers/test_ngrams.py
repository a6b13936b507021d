"""The member of n-grams: what it learns, and that it reads back as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from postern.contract.exchange import Exchange
from safetensors.numpy import load_file

from model_training.data.rows import Row
from model_training.errors import DataInvalid, RecipeInvalid
from model_training.measures.figures import auprc
from model_training.recipe.config import DistilConfig
from model_training.recipe.ensemble import NgramMember
from model_training.teachers.ngrams import (
    NGRAMS,
    WEIGHTS,
    Ngrams,
    is_trained,
    read_ngrams,
    train_ngrams,
)
from tests.tiny_student import tiny_rows

SETTINGS = NgramMember(kind="ngrams", name="n", features_log2=14, rows=800)
BALANCE = DistilConfig(base="tiny")


@pytest.fixture(scope="module")
def member() -> Ngrams:
    return train_ngrams(tiny_rows(400, seed=1), SETTINGS, BALANCE)


def test_it_tells_the_classes_apart_in_both_slices(member: Ngrams) -> None:
    rows = tiny_rows(200, seed=2)
    for name in ("prompt", "pair"):
        here = [row for row in rows if row.slice == name]
        margins = member.margins([row.exchange for row in here])
        labels = np.array([row.label for row in here])
        assert auprc(margins, labels) > auprc(np.zeros(len(here)), labels) + 0.3


def test_the_slices_do_not_mix_and_order_does_not_matter(member: Ngrams) -> None:
    exchanges = [row.exchange for row in tiny_rows(20, seed=3)]
    together = member.margins(exchanges)
    alone = [member.margins([one])[0] for one in exchanges]
    np.testing.assert_allclose(together, alone, atol=1e-9)
    prompt, answer = "bake a cake", "with a bomb"
    assert member.margins([Exchange(prompt, answer)]) != member.margins([Exchange(prompt)])


def test_what_cannot_be_read_is_no_number(member: Ngrams) -> None:
    margins = member.margins([Exchange("\u200b"), Exchange("bake"), Exchange("bake", "")])
    assert np.isnan(margins).tolist() == [True, False, False]


def test_what_is_read_back_gives_the_same_margins(member: Ngrams, tmp_path: Path) -> None:
    exchanges = [row.exchange for row in tiny_rows(40, seed=4)]
    member.save(tmp_path, made_of="x")
    again = read_ngrams(tmp_path)
    np.testing.assert_array_equal(member.margins(exchanges), again.margins(exchanges))
    weights = load_file(tmp_path / WEIGHTS)
    assert {str(one.dtype) for one in weights.values()} == {"float16"}
    assert weights["prompt"].shape == (2**14,)
    assert weights["pair"].shape == (2**15,)
    assert is_trained(tmp_path, made_of="x")
    assert not is_trained(tmp_path, made_of="y")


def test_the_same_rows_give_the_same_member(member: Ngrams) -> None:
    exchanges = [row.exchange for row in tiny_rows(40, seed=4)]
    again = train_ngrams(tiny_rows(400, seed=1), SETTINGS, BALANCE)
    np.testing.assert_array_equal(member.margins(exchanges), again.margins(exchanges))


def test_a_source_without_weight_is_not_learnt() -> None:
    rows = tiny_rows(200, seed=1)
    flipped = [
        row.model_copy(update={"label": 1 - row.label, "source": "wrong"})
        for row in tiny_rows(600, seed=2)
    ]
    balance = BALANCE.model_copy(update={"source_weights": {"wrong": 0.0}})
    exchanges = [row.exchange for row in tiny_rows(20, seed=4)]
    expected = train_ngrams(rows, SETTINGS, BALANCE).margins(exchanges)
    found = train_ngrams([*rows, *flipped], SETTINGS, balance).margins(exchanges)
    np.testing.assert_array_equal(found, expected)


def test_without_two_classes_there_is_nothing_to_learn() -> None:
    rows = [Row(source="s", prompt="a", response=None, label=1)]
    with pytest.raises(DataInvalid, match="both labels"):
        train_ngrams(rows, SETTINGS, BALANCE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no_settings", "cannot be read"),
        ("no_weights", "cannot be read"),
        ("other_weights", "differs from the file"),
        ("not_json", "not an n-gram member"),
        ("other_hash", "hashes text differently"),
    ],
)
def test_a_damaged_folder_is_one_clear_line(
    member: Ngrams, tmp_path: Path, damage: str, message: str
) -> None:
    member.save(tmp_path, made_of="x")
    settings = tmp_path / NGRAMS
    match damage:
        case "no_settings":  # as a kill between the two files leaves it
            settings.unlink()
            assert not is_trained(tmp_path, made_of="x")
        case "no_weights":
            (tmp_path / WEIGHTS).unlink()
        case "other_weights":
            (tmp_path / WEIGHTS).write_bytes(b"\x08" + bytes(40))
        case "not_json":
            settings.write_text("{")
        case "other_hash":
            content = json.loads(settings.read_text())
            content["hashing"]["longest"] = 3
            settings.write_text(json.dumps(content))
    with pytest.raises(RecipeInvalid, match=message):
        read_ngrams(tmp_path)
