"""Where the student that ships with this package lies."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEFAULT_STUDENT: Final = "postern-minilm/1.4.0"

_PACKAGE: Final = Path(__file__).resolve().parent


def _folder() -> Path:
    """Inside the installed package; in a clone, where the artifact is no copy, beside `app/`."""
    installed = _PACKAGE / "artifacts" / DEFAULT_STUDENT
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "artifacts" / DEFAULT_STUDENT


DEFAULT_ARTIFACT: Final = _folder()
