"""Azure's severities: never lower for more harm, and 4 or more where a category applies."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.categories import CategoryHead, CategoryLabel
from postern.contract.errors import BodyMismatch, UnsupportedContent
from postern.dialects.azure_content_safety import (
    CATEGORIES,
    AnalyzeText,
    parse_analyze_text,
    severity_of,
)

shares = st.floats(0.0, 1.0)


def head(*names: str) -> CategoryHead:
    return CategoryHead(
        labels=tuple(
            CategoryLabel(name=name, covers=(name,), scale=1.0, bias=0.0, threshold=0.5)
            for name in names
        )
    )


FULL = head("violence", "fraud", "hate", "self_harm", "sexual")


def parse(of: CategoryHead | None = FULL, **fields: object) -> AnalyzeText:
    return parse_analyze_text(json.dumps({"text": "cake"} | fields).encode(), of)


@given(harm=shares, more_harm=shares, kind=shares, more_kind=shares, threshold=shares, least=shares)
def test_more_harm_never_lowers_a_severity(
    harm: float, more_harm: float, kind: float, more_kind: float, threshold: float, least: float
) -> None:
    """In the probability of harm, and in that of its kind, given harm."""
    harm, more_harm = sorted((harm, more_harm))
    kind, more_kind = sorted((kind, more_kind))

    def level(harm: float, kind: float, *, eight: bool) -> int:
        applies = harm >= threshold and kind >= least
        return severity_of(harm * kind, applies=applies, eight_levels=eight)

    for eight in (True, False):
        low, high = level(harm, kind, eight=eight), level(more_harm, more_kind, eight=eight)
        assert low <= high
        assert {low, high} <= (set(range(8)) if eight else {0, 2, 4, 6})


@given(probability=shares, applies=st.booleans())
def test_medium_and_above_means_that_it_applies(probability: float, applies: bool) -> None:
    eight = severity_of(probability, applies=applies, eight_levels=True)
    four = severity_of(probability, applies=applies, eight_levels=False)
    assert (eight >= 4) is applies
    # Azure: [0,1] -> 0, [2,3] -> 2, [4,5] -> 4, [6,7] -> 6.
    assert four == eight // 2 * 2


def test_every_severity_is_reached() -> None:
    eighths = [n / 8 for n in range(9)]
    assert {severity_of(p, applies=True, eight_levels=True) for p in eighths} == {4, 5, 6, 7}
    assert {severity_of(p, applies=False, eight_levels=True) for p in eighths} == {0, 1, 2, 3}


def test_categories_are_those_of_the_artifact() -> None:
    assert list(parse().targets) == list(CATEGORIES)
    assert list(parse(head("violence", "fraud")).targets) == ["Violence"]
    assert list(parse(categories=["Violence", "Hate", "Violence"]).targets) == ["Violence", "Hate"]
    assert list(parse(categories=[]).targets) == list(CATEGORIES)
    assert parse(outputType="EightSeverityLevels").eight_levels
    assert not parse(outputType="FourSeverityLevels").eight_levels
    assert not parse().eight_levels


def test_what_cannot_be_judged_is_refused() -> None:
    for of, fields in (
        (None, {}),
        (head("fraud"), {}),
        (head("violence"), {"categories": ["Hate"]}),
        (head("violence"), {"categories": ["Hate"], "blocklistNames": ["zzmarkerzz"]}),
    ):
        with pytest.raises(UnsupportedContent) as refused:
            parse(of, **fields)
        assert "zzmarkerzz" not in str(refused.value)
    assert parse(blocklistNames=[], haltOnBlocklistHit=True).blocklists == ()
    assert parse(blocklistNames=["one", "two"]).blocklists == ("one", "two")
    assert not parse(blocklistNames=["one"]).halts
    mismatches: tuple[dict[str, object], ...] = (
        {"categories": ["zz"]},
        {"outputType": "zz"},
        {"incidents": {}},
        {"text": None},
    )
    for wrong in mismatches:
        with pytest.raises(BodyMismatch):
            parse(FULL, **wrong)
