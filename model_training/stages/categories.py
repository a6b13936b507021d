"""The stage `categories`: a head on the exported graph that tells kinds of harm apart.

It reads the states of the served graph, so the head learns from what quantization left of them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from postern.contract.artifact import MODEL
from postern.contract.categories import CATEGORIES_OUTPUT

from model_training.data.categories import Kinds, kinds_of_pool, read_category_map, with_kinds
from model_training.data.rows import read_pool, read_sources, write_atomically
from model_training.data.sources import choose_sources
from model_training.errors import DataInvalid, GateFailed
from model_training.measures.served import open_candidate
from model_training.recipe.categories import CategoriesConfig
from model_training.run.candidate import CATEGORIES, EXPORT, HEAD, read_json, write_json
from model_training.run.folder import Run

if TYPE_CHECKING:
    from model_training.student.category_head import FittedCategories

_LOG: Final = logging.getLogger(__name__)
_CHECKED_ROWS: Final = 200


def categories(run: Run) -> None:
    """Fit the head on the train split, and add it to the candidate's graph.

    Raises DataInvalid if the data folder has no category map or no label has enough rows, and
    GateFailed if the graph is not the exported one or the head moved a logit.
    """
    from model_training.student import category_head as fit  # onnx, which evaluate does not need
    from model_training.student.heads import states_name, with_head, with_states

    config = _config(run)
    model = _exported(run)
    covers = fit.covered_by(read_category_map(run.data).taxonomy, config)
    train, calibration = kinds_of_split(run, "train"), kinds_of_split(run, "calibration")
    covers, too_few = fit.frequent(covers, train, calibration, config)
    train = fit.chosen(train, config.train_rows, seed=run.config.distil.seed)
    opened = with_states(model, CATEGORIES_OUTPUT, layer=config.layer)

    def read(rows: Sequence[Kinds], what: str) -> fit.KindsRead:
        places, states = _outputs(run, opened, states_name(CATEGORIES_OUTPUT), rows, what)
        return fit.read([rows[place] for place in places], states[:, 2:], covers)

    fitted = fit.fit_categories(read(train, "train"), read(calibration, "calibration"), covers)
    headed = with_head(model, CATEGORIES_OUTPUT, fitted.weights, fitted.bias, layer=config.layer)
    _check(run, opened, headed, train[:_CHECKED_ROWS], fitted)
    write_atomically(run.candidate / MODEL, headed)
    exported = read_json(run.candidate / EXPORT)
    new = {"model_sha256": hashlib.sha256(headed).hexdigest(), "size_bytes": len(headed)}
    write_json(run.candidate / EXPORT, exported | new)
    metrics = {**fitted.metrics, "layer": config.layer, "too_few_rows": too_few}
    write_json(run.candidate / CATEGORIES, {HEAD: fitted.head.model_dump(mode="json"), **metrics})
    _LOG.info("categories: %s", metrics)


def kinds_of_split(run: Run, split: str) -> list[Kinds]:
    """The harmful rows of a split whose kinds of harm are known. Raises DataInvalid."""
    known = read_category_map(run.data)
    sources = choose_sources(read_sources(run.data), run.config.data)
    pool = (row for source in sources for row in read_pool(run.data, source))
    return with_kinds(run.rows(split), kinds_of_pool(pool, known))


def _config(run: Run) -> CategoriesConfig:
    if run.config.categories is None:
        raise DataInvalid("the recipe has no section [categories]")
    return run.config.categories


def _exported(run: Run) -> bytes:
    model = (run.candidate / MODEL).read_bytes()
    if hashlib.sha256(model).hexdigest() != read_json(run.candidate / EXPORT)["model_sha256"]:
        raise GateFailed(f"{MODEL} is not the file that passed the parity gate; export again")
    return model


def _outputs(
    run: Run, model: bytes, output: str, rows: Sequence[Kinds], what: str
) -> tuple[list[int], npt.NDArray[np.float32]]:
    """Places of the rows with visible text; their logits, and to the right a further output."""
    served = open_candidate(
        run.candidate,
        run.config.windows,
        pad_id=int(read_json(run.candidate / EXPORT)["pad_id"]),
        threads=run.threads,
        model=model,
        extra=output,
    )
    return served.outputs([one.row for one in rows], what=f"categories: {what}")


def _check(
    run: Run, opened: bytes, headed: bytes, rows: Sequence[Kinds], fitted: FittedCategories
) -> None:
    """Raises GateFailed unless the logits are equal to the bit and the output is the fit."""
    from model_training.student.heads import check_product, check_same_logits, states_name

    _, before = _outputs(run, opened, states_name(CATEGORIES_OUTPUT), rows, "check")
    _, after = _outputs(run, headed, CATEGORIES_OUTPUT, rows, "check")
    check_same_logits(before, after)
    check_product(after[:, 2:], before[:, 2:], fitted.weights, fitted.bias)
