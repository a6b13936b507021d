"""Path -> format of its errors; the only place that knows the dialect of each path."""

from __future__ import annotations

from typing import Final

from postern.contract.audit import EXT_AUTHZ
from postern.dialects.anthropic_errors import ANTHROPIC_SHAPE
from postern.dialects.azure_content_safety import AZURE_SHAPE
from postern.dialects.detectors import DETECTOR_SHAPE
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
    ("/health", TEI_SHAPE),
    ("/contentsafety", AZURE_SHAPE),
    ("/api/v1/text", DETECTOR_SHAPE),
    # Envoy passes them on to its client, which most often speaks OpenAI's API.
    (EXT_AUTHZ, OPENAI_SHAPE),
)
# TEI's route for its model. The page answers GET there.
_ROOT: Final = "/"

# Why a path that clients look for is not there, by its beginning.
_NOT_THERE: Final = {
    "/contentsafety/": "only text:analyze is answered here; nothing here was taught to tell "
    "attacks on a model's instructions from other text, so there is no text:shieldPrompt",
}


def error_shape_of(path: str) -> ErrorShape:
    """The format of the dialect to which this path belongs; problem documents elsewhere."""
    if path == _ROOT:
        return TEI_SHAPE
    for prefix, shape in _SHAPES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return shape
    return PROBLEM_SHAPE


def why_not_there(path: str) -> str:
    """What a client reads that looks for something which cannot be answered; "" elsewhere."""
    return next((why for prefix, why in _NOT_THERE.items() if path.startswith(prefix)), "")
