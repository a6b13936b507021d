"""The layout of the student's output: no column belongs to two, and none to nobody."""

from __future__ import annotations

import pytest
from postern.contract.artifact import Artifact
from postern.contract.columns import LOGITS_ALONE, Columns, columns_of

from tests.tiny_categories import HEAD


@pytest.mark.parametrize("has_value", [False, True])
@pytest.mark.parametrize("labels", [0, 1, 17])
def test_every_column_has_one_owner(has_value: bool, labels: int) -> None:
    columns = Columns(has_value, labels)
    places = list(range(columns.count))
    assert [*places[:2], *places[columns.value], *places[columns.categories]] == places
    assert len(places[columns.value]) == 4 * has_value
    assert len(places[columns.categories]) == labels
    assert list(columns.extra.values()) == [n for n in (4 * has_value, labels) if n]
    assert list(columns.extra) == ["value"] * has_value + ["categories"] * bool(labels)


def test_an_artifact_is_asked_for_what_it_has(artifact: Artifact) -> None:
    manifest = artifact.manifest
    assert columns_of(manifest, value=False) == LOGITS_ALONE
    headed = manifest.model_copy(update={"categories": HEAD})
    assert columns_of(headed, value=True) == Columns(has_value=True, labels=len(HEAD.labels))
