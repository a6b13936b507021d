"""An existing sequence classifier -> a student folder like that of `distil`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import Linear

from model_training.data.encoding import encode
from model_training.data.rows import Row, write_atomically
from model_training.errors import GateFailed, RecipeInvalid
from model_training.measures.served import ScoredRows, margins
from model_training.recipe.config import RunConfig
from model_training.student.checkpoints import writing_weights
from model_training.student.distil import STUDENT
from model_training.student.encoders import (
    LABELS,
    check_fits,
    load_classifier,
    pad_id_of,
    read_tokenizer_json,
    resolve_base,
    takes_types,
)
from model_training.student.graph import Student
from model_training.student.parity import torch_run

_LOG = logging.getLogger(__name__)
_ROWS: Final = 400
# Chance is 0.5. A classifier that is merely poor on these rows stays near it.
_UPSIDE_DOWN: Final = 0.35


def import_classifier(config: RunConfig, *, validation: Sequence[Row], run: Path) -> Path:
    """Write the classifier as a student with labels (unharmful, harmful), and return the folder.

    Raises RecipeInvalid if it cannot be a student, and GateFailed if it calls the unharmful rows
    harmful, as it does with a wrong `harmful_index`.
    """
    assert config.imported is not None
    base = config.distil.base
    tokenizer_json = read_tokenizer_json(base)
    model = load_classifier(resolve_base(base)).eval()
    tokenizer = check_fits(model, tokenizer_json, config.windows)
    to_two_labels(model, config.imported.harmful_index)
    student = Student(model=model, pad_id=pad_id_of(model), takes_types=takes_types(model))
    order = np.random.default_rng(config.distil.seed).permutation(len(validation))[:_ROWS]
    rows, encodings = encode([validation[int(index)] for index in order], tokenizer)
    _check_direction(ScoredRows(rows, margins(encodings, torch_run(student), what="import: check")))
    folder = run / STUDENT
    with writing_weights(folder):
        model.save_pretrained(folder)
    write_atomically(folder / "tokenizer.json", tokenizer_json)
    return folder


def to_two_labels(model: Any, harmful_index: int) -> None:
    """Reorder the head of a classifier in place to the logits (unharmful, harmful).

    A head with one output gives a logit that is compared with 0. Raises RecipeInvalid for any
    number of outputs other than one or two, or an index beyond them.
    """
    n_labels = model.config.num_labels
    if n_labels not in (1, 2):
        raise RecipeInvalid(f"the classifier has {n_labels} outputs; one or two can be imported")
    if harmful_index >= n_labels:
        raise RecipeInvalid(f"the classifier has {n_labels} outputs, none of index {harmful_index}")
    name, head = _head(model, n_labels)
    new = Linear(head.in_features, 2, bias=True)
    with torch.no_grad():
        new.weight.zero_()
        new.bias.zero_()
        for place in range(n_labels):
            target = 1 if place == harmful_index else 0
            new.weight[target] = head.weight[place]
            if head.bias is not None:
                new.bias[target] = head.bias[place]
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, new)
    model.config.num_labels = 2
    model.config.id2label = dict(LABELS)
    model.config.label2id = {name: index for index, name in LABELS.items()}
    model.config.problem_type = "single_label_classification"
    if hasattr(model, "num_labels"):
        model.num_labels = 2


def _head(model: Any, n_labels: int) -> tuple[str, Linear]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, Linear) and module.out_features == n_labels
    ]
    if not found:
        raise RecipeInvalid("the classifier has no linear layer that gives its outputs")
    return found[-1]


def _check_direction(scored: ScoredRows) -> None:
    if not np.isfinite(scored.margins).all():
        raise GateFailed("the classifier gives non-finite logits")
    if len(set(scored.labels.tolist())) < 2:
        _LOG.warning("import: too few validation rows to see whether harmful_index is right")
        return
    auroc = float(roc_auc_score(scored.labels, scored.margins))
    _LOG.info("import: AUROC %.3f on %d validation rows", auroc, len(scored.rows))
    if auroc < _UPSIDE_DOWN:
        raise GateFailed(
            f"AUROC {auroc:.3f} on {len(scored.rows)} validation rows: it ranks unharmful rows "
            "above harmful ones; is `harmful_index` right?"
        )
