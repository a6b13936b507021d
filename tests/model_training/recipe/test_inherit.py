"""`extends`: what a recipe takes from another, and every way in which that goes wrong."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_training.errors import RecipeInvalid
from model_training.recipe.config import read_recipe, read_recipe_as
from model_training.recipe.inherit import merged, read_merged
from model_training.run.folder import Run, locked
from model_training.studies.config import StudyRecipe
from tests.server_process import ROOT

_KEYS = st.sampled_from("abcd")
_CONTENT = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_TABLES = st.dictionaries(_KEYS, _CONTENT, max_size=4)
Leaf = tuple[tuple[str, ...], Any]


def _leaves(table: dict[str, Any], place: tuple[str, ...] = ()) -> Iterator[Leaf]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*place, key))
        elif not isinstance(value, dict):
            yield (*place, key), value


def _at(table: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        if not isinstance(table, dict) or key not in table:
            return None
        table = table[key]
    return table


@given(_TABLES, _TABLES)
def test_what_a_recipe_says_itself_always_holds(base: dict[str, Any], own: dict[str, Any]) -> None:
    found = merged(base, own)
    assert all(_at(found, place) == value for place, value in _leaves(own))
    for place, value in _leaves(base):
        overruled = any(
            _at(own, place[:depth]) is not None and not isinstance(_at(own, place[:depth]), dict)
            for depth in range(1, len(place) + 1)
        )
        if not overruled and _at(own, place) is None:
            assert _at(found, place) == value
    assert found.keys() == base.keys() | own.keys()


@given(_TABLES, _TABLES)
def test_merging_twice_changes_nothing_more(base: dict[str, Any], own: dict[str, Any]) -> None:
    once = merged(base, own)
    assert merged(once, own) == once
    assert merged(base, {}) == base
    assert merged({}, own) == own


@given(_TABLES, _TABLES)
def test_what_is_merged_stays_as_it_was(base: dict[str, Any], own: dict[str, Any]) -> None:
    before = repr((base, own))
    merged(base, own)
    assert repr((base, own)) == before


def test_lists_are_replaced_and_tables_of_another_kind_too() -> None:
    base = {"a": [1, 2], "t": {"kind": "server", "url": "x"}, "s": {"kind": "k", "x": 1}}
    own = {"a": [3], "t": {"kind": "local", "model": "m"}, "s": {"kind": "k", "y": 2}}
    assert merged(base, own) == {
        "a": [3],
        "t": {"kind": "local", "model": "m"},
        "s": {"kind": "k", "x": 1, "y": 2},
    }


def test_a_new_key_stands_behind_the_one_before_it() -> None:
    base = {"a": 1, "b": 1, "c": 1}
    assert list(merged(base, {"b": 2, "x": 2, "y": 2})) == ["a", "b", "x", "y", "c"]
    assert list(merged(base, {"x": 2, "y": 2, "a": 2, "z": 2})) == ["a", "z", "b", "c", "x", "y"]


_PLAIN = 'name = "plain"\nversion = "1"\n[distil]\nbase = "b"\n[distil.source_weights]\nx = 2\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain.toml").write_text(_PLAIN)
    (tmp_path / "own.toml").write_text(
        'extends = "plain.toml"\nname = "own"\n[distil]\nseed = 7\n[distil.source_weights]\ny = 3\n'
    )
    (tmp_path / "last.toml").write_text('extends = "own.toml"\nname = "last"\ndistil.seed = 9\n')
    return tmp_path


def test_a_chain_ends_in_one_recipe_which_is_what_is_recorded(folder: Path) -> None:
    config = read_recipe(folder / "last.toml")
    assert (config.name, config.version, config.distil.seed) == ("last", "1", 9)
    assert config.distil.source_weights == {"x": 2, "y": 3}
    assert "extends" not in read_merged(folder / "last.toml")

    def run(recipe: str) -> Run:
        return Run(read_recipe(folder / recipe), folder, folder / "run", folder, None)

    with locked(run("last.toml")):
        recorded = (folder / "run" / "recipe.json").read_text()
    assert '"y": 3' in recorded
    assert '"seed": 9' in recorded
    assert "extends" not in recorded
    # A whole recipe that says the same is the same recipe.
    (folder / "whole.toml").write_text(_PLAIN.replace("x = 2", "x = 2\ny = 3") + "[data]\n")
    whole = (folder / "whole.toml").read_text().replace('base = "b"', 'base = "b"\nseed = 9')
    (folder / "whole.toml").write_text(whole)
    with locked(run("whole.toml")):
        pass


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ('"none.toml"', "extends none.toml, which is not a file in the same folder"),
        ('"broken.toml"', "broken.toml: "),
        ('"self.toml"', "extends itself: self.toml -> self.toml"),
        ('"round.toml"', "extends itself: self.toml -> round.toml -> self.toml"),
        ('"../plain.toml"', "is outside its folder"),
        ('"/etc/hostname"', "is outside its folder"),
        ('"away.toml"', "is outside its folder"),
        ('"."', "which is not a file in the same folder"),
        ('""', "must name a recipe in the same folder"),
        ("3", "must name a recipe in the same folder"),
        ('["plain.toml"]', "must name a recipe in the same folder"),
        ('"wrong.toml"', "distil.seed: Input should be a valid integer"),
    ],
)
def test_what_cannot_be_extended_is_one_clear_line(
    folder: Path, extends: str, message: str
) -> None:
    inside = folder / "inside"
    inside.mkdir()
    (inside / "broken.toml").write_text("[distil")
    (inside / "round.toml").write_text('extends = "self.toml"\n')
    (inside / "wrong.toml").write_text(_PLAIN.replace("base", 'seed = "x"\nbase'))
    os.symlink(folder / "plain.toml", inside / "away.toml")
    (inside / "self.toml").write_text(f"extends = {extends}\n")
    with pytest.raises(RecipeInvalid) as found:
        read_recipe(inside / "self.toml")
    assert message in str(found.value)
    assert "self.toml" in str(found.value) or "broken.toml" in str(found.value)


def test_a_base_that_is_no_recipe_of_its_own_is_refused_alone() -> None:
    with pytest.raises(RecipeInvalid, match=r"minilm\.toml: name: Field required"):
        read_recipe(ROOT / "recipes" / "minilm.toml")


@pytest.mark.parametrize(
    "name", sorted(p.name for p in (ROOT / "recipes").glob("*.toml") if p.name != "minilm.toml")
)
def test_every_shipped_recipe_is_whole(name: str) -> None:
    config = read_recipe_as(StudyRecipe, ROOT / "recipes" / name)
    assert config.distil.base
    own = tomllib.loads((ROOT / "recipes" / name).read_text()).get("distil", {})
    shared = read_merged(ROOT / "recipes" / "minilm.toml")["distil"]["source_weights"]
    copied = [
        one for one, weight in own.get("source_weights", {}).items() if shared.get(one) == weight
    ]
    assert len(copied) < len(shared) / 2, "extend, do not copy"
