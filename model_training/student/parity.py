"""Compares the served graph with the torch model on real texts, and gates publication."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from postern.contract.exchange import SLICES
from postern.contract.probability import Calibration, Floats, harmful_margin, harmful_probability
from postern.contract.windows import Window, pad

from model_training.data.encoding import encode
from model_training.data.rows import Row
from model_training.errors import GateFailed
from model_training.measures.figures import auprc, threshold_at_best_f1
from model_training.measures.served import Logits, ScoredRows, Served, margins
from model_training.student.graph import Student

AUPRC_TOLERANCE: Final = 0.005
AGREEMENT_AT_LEAST: Final = 0.99
NEAR_THRESHOLD: Final = 0.05
NEIGHBOUR_TOLERANCE: Final = 1e-3

_UNCALIBRATED: Final = Calibration(temperature=1.0)


@dataclass(frozen=True)
class Parity:
    """Differences between the served graph and the fp32 torch model.

    auprc_*: by slice; verdict_agreement: share of equal verdicts among exchanges outside +-0.05 of
    the threshold, which has the best fp32 F1 of the slice; max_margin_error: nats;
    max_neighbour_shift: probability, between an exchange alone and among random others.
    """

    rows: int
    auprc_fp32: dict[str, float]
    auprc_served: dict[str, float]
    verdict_agreement: float
    mean_margin_error: float
    max_margin_error: float
    max_neighbour_shift: float

    def as_metrics(self) -> dict[str, Any]:
        return asdict(self)


def torch_run(student: Student) -> Callable[[Sequence[Window]], Logits]:
    """The float32 torch model with the signature of `Session.run`."""

    def run(windows: Sequence[Window]) -> Logits:
        ids, mask, types = pad(windows, pad_id=student.pad_id)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        with torch.no_grad():
            logits = student.model(
                **{name: torch.from_numpy(given[name]) for name in student.input_names}
            ).logits
        return np.asarray(logits.numpy())

    return run


def measure(student: Student, served: Served, rows: Sequence[Row]) -> Parity:
    """Score rows with both models, using the windows that serving would make."""
    kept, encodings = encode(rows, served.tokenizer)
    reference = ScoredRows(kept, margins(encodings, torch_run(student), what="parity: torch"))
    scored = ScoredRows(kept, margins(encodings, served.session.run, what="parity: served"))
    windows = [encoding.windows[0] for encoding in encodings]
    return compare(reference, scored, neighbour_shift=neighbour_shift(served, windows))


def compare(reference: ScoredRows, served: ScoredRows, *, neighbour_shift: float) -> Parity:
    """The figures of parity.

    Both contain the same rows. Raises GateFailed for non-finite logits.
    """
    for name, scored in (("float", reference), ("served", served)):
        if not np.isfinite(scored.margins).all():
            raise GateFailed(f"the {name} model gives non-finite logits")
    labels, slices = reference.labels, reference.slices
    names = [name for name in SLICES if len(set(labels[slices == name])) == 2]
    error = np.abs(served.margins - reference.margins)

    def of_slices(margins_: Floats) -> dict[str, float]:
        return {name: auprc(margins_[slices == name], labels[slices == name]) for name in names}

    return Parity(
        rows=len(labels),
        auprc_fp32=of_slices(reference.margins),
        auprc_served=of_slices(served.margins),
        verdict_agreement=_agreement(reference, served),
        mean_margin_error=float(error.mean()),
        max_margin_error=float(error.max()),
        max_neighbour_shift=neighbour_shift,
    )


def _agreement(reference: ScoredRows, served: ScoredRows) -> float:
    """Share of equal verdicts where the fp32 probability is outside +-0.05 of its threshold."""
    agrees: list[Floats] = []
    for name in SLICES:
        here = reference.slices == name
        if not np.any(reference.labels[here]):
            continue
        expected, found = (
            harmful_probability(scored.margins[here], _UNCALIBRATED)
            for scored in (reference, served)
        )
        threshold = threshold_at_best_f1(expected, reference.labels[here])
        far = np.abs(expected - threshold) > NEAR_THRESHOLD
        agrees.append(((expected >= threshold) == (found >= threshold))[far].astype(np.float64))
    joined = np.concatenate(agrees) if agrees else np.zeros(0)
    return float(joined.mean()) if len(joined) else 1.0


def neighbour_shift(
    served: Served, windows: Sequence[Window], *, count: int = 64, seed: int = 0
) -> float:
    """Largest change of a probability when others stand in its batch, over `count` windows."""
    rng = np.random.default_rng(seed)
    chosen = [windows[int(i)] for i in rng.permutation(len(windows))[:count]]
    alone = np.concatenate([_probabilities(served, [window]) for window in chosen])
    together = np.empty_like(alone)
    order = rng.permutation(len(chosen))
    for group in np.array_split(order, max(1, len(chosen) // 8)):
        together[group] = _probabilities(served, [chosen[int(i)] for i in group])
    return float(np.abs(alone - together).max())


def _probabilities(served: Served, windows: Sequence[Window]) -> Floats:
    return harmful_probability(harmful_margin(served.session.run(windows)), _UNCALIBRATED)


def gate(parity: Parity) -> None:
    """Raises GateFailed with the first broken bound. A NaN breaks each of them."""
    for name, expected in parity.auprc_fp32.items():
        moved = abs(parity.auprc_served[name] - expected)
        if not moved <= AUPRC_TOLERANCE:
            raise GateFailed(
                f"AUPRC of slice {name} moved by {moved:.4f}; at most {AUPRC_TOLERANCE} may be lost"
            )
    if not parity.verdict_agreement >= AGREEMENT_AT_LEAST:
        raise GateFailed(
            f"{parity.verdict_agreement:.2%} of clear verdicts agree with the float model; "
            f"at least {AGREEMENT_AT_LEAST:.0%} must"
        )
    if not parity.max_neighbour_shift <= NEIGHBOUR_TOLERANCE:
        raise GateFailed(
            f"batch neighbours move a probability by {parity.max_neighbour_shift:.4f}; "
            f"at most {NEIGHBOUR_TOLERANCE} is allowed"
        )
