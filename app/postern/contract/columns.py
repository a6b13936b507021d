"""Which column of the student's output is what: two logits, then those of further outputs. No
I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from postern.contract.artifact import Manifest
from postern.contract.categories import CATEGORIES_OUTPUT

LOGIT_COLUMNS: Final = 2


@dataclass(frozen=True, slots=True)
class Columns:
    """The layout of a row. labels: columns of categories."""

    labels: int = 0

    @property
    def count(self) -> int:
        return LOGIT_COLUMNS + sum(self.extra.values())

    @property
    def extra(self) -> Mapping[str, int]:
        """Columns of each further output of the graph, by its name, in their order."""
        return {CATEGORIES_OUTPUT: self.labels} if self.labels else {}

    @property
    def categories(self) -> slice:
        """Place of the columns of categories; empty if there are none."""
        return slice(LOGIT_COLUMNS, self.count)


LOGITS_ALONE: Final = Columns()


def columns_of(manifest: Manifest) -> Columns:
    """The columns that are served."""
    head = manifest.categories
    return Columns(labels=0 if head is None else len(head.labels))
