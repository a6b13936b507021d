"""A server starts only with a model that computes here what it computed where it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from postern.contract.artifact import Artifact
from postern.contract.errors import ArtifactInvalid
from postern.contract.windows import Window
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer
from postern.inference.warm_up import OTHER_ENGINE, check_self_test, measured_cost, warm_up

from tests.fakes import FakeSession, ManualClock, fingerprint


def test_the_real_model_warms_up(artifact: Artifact, tokenizer: Tokenizer) -> None:
    session = OnnxSession(artifact.model, pad_id=artifact.manifest.pad_id, intra_op_threads=1)
    logits = warm_up(tokenizer, session)
    assert logits.shape == (2, 2)
    check_self_test(artifact.manifest, logits)


def _by_batch_size(windows: Sequence[Window]) -> Any:
    return np.full((len(windows), 2), 0.01 * len(windows), dtype=np.float32)


@pytest.mark.parametrize(
    ("session", "says"),
    [
        (FakeSession(raise_for=range(200)), "warm-up failed"),
        (FakeSession(nan_for=range(200)), "finite"),
        (FakeSession(misshape_for=range(200)), "finite"),
        (FakeSession(_by_batch_size), "batched with"),
        (FakeSession(lambda windows: np.zeros((len(windows), 3))), "finite"),
    ],
    ids=["raises", "nan", "rows", "neighbours", "columns"],
)
def test_a_model_that_misbehaves_does_not_start(
    tokenizer: Tokenizer, session: FakeSession, says: str
) -> None:
    with pytest.raises(ArtifactInvalid, match=says):
        warm_up(tokenizer, session)


@pytest.mark.parametrize(
    ("expected", "starts"),
    [
        ((), True),
        (((0.0, 1.0), (2.0, 3.0)), True),
        (((0.0, 1.04), (2.0, 3.0)), True),
        (((0.0, 1.1), (2.0, 3.0)), False),
        (((0.0, 1.0),), False),
    ],
)
def test_logits_must_be_those_of_the_manifest(
    artifact: Artifact, expected: tuple[tuple[float, float], ...], starts: bool
) -> None:
    manifest = artifact.manifest.model_copy(update={"self_test": expected})
    logits = np.array([[0.0, 1.0], [2.0, 3.0]], dtype=np.float32)
    if starts:
        check_self_test(manifest, logits)
    else:
        with pytest.raises(ArtifactInvalid, match="self-test"):
            check_self_test(manifest, logits)


@pytest.mark.parametrize(("logit", "starts"), [(1.2, True), (1.3, False), (np.nan, False)])
def test_another_engine_may_round_otherwise_but_not_much(
    artifact: Artifact, logit: float, starts: bool
) -> None:
    expected = ((0.0, 1.0), (2.0, 3.0))
    manifest = artifact.manifest.model_copy(update={"self_test": expected})
    logits = np.array([[0.0, logit], [2.0, 3.0]], dtype=np.float32)
    if starts:
        check_self_test(manifest, logits, tolerance=OTHER_ENGINE)
    else:
        with pytest.raises(ArtifactInvalid, match="self-test"):
            check_self_test(manifest, logits, tolerance=OTHER_ENGINE)


def test_the_first_cost_is_measured_on_batches_of_all_sizes(tokenizer: Tokenizer) -> None:
    clock = ManualClock()

    def work(windows: Sequence[Window]) -> Any:
        clock.advance(0.001 + 0.0001 * sum(window.length for window in windows))
        return fingerprint(windows)

    session = FakeSession(work)
    cost = measured_cost(tokenizer, session, max_batch_tokens=512, clock=clock)
    assert {len(batch) for batch in session.seen} == {1, 8}
    assert max(window.length for batch in session.seen for window in batch) == 64
    predicted = cost.predict(batches=1, tokens=32 * 4, squares=32 * 32 * 4)
    assert predicted == pytest.approx(0.001 + 0.0128, rel=0.05)


def test_a_slow_model_is_not_measured_for_long(tokenizer: Tokenizer) -> None:
    clock = ManualClock()

    def work(windows: Sequence[Window]) -> Any:
        clock.advance(2.0)
        return fingerprint(windows)

    session = FakeSession(work)
    assert measured_cost(tokenizer, session, max_batch_tokens=512, clock=clock).is_known
    assert len(session.seen) == 2
