"""Which module imports which, read from the source: for the tests that hold the import tables."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

_DYNAMIC: Final = {"import_module", "__import__"}


def modules(root: Path, package: str) -> dict[str, Path]:
    """Dotted name -> file of a package and of all inside it. root: the folder that holds it."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, modules: Collection[str]) -> set[str]:
    """Dotted names of all that a file imports: at any depth, and for type checkers alone too.

    `from a.b import c` is `a.b.c` where that is one of `modules`, else `a.b`. Relative imports are
    an AssertionError, as they are not allowed.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: relative import"
            assert node.module
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in modules else node.module)
    return found


def dynamic_imports(path: Path) -> list[int]:
    """The lines that name `import_module` or `__import__`: imports that `imports` cannot see."""
    return sorted(
        {
            node.lineno
            for node in ast.walk(ast.parse(path.read_text()))
            if (isinstance(node, ast.Name) and node.id in _DYNAMIC)
            or (isinstance(node, ast.Attribute) and node.attr in _DYNAMIC)
            or (isinstance(node, ast.alias) and node.name.rpartition(".")[2] in _DYNAMIC)
        }
    )


def room(module: str) -> str:
    """The second part of a dotted name: `student` of `model_training.student.graph`; "" of one."""
    return [*module.split("."), ""][1]


def room_graph(graph: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """What each room takes from other rooms. graph: module -> modules that it imports."""
    found: dict[str, set[str]] = {}
    for module, targets in graph.items():
        others = {room(target) for target in targets} - {room(module), ""}
        found.setdefault(room(module), set()).update(others)
    return found


def circles(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Groups of modules that import one another, each sorted; a module that imports itself too.

    graph: module -> what it imports; names that are no module of it count for nothing. Tarjan's
    strongly connected components (1972).
    """
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    found: list[list[str]] = []

    def visit(start: str) -> None:
        path: list[tuple[str, Iterator[str]]] = []

        def enter(name: str) -> None:
            order[name] = lowest[name] = len(order)
            open_.append(name)
            path.append((name, iter(sorted(set(graph[name]) & set(graph)))))

        enter(start)
        while path:
            name, rest = path[-1]
            for target in rest:
                if target not in order:
                    enter(target)
                    break
                if target in open_:
                    lowest[name] = min(lowest[name], order[target])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == order[name]:
                    group = open_[open_.index(name) :]
                    del open_[open_.index(name) :]
                    if len(group) > 1 or name in graph[name]:
                        found.append(sorted(group))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return sorted(found)
