"""The process that speaks with Ray for the stage `label`. Only `on_ray.py` starts it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from postern.batch.on_ray import Answers, speak_with_ray


def open_labeller(work: Mapping[str, Any]) -> Answers:
    """On a worker, which imports what this process does not need."""
    from model_training.teachers.on_ray import Labeller

    return Labeller(work).answers


if __name__ == "__main__":
    sys.exit(speak_with_ray(open_labeller))
