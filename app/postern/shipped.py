"""Locates the students that ship with this package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEFAULT_STUDENT: Final = "postern-minilm/2.0.0"
LANGUAGE_STUDENTS: Final = ("postern-multilingual/1.3.0",)
"""For other languages. A clone and the container have them; they would triple a wheel."""

_PACKAGE: Final = Path(__file__).resolve().parent


IS_PACKAGED: Final = (_PACKAGE / "artifacts").is_dir()
"""True if the package was installed; in a clone the artifact lies beside `app/`."""

_ARTIFACTS: Final = (_PACKAGE if IS_PACKAGED else _PACKAGE.parents[1]) / "artifacts"

DEFAULT_ARTIFACT: Final = _ARTIFACTS / DEFAULT_STUDENT
"""Folder of the student that is served if no other is named."""


def language_artifacts_beside(artifact: Path) -> tuple[Path, ...]:
    """Folders of the students for other languages that are served if none are named.

    None beside another student than the default one: only with that one was their fit checked.
    """
    if artifact.resolve() != DEFAULT_ARTIFACT:
        return ()
    folders = (_ARTIFACTS / name for name in LANGUAGE_STUDENTS)
    return tuple(folder for folder in folders if folder.is_dir())
