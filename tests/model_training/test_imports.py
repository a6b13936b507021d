"""The import table of `model_training`: a row for each room, and no arrow that runs back up."""

from __future__ import annotations

from typing import Final

import pytest

from tests.import_graph import circles, dynamic_imports, imports, modules, room, room_graph
from tests.server_process import ROOT

# A room may take from those in its row, and rows only from rows above them. An import inside a
# function, to load torch late, counts as any other.
ROOMS: Final[dict[str, set[str]]] = {
    "errors": set(),
    "bases": {"errors"},
    "recipe": {"errors"},
    "data": {"errors", "recipe"},
    "run": {"errors", "recipe", "data"},
    "measures": {"errors", "recipe", "data"},
    "student": {"errors", "recipe", "data", "run", "measures"},
    "teachers": {"errors", "recipe", "data", "run", "measures", "student"},
    "augmentation": {"errors", "recipe", "data", "run", "student", "teachers"},
    "evaluation": {"errors", "recipe", "data", "run", "measures", "teachers"},
    "stages": {
        *("errors", "recipe", "data", "run", "measures", "student", "teachers"),
        *("augmentation", "evaluation"),
    },
    "studies": {
        *("errors", "recipe", "data", "run", "measures", "student", "teachers"),
        *("augmentation", "evaluation"),
    },
    "cli": {"errors", "bases", "recipe", "data", "run", "student", "stages", "studies"},
    "__main__": {"cli"},
}
MODULES: Final = modules(ROOT, "model_training")
GRAPH: Final = {name: imports(path, MODULES) & set(MODULES) for name, path in MODULES.items()}


def test_the_table_runs_downwards() -> None:
    order = list(ROOMS)
    for place, (name, allowed) in enumerate(ROOMS.items()):
        assert allowed <= set(order[:place]), f"{name} takes from a row below it"


def test_each_room_takes_what_its_row_says() -> None:
    found = room_graph(GRAPH)
    assert found.pop("") == set()
    assert found == ROOMS


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_keeps_the_row_of_its_room(name: str) -> None:
    if MODULES[name].name == "__init__.py":
        assert imports(MODULES[name], MODULES) <= {"os"}, "importing a room does no work"
        return
    taken = {room(target) for target in GRAPH[name]} - {room(name)}
    assert taken <= ROOMS[room(name)]


def test_no_modules_import_one_another() -> None:
    assert circles(GRAPH) == []


def test_nothing_is_imported_by_name() -> None:
    """`import_module` would hide an arrow from this table."""
    assert {name: dynamic_imports(path) for name, path in MODULES.items()} == {
        name: [] for name in MODULES
    }
