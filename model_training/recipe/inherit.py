"""Recipes that begin from another: `extends = "other.toml"` at the top, beside the file itself.

Tables are merged at any depth; all else of the recipe, lists too, takes the place of what the other
says. A table of another `kind` does so too, as its settings are those of another thing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from model_training.errors import RecipeInvalid

EXTENDS: Final = "extends"
_KIND: Final = "kind"


def read_merged(path: Path) -> dict[str, Any]:
    """What a recipe says together with those that it extends, without the word itself.

    Raises RecipeInvalid: a file that cannot be read, that lies elsewhere, or that extends itself.
    """
    chain = [path]
    contents = [_read(path)]
    while EXTENDS in contents[-1]:
        base = _base(chain[-1], contents[-1].pop(EXTENDS))
        if base.resolve() in [one.resolve() for one in chain]:
            names = " -> ".join(one.name for one in (*chain, base))
            raise RecipeInvalid(f"{path}: extends itself: {names}")
        if not base.is_file():
            raise RecipeInvalid(f"{chain[-1]}: extends {base.name}, which is no file beside it")
        chain.append(base)
        contents.append(_read(base))
    found: dict[str, Any] = {}
    for content in reversed(contents):
        found = merged(found, content)
    return found


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`base` where `own` says nothing else. Pure.

    A new key stands behind the one before it in `own`: weights are part of what a checkpoint is
    known by, in their order.
    """
    found, order = dict(base), list(base)
    before: str | None = None
    for key, value in own.items():
        if key not in found:
            order.insert(len(order) if before is None else order.index(before) + 1, key)
            found[key] = value
        else:
            found[key] = _either(found[key], value)
        before = key
    return {key: found[key] for key in order}


def _either(base: Any, own: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    if _KIND in own and own[_KIND] != base.get(_KIND):
        return own
    return merged(base, own)


def _base(path: Path, name: Any) -> Path:
    if not isinstance(name, str) or not name:
        raise RecipeInvalid(f"{path}: {EXTENDS} must be the name of a recipe beside it")
    base = path.parent / name
    if not base.resolve().is_relative_to(path.parent.resolve()):
        raise RecipeInvalid(f"{path}: extends {name}, which lies outside of its folder")
    return base


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise RecipeInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise RecipeInvalid(f"{path}: {exc}") from exc
