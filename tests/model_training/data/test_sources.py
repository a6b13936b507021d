"""Which sources a recipe reads."""

from __future__ import annotations

import pytest

from model_training.data.rows import Source
from model_training.data.sources import choose_sources
from model_training.errors import DataInvalid
from model_training.recipe.config import DataConfig


def _source(name: str, **changes: object) -> Source:
    fields = {
        "name": name,
        "file": f"train/{name}.jsonl.gz",
        "split": "train",
        "licence": "MIT",
        "permissive": True,
        "default": True,
    }
    return Source.model_validate({**fields, **changes})


_SOURCES = [
    _source("advised"),
    _source("permissive", default=False),
    _source("restricted", permissive=False),
    _source("restricted_but_advised", permissive=False, default=True),
    _source("public_test", split="test"),
]


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ("default", ["advised"]),
        ("permissive", ["advised", "permissive"]),
        ("all", ["advised", "permissive", "restricted", "restricted_but_advised"]),
        (("restricted", "advised"), ["advised", "restricted"]),
    ],
)
def test_the_rule_decides_and_test_sets_are_never_read(rule: object, chosen: list[str]) -> None:
    config = DataConfig.model_validate({"sources": rule})
    assert [source.name for source in choose_sources(_SOURCES, config)] == chosen


@pytest.mark.parametrize("names", [("public_test",), ("unknown",), ()])
def test_a_name_that_is_no_train_source_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(DataInvalid):
        choose_sources(_SOURCES, DataConfig(sources=names))
