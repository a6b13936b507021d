"""All that commands of `model_training` import, for the process that tests fork."""

from __future__ import annotations

import gc

import model_training.cli
import model_training.evaluation.evaluate
import model_training.student.distil
import model_training.student.export
import model_training.student.imported
import model_training.studies.ablation  # noqa: F401

# No fork need look through what all of them share.
gc.freeze()
