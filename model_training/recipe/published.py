"""How a recipe names a published student: `name/version`, or `name/version@sha256 of its manifest`.

The tree carries what is served; what a recipe needs of older students is looked up in a folder that
the user gives (`--older`). With the hash, another student of the same name is no substitute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, Field, PlainSerializer

_HASH: Final = re.compile(r"[0-9a-f]{64}")


class Named(NamedTuple):
    """folder: where it lies, or `name/version`. sha256: of its manifest; None where any will do."""

    folder: Path
    sha256: str | None


def named(value: str) -> Named:
    """Raises ValueError where what stands behind the @ is no SHA-256."""
    folder, at, sha256 = value.rpartition("@")
    if not at:
        return Named(Path(value), None)
    if not folder or not _HASH.fullmatch(sha256):
        raise ValueError("must be a folder, or name/version@ and the SHA-256 of the manifest")
    return Named(Path(folder), sha256)


def _checked(value: str) -> str:
    named(value)
    return value


def _name_and_version(value: str) -> str:
    """Recipes are published with the artifact: a folder by its name, not by where it lies."""
    return "/".join(Path(value).parts[-2:]) if Path(value).is_absolute() else value


PublishedStudent = Annotated[
    str, Field(min_length=1), AfterValidator(_checked), PlainSerializer(_name_and_version)
]


def placed(content: Mapping[str, Any], older: Path) -> dict[str, Any]:
    """A recipe as TOML has it, where students that lie in `older` are named by their place there.

    Those of `[distil]` and of the members of `[ensemble]`. Folders, and what lies nowhere, stay.
    """
    found = dict(content)
    if isinstance(distil := found.get("distil"), Mapping):
        found["distil"] = _placed(distil, older)
    ensemble = found.get("ensemble")
    if isinstance(ensemble, Mapping) and isinstance(members := ensemble.get("members"), list):
        found["ensemble"] = {
            **ensemble,
            "members": [
                _placed(one, older) if isinstance(one, Mapping) else one for one in members
            ],
        }
    return found


def _placed(section: Mapping[str, Any], older: Path) -> dict[str, Any]:
    value = section.get("artifact")
    if not isinstance(value, str):
        return dict(section)
    folder, at, sha256 = value.partition("@")
    place = (older / folder).resolve()
    if Path(folder).is_dir() or not place.is_dir():
        return dict(section)
    return {**section, "artifact": f"{place}{at}{sha256}"}
