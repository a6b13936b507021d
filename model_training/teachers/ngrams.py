"""Logistic regression over hashed character n-grams: a member of the teacher without an encoder.

One model for prompts, and one for responses with their prompt. A folder contains `ngrams.json`,
which says how text becomes features, and the weights in float16. Neither is a pickle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from postern.contract.exchange import SLICES, Exchange, Slice
from postern.contract.probability import Floats
from postern.contract.text import segments
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier

from model_training.data.rows import Row, dump_json, write_atomically
from model_training.data.sampling import draw
from model_training.errors import DataInvalid, RecipeInvalid
from model_training.recipe.config import DistilConfig
from model_training.recipe.ensemble import NgramMember
from model_training.teachers.shards import has_text

NGRAMS: Final = "ngrams.json"
WEIGHTS: Final = "ngrams.safetensors"
_CHUNK: Final = 2048
_LARGEST: Final = float(np.finfo(np.float16).max)
_PROBES: Final = (
    Exchange("How do I bake a cake for 20 people?"),
    Exchange("Tell me a story.", "Once upon a time there was a caf\u00e9."),
)


class Hashing(BaseModel):
    """How text becomes features: everything that must be the same when weights are loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shortest: int
    longest: int
    features_log2: int
    longest_text: int

    def features(self, exchanges: Sequence[Exchange]) -> csr_matrix:
        """(n, features) float32: n-grams of the judged text, followed by the prompt's if it is a
        pair.

        All exchanges are of one slice. Raises EmptyPrompt if a prompt has no visible text.
        """
        texts = [segments(exchange) for exchange in exchanges]
        judged = self._hashed([parts[-1] for parts in texts])
        if exchanges[0].response is None:
            return judged
        return hstack([judged, self._hashed([parts[0] for parts in texts])], format="csr")

    def _hashed(self, texts: Sequence[str]) -> csr_matrix:
        vectorizer = HashingVectorizer(
            analyzer="char_wb",
            ngram_range=(self.shortest, self.longest),
            n_features=2**self.features_log2,
            alternate_sign=False,
            norm="l2",
            lowercase=True,
            dtype=np.float32,
        )
        return vectorizer.transform([text[: self.longest_text] for text in texts])


class _Saved(BaseModel):
    """The content of `ngrams.json`.

    probes: margins of two fixed exchanges, to check that hashing is the same here; made_of:
    settings and rows, to check whether the work is done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    hashing: Hashing
    intercepts: dict[Slice, float]
    weights_sha256: str
    probes: list[float]
    made_of: str


class Ngrams:
    """A trained member. weights: (features,) float32 of each slice that it was trained on."""

    def __init__(
        self,
        hashing: Hashing,
        weights: dict[Slice, npt.NDArray[np.float32]],
        intercepts: dict[Slice, float],
    ) -> None:
        self._hashing, self._weights, self._intercepts = hashing, weights, intercepts

    def margins(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) log-odds of harm; NaN if there is nothing to read, 0 in an untrained slice."""
        found = np.full(len(exchanges), np.nan)
        visible = [place for place, one in enumerate(exchanges) if has_text(one)]
        for name in SLICES:
            places = [place for place in visible if exchanges[place].slice == name]
            for start in range(0, len(places), _CHUNK):
                some = places[start : start + _CHUNK]
                found[some] = self._of_slice(name, [exchanges[place] for place in some])
        return found

    def _of_slice(self, name: Slice, exchanges: Sequence[Exchange]) -> Floats:
        if name not in self._weights:
            return np.zeros(len(exchanges))
        features = self._hashing.features(exchanges)
        scores: Floats = features.astype(np.float64) @ self._weights[name].astype(np.float64)
        return scores + self._intercepts[name]

    def save(self, folder: Path, *, made_of: str) -> None:
        """Save the weights first, then `ngrams.json`, which marks the folder as complete."""
        content = save_tensors({k: w.astype(np.float16) for k, w in self._weights.items()})
        saved = _Saved(
            format=1,
            hashing=self._hashing,
            intercepts=self._intercepts,
            weights_sha256=hashlib.sha256(content).hexdigest(),
            probes=self.margins(_PROBES).tolist(),
            made_of=made_of,
        )
        (folder / NGRAMS).unlink(missing_ok=True)
        write_atomically(folder / WEIGHTS, content)
        write_atomically(folder / NGRAMS, dump_json(saved.model_dump(mode="json")))


