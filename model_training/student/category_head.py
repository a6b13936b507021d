"""Rows whose kinds of harm are known -> a head that tells the kinds apart. No I/O.

Only harmful rows teach it, so it learns what kind of harm a text holds if it holds any. Each label
has a logistic regression on the standardized states of the served graph, under an L2 penalty that
unseen prompts choose for all labels together. Calibration and threshold come from the calibration
split, which training never saw: the threshold has the highest F1 there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from postern.calibration.logistic import fit_logistic
from postern.contract.categories import CategoryHead, CategoryLabel
from postern.contract.probability import Floats, sigmoids
from torch.nn.functional import binary_cross_entropy_with_logits

from model_training.data.categories import Kinds
from model_training.data.rows import prompt_hash
from model_training.errors import DataInvalid
from model_training.measures.figures import auprc
from model_training.recipe.categories import CategoriesConfig

RIDGES: Final = (1e-2, 3e-3, 1e-3)
"""Candidate penalties, for the mean loss and standardized states."""

_UNSEEN: Final = 5
"""One prompt in so many helps to choose the penalty."""
_STEPS: Final = 200
_BOUND: Final = 30.0
_LEAST_SCALE: Final = 0.05
_LEAST_SPREAD: Final = 1e-2
"""Of the widest state's standard deviation."""
_THRESHOLDS: Final = np.linspace(0.05, 0.95, 91)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class KindsRead:
    """Rows with their states. states: (n, d); held: (n, labels) whether a row holds a label;
    weights: (n,) > 0; folds: (n,) by prompt."""

    states: Floats
    held: Mask
    weights: Floats
    folds: npt.NDArray[np.int64]


@dataclass(frozen=True)
class FittedCategories:
    """weights: (d, k) and bias: (k,), for the graph; head: for the manifest."""

    weights: Floats
    bias: Floats
    head: CategoryHead
    metrics: dict[str, Any]


def covered_by(taxonomy: Sequence[str], config: CategoriesConfig) -> dict[str, tuple[str, ...]]:
    """The labels to learn, each with the labels of the taxonomy that it stands for.

    Raises DataInvalid if the recipe names a label that the taxonomy lacks.
    """
    merged = {one: name for name, labels in config.merged.items() for one in labels}
    unknown = (set(merged) | set(config.left_out)) - set(taxonomy)
    if unknown:
        raise DataInvalid(f"[categories]: the taxonomy has no label {sorted(unknown)[0]!r}")
    found: dict[str, tuple[str, ...]] = {}
    for label in taxonomy:
        if label not in config.left_out:
            name = merged.get(label, label)
            found[name] = (*found.get(name, ()), label)
    return found


def frequent(
    covers: Mapping[str, tuple[str, ...]],
    train: Sequence[Kinds],
    calibration: Sequence[Kinds],
    config: CategoriesConfig,
) -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, int]]]:
    """The labels with enough rows, and the counts of those without.

    Raises DataInvalid if none has enough.
    """
    counts = {
        name: {
            "train": sum(bool(one.labels & set(labels)) for one in train),
            "calibration": sum(bool(one.labels & set(labels)) for one in calibration),
        }
        for name, labels in covers.items()
    }
    kept = {
        name: labels
        for name, labels in covers.items()
        if counts[name]["train"] >= config.fewest_train_rows
        and counts[name]["calibration"] >= config.fewest_calibration_rows
    }
    if not kept:
        raise DataInvalid("[categories]: no label has enough rows to be learnt")
    return kept, {name: counts[name] for name in covers if name not in kept}


def chosen(rows: Sequence[Kinds], at_most: int, *, seed: int) -> list[Kinds]:
    """At most so many rows: small sources whole, large ones cut to the same size."""
    order = np.random.default_rng(seed).permutation(len(rows))
    seen: Counter[str] = Counter()
    ranked: list[tuple[int, int]] = []
    for place in order:
        source = rows[int(place)].row.source
        ranked.append((seen[source], int(place)))
        seen[source] += 1
    ranked.sort(key=lambda one: one[0])
    return [rows[place] for _, place in ranked[:at_most]]


def read(
    rows: Sequence[Kinds],
    states: npt.NDArray[np.floating[Any]],
    covers: Mapping[str, tuple[str, ...]],
) -> KindsRead:
    """Rows and their states, ready to fit. A source of n rows weighs n ** 0.5 in all."""
    held = [[bool(one.labels & set(labels)) for labels in covers.values()] for one in rows]
    sizes = Counter(one.row.source for one in rows)
    return KindsRead(
        np.asarray(states, dtype=np.float64),
        np.array(held, dtype=np.bool_).reshape(len(rows), len(covers)),
        np.array([sizes[one.row.source] ** -0.5 for one in rows]),
        np.array([prompt_hash(one.row.prompt) % _UNSEEN for one in rows], dtype=np.int64),
    )


