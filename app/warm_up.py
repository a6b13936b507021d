"""The first forward passes: does this machine compute what the artifact's makers saw?"""

from __future__ import annotations

from typing import Final

import numpy as np

from app.contract.artifact import Manifest
from app.contract.errors import ArtifactInvalid
from app.contract.exchange import Exchange
from app.contract.text import segments
from app.session import Logits, Session
from app.tokenizer import Tokenizer

SELF_TEST: Final = (
    Exchange("Is the gate shut tonight?", "It is."),
    Exchange("The watchman walks his round and counts the lamps. " * 4),
)
# Kernels of one graph agree far better; int8 products that overflow on a processor without VNNI
# do not, and nobody would notice the wrong verdicts.
_TOLERANCE: Final = 0.05


def warm_up(tokenizer: Tokenizer, session: Session) -> Logits:
    """(2, 2) float32 logits of the self-test, each window alone.

    Raises ArtifactInvalid when the model raises, gives numbers that are not finite, or gives
    others for a batch than for its parts.
    """
    windows = [tokenizer.encode(segments(exchange)).windows[0] for exchange in SELF_TEST]
    try:
        alone = np.concatenate([session.run([window]) for window in windows])
        batched = session.run(windows)
    except Exception as exc:  # whatever the engine raises, the server must not start
        raise ArtifactInvalid(f"the warm-up failed ({type(exc).__name__})") from exc
    if alone.shape != (2, 2) or not np.isfinite(alone).all():
        raise ArtifactInvalid("the warm-up gave no finite pairs of logits")
    if batched.shape != alone.shape or not np.allclose(alone, batched, rtol=0.0, atol=1e-3):
        raise ArtifactInvalid("the model's logits depend on what they are batched with")
    return alone


def check_self_test(manifest: Manifest, logits: Logits) -> None:
    """Raises ArtifactInvalid when this machine's logits are not those of the manifest."""
    expected = np.array(manifest.self_test, dtype=np.float32).reshape(-1, 2)
    if len(expected) and (
        expected.shape != logits.shape or np.abs(expected - logits).max() > _TOLERANCE
    ):
        raise ArtifactInvalid(
            "the self-test gave other logits than the manifest: "
            "this processor computes the quantized graph wrongly, or the artifact is damaged"
        )
