"""How a recipe names a published student: `name/version`, or `name/version@sha256 of its manifest`.

The repository carries only what is served. Older students that a recipe needs are looked up in a
folder that the user gives (`--older`). With the hash, another student of the same name is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, Field, PlainSerializer

_HASH: Final = re.compile(r"[0-9a-f]{64}")


class Named(NamedTuple):
    """folder: its location, or `name/version`. sha256: of its manifest; None accepts any."""

    folder: Path
    sha256: str | None


def named(value: str) -> Named:
    """Parse a name. Raises ValueError if the text after the @ is not a SHA-256 hash."""
    folder, at, sha256 = value.rpartition("@")
    if not at:
        return Named(Path(value), None)
    if not folder or not _HASH.fullmatch(sha256):
        raise ValueError(
            "must be a folder, or name/version@ followed by the SHA-256 of the manifest"
        )
    return Named(Path(folder), sha256)


def _checked(value: str) -> str:
    named(value)
    return value


def _name_and_version(value: str) -> str:
    """The last parts of a path: recipes are published, so local paths must not be."""
    return "/".join(Path(value).parts[-2:]) if Path(value).is_absolute() else value


PublishedStudent = Annotated[
    str, Field(min_length=1), AfterValidator(_checked), PlainSerializer(_name_and_version)
]


def placed(content: Mapping[str, Any], older: Path) -> dict[str, Any]:
    """The recipe with the paths of students in `older` in place of their names.

    Concerns those of `[distil]` and of the members of `[ensemble]`. Folders, and names that are not
    found, stay.
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