def fit_categories(
    train: KindsRead, calibration: KindsRead, covers: Mapping[str, tuple[str, ...]]
) -> FittedCategories:
    """Fit the head. covers: the labels, in the order of the columns of `held`."""
    mean = train.states.mean(axis=0)
    spread = train.states.std(axis=0)
    # A state that hardly moves would get a weight so large that float32 loses the sum.
    scale = np.maximum(spread, max(_LEAST_SPREAD * float(spread.max()), 1e-6))
    standard = (train.states - mean) / scale
    unseen = train.folds == 0
    losses = {ridge: _unseen_loss(train, standard, unseen, ridge) for ridge in RIDGES}
    ridge = min(losses, key=lambda one: losses[one])
    found = _fit(standard, train.held, train.weights, ridge)
    weights = found[:-1] / scale[:, None]
    bias = found[-1] - mean @ weights
    logits = calibration.states @ weights + bias
    labels = [
        _label(name, covered, logits[:, place], calibration.held[:, place], calibration.weights)
        for place, (name, covered) in enumerate(covers.items())
    ]
    metrics = {
        "train_rows": len(train.states),
        "calibration_rows": len(calibration.states),
        "ridge": ridge,
        "labels": {
            name: {
                "train_rows": int(train.held[:, place].sum()),
                "calibration_rows": int(calibration.held[:, place].sum()),
                "auprc_calibration": auprc(
                    logits[:, place], calibration.held[:, place].astype(np.int64)
                ),
            }
            for place, name in enumerate(covers)
        },
    }
    return FittedCategories(weights, bias, CategoryHead(labels=tuple(labels)), metrics)


def _unseen_loss(train: KindsRead, standard: Floats, unseen: Mask, ridge: float) -> float:
    """Mean loss over labels and the prompts that this fit did not see."""
    if unseen.all() or not unseen.any():
        return ridge
    found = _fit(standard[~unseen], train.held[~unseen], train.weights[~unseen], ridge)
    odds = standard[unseen] @ found[:-1] + found[-1]
    loss = np.logaddexp(0.0, np.where(train.held[unseen], -odds, odds))
    return float(np.average(loss.mean(axis=1), weights=train.weights[unseen]))


def _fit(states: Floats, held: Mask, weights: Floats, ridge: float) -> Floats:
    """(d + 1, labels) coefficients of lowest penalized loss; the last row holds the intercepts.

    All labels at once, by L-BFGS: a Newton step for each of 17 labels takes thirty times as long.
    """
    features, targets = torch.from_numpy(states), torch.from_numpy(held.astype(np.float64))
    shares = torch.from_numpy(weights / weights.sum())[:, None]
    slopes = torch.zeros(states.shape[1], held.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(held.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([slopes, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        odds = features @ slopes + bias
        each = binary_cross_entropy_with_logits(odds, targets, reduction="none")
        total = (each * shares).sum() + ridge / 2 * slopes.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return np.vstack([slopes.detach().numpy(), bias.detach().numpy()])


def _label(
    name: str, covered: tuple[str, ...], logits: Floats, held: Mask, weights: Floats
) -> CategoryLabel:
    features = np.column_stack([logits, np.ones(len(logits))])
    scale, bias = fit_logistic(
        features,
        held.astype(np.int64),
        lower=np.array([_LEAST_SCALE, -_BOUND]),
        upper=np.array([_BOUND, _BOUND]),
        weights=weights,
        ridge=np.array([1e-4, 1e-4]),
    )
    probabilities = sigmoids(scale * logits + bias)
    return CategoryLabel(
        name=name,
        covers=covered,
        scale=float(scale),
        bias=float(bias),
        threshold=_threshold(probabilities, held, weights),
    )


def _threshold(probabilities: Floats, held: Mask, weights: Floats) -> float:
    """The threshold of highest F1, the lowest of equals."""

    def f1(threshold: float) -> float:
        told = probabilities >= threshold
        right = float(weights[told & held].sum())
        return 2 * right / max(float(weights[told].sum() + weights[held].sum()), 1e-12)

    return round(float(max(_THRESHOLDS, key=f1)), 2)