def read_ngrams(folder: Path) -> Ngrams:
    """Raises RecipeInvalid: missing, damaged, or hashed differently by the installed library."""
    saved = _read(folder)
    try:
        content = (folder / WEIGHTS).read_bytes()
        if hashlib.sha256(content).hexdigest() != saved.weights_sha256:
            raise RecipeInvalid(
                f"{folder / WEIGHTS}: differs from the file that {NGRAMS} describes"
            )
        tensors = load_tensors(content)
    except (OSError, SafetensorError) as exc:
        raise RecipeInvalid(f"{folder / WEIGHTS}: cannot be read ({type(exc).__name__})") from exc
    weights = {name: tensors[name].astype(np.float32) for name in SLICES if name in tensors}
    member = Ngrams(saved.hashing, weights, saved.intercepts)
    if not np.allclose(member.margins(_PROBES), saved.probes, rtol=0, atol=1e-4):
        raise RecipeInvalid(f"{folder}: this scikit-learn hashes text differently; train it again")
    return member


def is_trained(folder: Path, *, made_of: str) -> bool:
    """Whether the folder contains the result of exactly this work."""
    return (folder / NGRAMS).exists() and _read(folder).made_of == made_of


def train_ngrams(rows: Sequence[Row], settings: NgramMember, balance: DistilConfig) -> Ngrams:
    """Fit one model for each slice with both classes. Raises DataInvalid if none has.

    Rows are drawn as for an encoder: balanced by class and, within it, by source, with the exponent
    and the weights of `balance`.
    """
    hashing = Hashing(**{name: getattr(settings, name) for name in Hashing.model_fields})
    weights: dict[Slice, npt.NDArray[np.float32]] = {}
    intercepts: dict[Slice, float] = {}
    for name in SLICES:
        here = [row for row in rows if row.slice == name and has_text(row.exchange)]
        if len({row.label for row in here}) < 2:
            continue
        model = _fit(here, hashing, settings, balance)
        # As stored, so that a loaded member gives exactly the same margins.
        inside = np.clip(model.coef_[0], -_LARGEST, _LARGEST)
        weights[name] = inside.astype(np.float16).astype(np.float32)
        intercepts[name] = float(model.intercept_[0])
    if not weights:
        raise DataInvalid("the train split has no slice with rows of both labels")
    return Ngrams(hashing, weights, intercepts)


def _fit(
    rows: Sequence[Row], hashing: Hashing, settings: NgramMember, balance: DistilConfig
) -> Any:
    draws = draw(
        [(row.slice, row.label, row.source) for row in rows],
        n_draws=settings.rows,
        pair_share=0.5,  # within one slice, the slice says nothing
        source_exponent=balance.source_exponent,
        source_weights=balance.source_weights,
        rng=np.random.default_rng(settings.seed),
    )
    # A row drawn several times is hashed once and weighted by its draws.
    places, counts = np.unique(draws, return_counts=True)
    model = SGDClassifier(
        loss="log_loss", alpha=settings.alpha, max_iter=settings.epochs, tol=None, average=True,
        random_state=settings.seed,
    )  # fmt: skip
    features = hashing.features([rows[place].exchange for place in places])
    labels = [rows[place].label for place in places]
    return model.fit(features, labels, sample_weight=counts / counts.mean())


def _read(folder: Path) -> _Saved:
    path = folder / NGRAMS
    try:
        return _Saved.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise RecipeInvalid(f"{path}: cannot be read ({exc.strerror}); train it first") from exc
    except ValidationError as exc:
        raise RecipeInvalid(f"{path}: is not an n-gram member") from exc
