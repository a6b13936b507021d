"""The import tables are only as good as what reads the imports."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.import_graph import circles, dynamic_imports, imports, modules, room_graph


def _write(root: Path, name: str, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_modules_are_named_as_they_are_imported(tmp_path: Path) -> None:
    for name in ("a/__init__.py", "a/b.py", "a/c/__init__.py", "a/c/d.py", "other/e.py"):
        _write(tmp_path, name)
    assert set(modules(tmp_path, "a")) == {"a", "a.b", "a.c", "a.c.d"}
    assert modules(tmp_path, "a")["a.c.d"] == tmp_path / "a/c/d.py"


def test_imports_are_seen_wherever_they_stand(tmp_path: Path) -> None:
    text = """
import os.path
from a import b, other
from a.c import d as renamed
if TYPE_CHECKING:
    from a.c.d import Thing
def late():
    from a.e import *
    class Inner:
        import a.f as f
"""
    found = imports(_write(tmp_path, "x.py", text), {"a", "a.b", "a.c", "a.c.d", "a.e", "a.f"})
    assert found == {"os.path", "a", "a.b", "a.c.d", "a.e", "a.f"}


def test_a_relative_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="relative"):
        imports(_write(tmp_path, "x.py", "from . import b"), set())


@pytest.mark.parametrize(
    "text",
    [
        "from importlib import import_module",
        "import importlib\nimportlib.import_module('a')",
        "__import__('a')",
        "import importlib as i\nload = i.import_module",
    ],
)
def test_imports_by_name_are_found(tmp_path: Path, text: str) -> None:
    assert dynamic_imports(_write(tmp_path, "x.py", text))


def test_rooms_take_from_rooms() -> None:
    graph = {"p": {"p.a.x"}, "p.a.x": {"p.a.y", "p.b", "numpy"}, "p.b": set[str]()}
    assert room_graph({name: targets - {"numpy"} for name, targets in graph.items()}) == {
        "": {"a"},
        "a": {"b"},
        "b": set(),
    }


def test_circles_of_any_length_are_named() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "numpy"}, "d": {"a"}, "e": {"e"}, "f": set[str]()}
    assert circles(graph) == [["a", "b", "c"], ["e"]]


@given(st.dictionaries(st.integers(0, 7), st.frozensets(st.integers(0, 7))))
def test_circles_are_what_reaches_itself(numbers: dict[int, frozenset[int]]) -> None:
    graph = {str(name): {str(one) for one in targets} for name, targets in numbers.items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in graph.get(waiting.pop(), set()) & set(graph) - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    groups = {
        tuple(sorted(other for other in graph if other in reached(one) and one in reached(other)))
        for one in graph
        if one in reached(one)
    }
    assert circles(graph) == sorted(list(group) for group in groups)
