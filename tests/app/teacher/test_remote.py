"""What a remote teacher's answers mean."""

from __future__ import annotations

import pytest
from postern.contract.exchange import Exchange
from postern.teacher.remote import POSTERN_DIALECT


@pytest.mark.parametrize("decided_by", ["student", "teacher", "fused", "fallback"])
def test_the_probability_of_another_postern_is_its_opinion(decided_by: str) -> None:
    content = {"results": [{"probability": 0.9, "harmful": False, "decided_by": decided_by}]}
    assert POSTERN_DIALECT.read(content, Exchange("a")) == 0.9


@pytest.mark.parametrize("decided_by", ["list", "policy"])
@pytest.mark.parametrize("harmful", [True, False])
def test_what_rules_of_another_postern_decide_is_no_opinion(decided_by: str, harmful: bool) -> None:
    """Its probability says the contrary of its verdict."""
    content = {"results": [{"probability": 0.02, "harmful": harmful, "decided_by": decided_by}]}
    assert POSTERN_DIALECT.read(content, Exchange("a")) is None


@pytest.mark.parametrize("results", [[], [{}], [{"probability": 2.0}], [{"probability": "0.1"}]])
def test_what_is_no_verdict_is_invalid(results: object) -> None:
    with pytest.raises(ValueError, match=r"^no verdict$"):
        POSTERN_DIALECT.read({"results": results}, Exchange("a"))
