"""Path -> format of its errors; the only place that knows the dialect of each path."""

from __future__ import annotations

from typing import Final

from postern.dialects.anthropic_errors import ANTHROPIC_SHAPE
from postern.dialects.openai_errors import OPENAI_SHAPE
from postern.dialects.perspective import GOOGLE_SHAPE
from postern.dialects.tei_predict import TEI_SHAPE
from postern.http.errors import PROBLEM_SHAPE, ErrorShape

# By the beginning of the path, the longest first, so that refusals by the framework (no such path,
# another method) have the same format as refusals by an endpoint.
_SHAPES: Final[tuple[tuple[str, ErrorShape], ...]] = (
    ("/v1/messages", ANTHROPIC_SHAPE),
    ("/v1", OPENAI_SHAPE),
    ("/openai", OPENAI_SHAPE),
    ("/v1alpha1", GOOGLE_SHAPE),
    ("/predict", TEI_SHAPE),
)


def error_shape_of(path: str) -> ErrorShape:
    """The format of the dialect to which this path belongs; problem documents elsewhere."""
    for prefix, shape in _SHAPES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return shape
    return PROBLEM_SHAPE
