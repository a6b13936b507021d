"""Path -> the shape of its errors; the one place that knows which dialect speaks where."""

from __future__ import annotations

from typing import Final

from app.dialects.openai_errors import OPENAI_SHAPE
from app.http_errors import PROBLEM_SHAPE, ErrorShape

# By the beginning of the path, so that what the framework refuses (no such path, another method)
# is told in the same shape as what an endpoint refuses.
_SHAPES: Final[tuple[tuple[str, ErrorShape], ...]] = (("/v1", OPENAI_SHAPE),)


def error_shape_of(path: str) -> ErrorShape:
    """The shape of the longest path that leads to this one; problem documents elsewhere."""
    for prefix, shape in _SHAPES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return shape
    return PROBLEM_SHAPE
