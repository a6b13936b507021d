"""The students that serve, and which of them reads an exchange.

The first reads all that no other was measured for. Every other one reads the languages that it was
measured for and the first was not, so a text that mixes the first student's language with another
goes to the student of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postern.contract.categories import CategoryHead
from postern.contract.columns import LOGITS_ALONE, Columns
from postern.contract.decision import Policy
from postern.contract.language import Reading
from postern.inference.tokenizer import Tokenizer


@dataclass(frozen=True)
class Serving:
    """A student as the pipeline uses it. name: `name/version`. columns: of its rows.

    languages: those that it was measured for.
    """

    name: str
    policy: Policy
    tokenizer: Tokenizer
    languages: frozenset[str]
    columns: Columns = LOGITS_ALONE
    categories: CategoryHead | None = None


def place_of(reading: Reading, students: Sequence[Serving]) -> int:
    """Place of the student that reads an exchange in this language."""
    if not reading.supported or reading.language in students[0].languages:
        return 0
    for place, student in enumerate(students[1:], start=1):
        if reading.language in student.languages:
            return place
    return 0
