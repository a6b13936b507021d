"""The first forward passes: check that this machine computes what the artifact's makers saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from postern.contract.artifact import Manifest
from postern.contract.errors import ArtifactInvalid
from postern.contract.exchange import Exchange
from postern.contract.text import segments
from postern.contract.windows import Window, padded_length
from postern.inference.cost_model import CostModel
from postern.inference.session import Logits, Session
from postern.inference.tokenizer import Tokenizer

SELF_TEST: Final = (
    Exchange("Is the gate shut tonight?", "It is."),
    Exchange("The watchman walks his round and counts the lamps. " * 4),
)
# Kernels of one graph agree far better than this. Int8 products that overflow on a CPU without VNNI
# do not, and nobody would notice the wrong verdicts.
SAME_ENGINE: Final = 0.05
# OpenVINO sums in another order and with bfloat16, so some activations round to the next int8. That
# moved the self-tests of the five published artifacts by up to 0.059.
OTHER_ENGINE: Final = 0.25
_MEASURE_S: Final = 0.5


def warm_up(tokenizer: Tokenizer, session: Session, *, columns: int | None = 2) -> Logits:
    """(2, 2) float32 logits of the self-test, each window alone.

    columns: expected number from the session; None: at least two. Raises ArtifactInvalid if the
    model raises, gives non-finite numbers, or gives other numbers for a batch than for its parts.
    """
    windows = [tokenizer.encode(segments(exchange)).windows[0] for exchange in SELF_TEST]
    try:
        alone = np.concatenate([session.run([window]) for window in windows])
        batched = session.run(windows)
    except ArtifactInvalid:
        raise
    except Exception as exc:  # whatever the engine raises, the server must not start
        raise ArtifactInvalid(f"the warm-up failed ({type(exc).__name__})") from exc
    given = alone.shape[1:]
    fits = len(given) == 1 and (given[0] >= 2 if columns is None else given[0] == columns)
    if len(alone) != 2 or not fits or not np.isfinite(alone).all():
        raise ArtifactInvalid("the warm-up gave no finite pairs of logits")
    if batched.shape != alone.shape or not np.allclose(alone, batched, rtol=0.0, atol=1e-3):
        raise ArtifactInvalid("the model's logits depend on what they are batched with")
    return alone[:, :2]


def measured_cost(
    tokenizer: Tokenizer,
    session: Session,
    *,
    max_batch_tokens: int,
    clock: Callable[[], float] = time.perf_counter,
) -> CostModel:
    """Cost of batches on this machine, measured on a few: the first estimate for admission.

    Takes at most a second, or two batches if one takes longer.
    """
    cost = CostModel()
    window = tokenizer.encode(segments(SELF_TEST[1])).windows[0]
    longest = tokenizer.window_tokens
    started = clock()
    for length in (16, longest // 2, longest):
        ids = np.resize(window.ids, length)
        same = Window(ids, np.zeros_like(ids))
        for count in (1, max(1, min(8, max_batch_tokens // length))):
            if cost.is_known and clock() - started > _MEASURE_S:
                return cost
            times = []
            for _ in range(2):  # the first batch of a shape also pays for its memory
                before = clock()
                session.run([same] * count)
                times.append(clock() - before)
            cost.observe(padded_length(length), count, min(times))
    return cost


def check_self_test(manifest: Manifest, logits: Logits, *, tolerance: float = SAME_ENGINE) -> None:
    """Raises ArtifactInvalid if this machine's logits differ from those in the manifest, which
    ONNX Runtime computed."""
    expected = np.array(manifest.self_test, dtype=np.float32).reshape(-1, 2)
    if len(expected) and (
        expected.shape != logits.shape or not np.abs(expected - logits).max() <= tolerance
    ):
        raise ArtifactInvalid(
            "the self-test gave other logits than the manifest: "
            "this processor computes the quantized graph wrongly, or the artifact is damaged"
        )
