"""Published students that take part in a run, as its start or as members of a teacher."""

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
    """Read a published student that takes part in a run.

    Raises RecipeInvalid if it is missing, damaged, or not the one that the recipe names. Warns if
    it was trained on another split: it may know rows that are held out here, and measurements on
    them would be too good.
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
        reason = exc if isinstance(exc, ArtifactInvalid) else "its manifest contains another recipe"
        raise RecipeInvalid(f"{folder}: {reason}") from exc
    if student.sha256 not in (None, artifact.sha256):
        raise RecipeInvalid(f"{folder}: its hash differs from the one that the recipe names")
    if was != data:
        _LOG.warning(
            "%s: trained on another [data] than this recipe's; if it saw the same rows, it may "
            "know some rows that are held out here",
            folder,
        )
    return artifact
