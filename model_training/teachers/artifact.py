"""A published student as a member of the teacher, read by the serving code."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from postern.contract.artifact import MANIFEST, read_artifact
from postern.contract.errors import ArtifactInvalid, EmptyPrompt
from postern.contract.exchange import Exchange
from postern.contract.probability import Floats
from postern.contract.text import segments
from postern.inference.margins import margins

from model_training.data.rows import write_atomically
from model_training.errors import RecipeInvalid
from model_training.measures.served import open_artifact
from model_training.recipe.config import DataConfig
from model_training.recipe.published import Named
from model_training.student.published import read_published

_LOG = logging.getLogger(__name__)


class ServedMember:
    """threads: of ONNX Runtime; None: all cores.

    Raises RecipeInvalid if the folder contains no artifact that can be served.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        try:
            self._served = open_artifact(read_artifact(folder), threads=threads)
        except ArtifactInvalid as exc:
            raise RecipeInvalid(f"{folder}: {exc}") from exc

    def margins(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) harmful minus unharmful logit; NaN if there is nothing to read.

        Raises RecipeInvalid if the model itself gives a non-finite number.
        """
        found = np.full(len(exchanges), np.nan)
        places, texts = [], []
        for place, exchange in enumerate(exchanges):
            try:
                texts.append(segments(exchange))
            except EmptyPrompt:
                continue
            places.append(place)
        if texts:
            encodings = self._served.tokenizer.encode_many(texts)
            with np.errstate(invalid="ignore"):  # reported below
                read = margins(encodings, self._served.session.run, what="teacher")
            if not np.isfinite(read).all():
                raise RecipeInvalid("a member of the teacher gives numbers that are not finite")
            found[places] = read
        return found


def take_artifact(student: Named, folder: Path, data: DataConfig) -> None:
    """Copy a published student whole, so that the run contains its teacher.

    Raises RecipeInvalid.
    """
    if not student.folder.exists() and (folder / MANIFEST).exists():
        return  # copied before; its reader checks that it is complete
    artifact = read_published(student, data)
    if (folder / MANIFEST).exists() and _sha256(folder / MANIFEST) == artifact.sha256:
        return
    folder.mkdir(parents=True, exist_ok=True)
    # Last, and first to be removed: this file marks the folder as complete.
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in (*artifact.manifest.files, MANIFEST):
        write_atomically(folder / name, (student.folder / name).read_bytes())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
