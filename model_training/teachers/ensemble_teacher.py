"""The teacher made of the members of `train-teacher`, with the weights of `fit-ensemble`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from postern.contract.exchange import Exchange
from postern.contract.probability import Floats

from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import Precision
from model_training.recipe.config import WindowConfig
from model_training.teachers.ensemble import Ensemble, FittedMember, read_ensemble
from model_training.teachers.fingerprint import fingerprint


class Judge(Protocol):
    def margins(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) harmful minus unharmful logit; NaN if there is nothing to read."""


def ensemble_asked(folder: Path) -> str:
    """Identifies who answers, down to members and weights. Raises RecipeInvalid."""
    content = read_ensemble(folder).model_dump_json().encode()
    return f"ensemble@{hashlib.sha256(content).hexdigest()[:16]}"


def open_ensemble(
    folder: Path, *, batch_tokens: int, precision: Precision, threads: int | None = None
) -> _Judges:
    """threads: of ONNX Runtime; None: all cores.

    Raises RecipeInvalid if a member is missing, or is not the one whose weight was fitted.
    """
    ensemble = read_ensemble(folder)
    judges = [
        open_member(folder, member, batch_tokens=batch_tokens, precision=precision, threads=threads)
        for member in ensemble.members
    ]
    return _Judges(ensemble, judges)


def open_member(
    folder: Path,
    member: FittedMember,
    *,
    batch_tokens: int,
    precision: Precision,
    threads: int | None = None,
) -> Judge:
    """Open a member. Raises RecipeInvalid."""
    place = folder / member.folder
    if not place.is_dir():
        raise RecipeInvalid(f"{place}: the member {member.name!r} of the ensemble is missing")
    if fingerprint(str(place)) != member.fingerprint:
        raise RecipeInvalid(
            f"{place}: contains other weights than those in `ensemble.json`; "
            "run stage 'fit-ensemble' again"
        )
    return open_judge(
        member.kind,
        place,
        member.windows,
        batch_tokens=batch_tokens,
        precision=precision,
        threads=threads,
    )


def open_judge(
    kind: str,
    place: Path,
    windows: WindowConfig | None,
    *,
    batch_tokens: int,
    precision: Precision,
    threads: int | None = None,
) -> Judge:
    """Open an encoder, an n-gram member or a published student. Raises RecipeInvalid."""
    if kind == "ngrams":
        from model_training.teachers.ngrams import read_ngrams

        return read_ngrams(place)
    if kind == "artifact":
        from model_training.teachers.artifact import ServedMember

        return ServedMember(place, threads=threads)
    from model_training.teachers.classifier import ClassifierMember  # torch

    if windows is None:
        raise RecipeInvalid(f"{place}: an encoder needs windows")
    return ClassifierMember(
        str(place), windows, format="student", batch_tokens=batch_tokens, precision=precision
    )


class _Judges:
    def __init__(self, ensemble: Ensemble, judges: Sequence[Judge]) -> None:
        self._ensemble, self._judges = ensemble, judges

    def margins(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) margins of the ensemble; NaN if there is nothing to read."""
        slices = np.array([one.slice for one in exchanges], dtype=np.str_)
        each = np.full((len(self._judges), len(exchanges)), np.nan)
        for place, (member, judge) in enumerate(
            zip(self._ensemble.members, self._judges, strict=True)
        ):
            # A member without weight in a slice has no say there, so it need not read it.
            asked = np.flatnonzero([member.weight[one.slice] > 0.0 for one in exchanges])
            if len(asked):
                each[place, asked] = judge.margins([exchanges[int(index)] for index in asked])
        return self._ensemble.combine(each, slices)
