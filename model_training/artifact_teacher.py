"""A published student as a member of the teacher: read by the code that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.contract.artifact import MANIFEST, read_artifact
from app.contract.errors import ArtifactInvalid, EmptyPrompt
from app.contract.exchange import Exchange
from app.contract.probability import Floats
from app.contract.text import segments
from app.scoring import margins
from app.session import OnnxSession
from app.tokenizer import Tokenizer
from model_training.errors import RecipeInvalid
from model_training.rows import write_atomically
from model_training.scoring import default_threads, on_all_cores


class ArtifactJudge:
    """Raises RecipeInvalid where the folder holds no artifact that can be served."""

    def __init__(self, folder: Path) -> None:
        try:
            artifact = read_artifact(folder)
            manifest = artifact.manifest
            self._tokenizer = Tokenizer(
                artifact.tokenizer,
                window_tokens=manifest.window_tokens,
                overlap_tokens=manifest.overlap_tokens,
            )
            with on_all_cores():
                self._session = OnnxSession(
                    artifact.model, pad_id=manifest.pad_id, intra_op_threads=default_threads()
                )
        except ArtifactInvalid as exc:
            raise RecipeInvalid(f"{folder}: {exc}") from exc

    def margins(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) harmful minus unharmful logit; NaN where there is nothing to read."""
        found = np.full(len(exchanges), np.nan)
        places, texts = [], []
        for place, exchange in enumerate(exchanges):
            try:
                texts.append(segments(exchange))
            except EmptyPrompt:
                continue
            places.append(place)
        if texts:
            encodings = self._tokenizer.encode_many(texts)
            found[places] = margins(encodings, self._session.run, what="teacher")
        return found


def take_artifact(source: Path, folder: Path) -> None:
    """Copies what a judge reads, so that a run holds its teacher. Raises RecipeInvalid."""
    try:
        artifact = read_artifact(source)
    except ArtifactInvalid as exc:
        raise RecipeInvalid(f"{source}: {exc}") from exc
    folder.mkdir(parents=True, exist_ok=True)
    for name in artifact.manifest.files:
        write_atomically(folder / name, (source / name).read_bytes())
    # Last: it says that the folder is whole.
    write_atomically(folder / MANIFEST, (source / MANIFEST).read_bytes())
