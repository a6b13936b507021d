"""Path -> the shape of its errors; the one place that knows which dialect speaks where."""

from __future__ import annotations

from typing import Final

from postern.dialects.openai_errors import OPENAI_SHAPE
from postern.dialects.perspective import GOOGLE_SHAPE
from postern.dialects.tei_predict import TEI_SHAPE
from postern.http.errors import (
    PROBLEM_SHAPE,
    ErrorShape,
)

# By the beginning of the path, so that what the framework refuses (no such path, another method)
# is told in the same shape as what an endpoint refuses.
_SHAPES: Final[tuple[tuple[str, ErrorShape], ...]] = (
    ("/v1", OPENAI_SHAPE),
    ("/v1alpha1", GOOGLE_SHAPE),
    ("/predict", TEI_SHAPE),
)


def error_shape_of(path: str) -> ErrorShape:
    """The shape of the dialect whose path this is or lies below; problem documents elsewhere."""
    for prefix, shape in _SHAPES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return shape
    return PROBLEM_SHAPE
