"""Rows -> margins through the serving code, in batches of similar length and bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from postern.contract.artifact import MODEL, TOKENIZER, Artifact
from postern.contract.probability import Floats
from postern.inference.margins import Logits as Logits
from postern.inference.margins import deciding_outputs
from postern.inference.margins import margins as margins
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer

from model_training.data.encoding import encode, encode_visible
from model_training.data.rows import Row
from model_training.measures.cores import default_threads, on_all_cores
from model_training.recipe.config import WindowConfig


@dataclass(frozen=True)
class ScoredRows:
    """Rows with visible text, and the margin of each: (n,) float64, in nats."""

    rows: list[Row]
    margins: Floats

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        return np.array([row.label for row in self.rows], dtype=np.int64)

    @property
    def sources(self) -> npt.NDArray[np.str_]:
        return np.array([row.source for row in self.rows], dtype=np.str_)

    @property
    def slices(self) -> npt.NDArray[np.str_]:
        return np.array([row.slice for row in self.rows], dtype=np.str_)


@dataclass(frozen=True)
class Served:
    """What serving would load from a candidate folder."""

    tokenizer: Tokenizer
    session: OnnxSession

    def score(self, rows: Sequence[Row], *, what: str) -> ScoredRows:
        """Score rows as the server does: each exchange by its most harmful window."""
        kept, encodings = encode(rows, self.tokenizer)
        return ScoredRows(kept, margins(encodings, self.session.run, what=what))

    def outputs(
        self, rows: Sequence[Row], *, what: str
    ) -> tuple[list[int], npt.NDArray[np.float32]]:
        """Places of the rows with visible text, and (n, 2 + k) outputs of their most harmful
        windows."""
        places, encodings = encode_visible(rows, self.tokenizer)
        if not places:
            return [], np.zeros((0, 2), dtype=np.float32)
        return places, deciding_outputs(encodings, self.session.run, what=what)


def open_candidate(
    folder: Path,
    config: WindowConfig,
    *,
    pad_id: int,
    threads: int | None = None,
    model: bytes | None = None,
    extra: str | None = None,
) -> Served:
    """Open a candidate.

    Raises ArtifactInvalid. threads: for one forward pass; default: all cores. model: in place of
    its own graph. extra: a further output to compute.
    """
    graph = (folder / MODEL).read_bytes() if model is None else model
    tokenizer = (folder / TOKENIZER).read_bytes()
    return _open(graph, tokenizer, config, pad_id=pad_id, threads=threads, extra=extra)


def open_artifact(artifact: Artifact, *, threads: int | None = None) -> Served:
    """Open exactly the bytes that were verified. Raises ArtifactInvalid. threads: as above."""
    manifest = artifact.manifest
    windows = WindowConfig(
        window_tokens=manifest.window_tokens, overlap_tokens=manifest.overlap_tokens
    )
    return _open(
        artifact.model, artifact.tokenizer, windows, pad_id=manifest.pad_id, threads=threads
    )


def _open(
    model: bytes,
    tokenizer: bytes,
    config: WindowConfig,
    *,
    pad_id: int,
    threads: int | None,
    extra: str | None = None,
) -> Served:
    with on_all_cores():
        session = OnnxSession(
            model,
            pad_id=pad_id,
            intra_op_threads=threads or default_threads(),
            extra={} if extra is None else {extra: None},
        )
    return Served(Tokenizer(tokenizer, **config.model_dump()), session)
