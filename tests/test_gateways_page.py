"""docs/guides/gateways.md: its tables are those of the code, and what it names exists."""

from __future__ import annotations

import re

from postern.contract.audit import AGENTGATEWAY, EXT_AUTHZ, LITELLM
from postern.dialects.azure_content_safety import CATEGORIES, severity_of
from postern.endpoints.verdicts import PATHS

from tests.documents import named_files
from tests.server_process import ROOT

PAGE = (ROOT / "docs/guides/gateways.md").read_text()


def test_the_page_lists_every_door() -> None:
    others = {"/classify", "/v1/moderations"}
    for path in PATHS - others:
        assert f"`POST {path}`" in PAGE, path
    for path in (*AGENTGATEWAY.values(), LITELLM, EXT_AUTHZ):
        assert f"`{path}" in PAGE or f"POST {path}`" in PAGE, path


def test_azure_s_categories_are_those_of_the_code() -> None:
    for name, labels in CATEGORIES.items():
        listed = ", ".join(f"`{label}`" for label in labels)
        assert f"| `{name}` | {listed} |" in PAGE


def test_the_severities_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d) \| (\d) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert [int(eight) for eight, _, _ in rows] == list(range(8))
    least = 0.0
    for eight, four, words in rows:
        applies = "not" not in words
        bounds = re.findall(r"1/(\d)|3/(\d)", words)
        if "from" in words:
            ((unit, three),) = bounds
            least = 1 / int(unit) if unit else 3 / int(three)
        else:
            least = 0.0
        for probability in (least, least + 0.01):
            assert severity_of(probability, applies=applies, eight_levels=True) == int(eight)
            assert severity_of(probability, applies=applies, eight_levels=False) == int(four)
        if least:
            below = severity_of(least - 0.001, applies=applies, eight_levels=True)
            assert below == int(eight) - 1


def test_named_examples_exist() -> None:
    named = named_files(PAGE)
    assert "examples/envoy/envoy.yaml" in named
    for name in named:
        assert (ROOT / name).is_file(), name
