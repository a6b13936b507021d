"""Inheritance of recipes: `extends = "other.toml"` at the top names a recipe in the same folder.

Tables are merged at any depth. All other values, lists included, replace those of the base recipe.
So does a table of another `kind`, because its settings mean something else.
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
    """A recipe merged with those that it extends, without the key `extends`.

    Raises RecipeInvalid if a file cannot be read, lies in another folder, or extends itself.
    """
    chain = [path]
    contents = [_read(path)]
    while EXTENDS in contents[-1]:
        base = _base(chain[-1], contents[-1].pop(EXTENDS))
        if base.resolve() in [one.resolve() for one in chain]:
            names = " -> ".join(one.name for one in (*chain, base))
            raise RecipeInvalid(f"{path}: extends itself: {names}")
        if not base.is_file():
            raise RecipeInvalid(
                f"{chain[-1]}: extends {base.name}, which is not a file in the same folder"
            )
        chain.append(base)
        contents.append(_read(base))
    found: dict[str, Any] = {}
    for content in reversed(contents):
        found = merged(found, content)
    return found


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`base`, overridden by `own`. No I/O.

    A new key is placed after its predecessor in `own`, because a checkpoint is identified by its
    weights in order.
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
        raise RecipeInvalid(f"{path}: {EXTENDS} must name a recipe in the same folder")
    base = path.parent / name
    if not base.resolve().is_relative_to(path.parent.resolve()):
        raise RecipeInvalid(f"{path}: extends {name}, which is outside its folder")
    return base


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise RecipeInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise RecipeInvalid(f"{path}: {exc}") from exc
