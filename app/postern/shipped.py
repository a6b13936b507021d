"""Locates the student that ships with this package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEFAULT_STUDENT: Final = "postern-minilm/1.6.0"

_PACKAGE: Final = Path(__file__).resolve().parent


IS_PACKAGED: Final = (_PACKAGE / "artifacts").is_dir()
"""True if the package was installed; in a clone the artifact lies beside `app/`."""

DEFAULT_ARTIFACT: Final = (
    (_PACKAGE if IS_PACKAGED else _PACKAGE.parents[1]) / "artifacts" / DEFAULT_STUDENT
)
"""Folder of the student that is served if no other is named."""
