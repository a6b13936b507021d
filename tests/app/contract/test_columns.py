"""The layout of the student's output: no column belongs to two, and none to nobody."""

from __future__ import annotations

import pytest
from postern.contract.artifact import Artifact
from postern.contract.columns import LOGITS_ALONE, Columns, columns_of

from tests.tiny_categories import HEAD


@pytest.mark.parametrize("labels", [0, 1, 17])
def test_every_column_has_one_owner(labels: int) -> None:
    columns = Columns(labels)
    places = list(range(columns.count))
    assert [*places[:2], *places[columns.categories]] == places
    assert len(places[columns.categories]) == labels
    assert columns.extra == ({"categories": labels} if labels else {})


def test_an_artifact_is_asked_for_what_it_has(artifact: Artifact) -> None:
    manifest = artifact.manifest
    assert columns_of(manifest) == LOGITS_ALONE
    headed = manifest.model_copy(update={"categories": HEAD})
    assert columns_of(headed) == Columns(labels=len(HEAD.labels))
