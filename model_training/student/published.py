"""Published students that take part in a run: as a start, or as members of a teacher."""

from __future__ import annotations

import logging

from postern.contract.artifact import Artifact, read_artifact
from postern.contract.errors import ArtifactInvalid
from pydantic import ValidationError

from model_training.errors import RecipeInvalid
from model_training.recipe.config import DataConfig
from model_training.recipe.published import Named

_LOG = logging.getLogger(__name__)


def read_published(student: Named, data: DataConfig) -> Artifact:
    """A published student that takes part in a run.

    Raises RecipeInvalid where it is missing, damaged, or another one than the recipe names.

    Warns where it learnt from another split: of rows that are held out here it may know some, and
    then what is measured on them is too good.
    """
    folder = student.folder
    if not folder.is_dir():
        raise RecipeInvalid(
            f"{folder}: no such student; --older names the folder that holds older ones"
        )
    try:
        artifact = read_artifact(folder)
        was = DataConfig.model_validate(artifact.manifest.run_config.get("data", {}))
    except (ArtifactInvalid, ValidationError) as exc:
        reason = exc if isinstance(exc, ArtifactInvalid) else "its manifest holds another recipe"
        raise RecipeInvalid(f"{folder}: {reason}") from exc
    if student.sha256 not in (None, artifact.sha256):
        raise RecipeInvalid(f"{folder}: is not the student of the hash that the recipe names")
    if was != data:
        _LOG.warning(
            "%s: learnt from another [data] than this recipe's; if it saw the same rows, it may "
            "know some of those that are held out here",
            folder,
        )
    return artifact
