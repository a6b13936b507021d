"""Which student reads a text in which language."""

from __future__ import annotations

import pytest
from postern.contract.artifact import Artifact
from postern.contract.language import UNREAD, Reading
from postern.inference.tokenizer import Tokenizer
from postern.judging.students import Serving, place_of


@pytest.mark.parametrize(
    ("reading", "place"),
    [
        (Reading("en"), 0),
        (UNREAD, 0),
        (Reading("de"), 1),
        (Reading("fr"), 1),  # the first of two that were measured for it
        (Reading("zh"), 2),
        (Reading("sw", supported=False), 0),
        (Reading("und", supported=False), 0),
        (Reading("sw"), 0),
    ],
)
def test_the_student_that_was_measured_for_the_language_reads(
    reading: Reading, place: int, artifact: Artifact, tokenizer: Tokenizer
) -> None:
    measured = ({"en"}, {"en", "de", "fr"}, {"fr", "zh"})
    students = [
        Serving(f"student/{n}", artifact.manifest.policy, tokenizer, frozenset(languages))
        for n, languages in enumerate(measured)
    ]
    assert place_of(reading, students) == place
