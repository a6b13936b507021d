"""Rows -> margins through the code that serves them; batches of like length and bounded size."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from app.contract.artifact import MODEL, TOKENIZER
from app.contract.probability import Floats, harmful_margin
from app.contract.windows import Encoding, Window
from app.session import OnnxSession
from app.tokenizer import Tokenizer
from model_training.config import WindowConfig
from model_training.encoding import encode, numbered, token_groups
from model_training.rows import Row

_BATCH_TOKENS: Final = 4096

Logits = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scored:
    """Rows that hold something visible, and the margin of each: (n,) float64, in nats."""

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

    def score(self, rows: Sequence[Row], *, what: str) -> Scored:
        """Scores rows as the server does: each exchange by its most harmful window."""
        kept, encodings = encode(rows, self.tokenizer)
        return Scored(kept, margins(encodings, self.session.run, what=what))


def open_candidate(
    folder: Path, config: WindowConfig, *, pad_id: int, threads: int | None = None
) -> Served:
    """Raises ArtifactInvalid. threads: for one forward pass; all cores by default."""
    tokenizer = Tokenizer(
        (folder / TOKENIZER).read_bytes(),
        window_tokens=config.window_tokens,
        overlap_tokens=config.overlap_tokens,
    )
    session = OnnxSession(
        (folder / MODEL).read_bytes(), pad_id=pad_id, intra_op_threads=threads or default_threads()
    )
    return Served(tokenizer, session)


def default_threads() -> int:
    return os.cpu_count() or 1


def margins(
    encodings: Sequence[Encoding], run: Callable[[Sequence[Window]], Logits], *, what: str
) -> Floats:
    """(n,) float64, in nats: the harmful margin of each exchange's most harmful window."""
    flat = numbered(encodings)
    highest = np.full(len(encodings), -np.inf, dtype=np.float64)
    with tqdm(total=len(flat), desc=what, unit="window", disable=len(flat) < 500) as bar:
        for group in token_groups(flat, _BATCH_TOKENS):
            found = harmful_margin(run([window for _, window in group]))
            np.maximum.at(highest, [index for index, _ in group], found)
            bar.update(len(group))
    return highest
