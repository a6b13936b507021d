"""Kinds of harm of labelled rows, from the category map of a data folder.

The map is made by hand from the names that each source gives its categories. It is coarse, and it
speaks only of harmful rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from model_training.data.rows import PoolRow, Row, read_further_sources, read_pool
from model_training.data.split import labelled_rows
from model_training.errors import DataInvalid, first_problem

CATEGORY_MAP: Final = "categories.json"
_TEST: Final = "test_categories"

Labels = frozenset[str]


class CategoryMap(BaseModel):
    """`taxonomy`: all labels; `map`: by source and category of the source, the labels it carries.

    A category that ends in `*` stands for all that begin so; the longest counts.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    taxonomy: tuple[str, ...]
    map: dict[str, dict[str, tuple[str, ...]]]

    def labels_of(self, source: str, category: str | None) -> Labels:
        """The labels of a harmful row. Empty if the map says nothing about it."""
        known = self.map.get(source, {})
        if category is not None and category in known:
            return frozenset(known[category])
        begun = [
            name for name in known if name.endswith("*") and (category or "").startswith(name[:-1])
        ]
        return frozenset(known[max(begun, key=len)]) if begun else frozenset()


class Kinds(NamedTuple):
    """A harmful row and what kinds of harm it holds."""

    row: Row
    labels: Labels


def read_category_map(data: Path) -> CategoryMap:
    """Read the map of a data folder. Raises DataInvalid."""
    path = data / CATEGORY_MAP
    try:
        return CategoryMap.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    except ValidationError as exc:
        raise DataInvalid(f"{path}: {first_problem(exc)}") from exc


def kinds_of_pool(pool: Iterable[PoolRow], known: CategoryMap) -> dict[tuple[str, ...], Labels]:
    """The labels of each harmful row, by what `row_key` makes of it. Rows without are left out."""
    found: dict[tuple[str, ...], Labels] = {}
    for one in pool:
        labels = known.labels_of(one.source, one.category)
        if labels:
            found |= {row_key(row): labels for row in labelled_rows([one]) if row.harmful}
    return found


def with_kinds(rows: Sequence[Row], kinds: Mapping[tuple[str, ...], Labels]) -> list[Kinds]:
    """The rows whose kinds of harm are known."""
    keyed = ((row, kinds.get(row_key(row))) for row in rows if row.harmful)
    return [Kinds(row, labels) for row, labels in keyed if labels]


def row_key(row: Row) -> tuple[str, ...]:
    """What tells a row from the others of all sources."""
    return (row.source, row.prompt, *(() if row.response is None else (row.response,)))


def category_tests(data: Path) -> dict[str, list[PoolRow]]:
    """The test sets with categories, by name. Empty if the data folder has none.

    Raises DataInvalid.
    """
    sources = read_further_sources(data)
    return {one.name: read_pool(data, one) for one in sources if one.split == _TEST}
