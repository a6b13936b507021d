"""Which column of the student's output is what: two logits, then those of further outputs. No
I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from postern.contract.artifact import Manifest
from postern.contract.categories import CATEGORIES_OUTPUT
from postern.contract.value import VALUE_COLUMNS, VALUE_OUTPUT

LOGIT_COLUMNS: Final = 2


@dataclass(frozen=True, slots=True)
class Columns:
    """The layout of a row. has_value: it holds the value head's; labels: columns of categories."""

    has_value: bool = False
    labels: int = 0

    @property
    def count(self) -> int:
        return LOGIT_COLUMNS + sum(self.extra.values())

    @property
    def extra(self) -> Mapping[str, int]:
        """Columns of each further output of the graph, by its name, in their order."""
        value = {VALUE_OUTPUT: VALUE_COLUMNS} if self.has_value else {}
        return value | ({CATEGORIES_OUTPUT: self.labels} if self.labels else {})

    @property
    def value(self) -> slice:
        """Place of the value head's columns; empty if there are none."""
        return slice(LOGIT_COLUMNS, self.count - self.labels)

    @property
    def categories(self) -> slice:
        """Place of the columns of categories; empty if there are none."""
        return slice(self.count - self.labels, self.count)


LOGITS_ALONE: Final = Columns()


def columns_of(manifest: Manifest, *, value: bool) -> Columns:
    """The columns that are served. value: those of the value head are asked for."""
    head = manifest.categories
    return Columns(has_value=value, labels=0 if head is None else len(head.labels))
