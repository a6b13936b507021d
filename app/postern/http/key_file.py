"""An API key in a file of its own, so that it stands in no environment."""

from __future__ import annotations

from pathlib import Path

from postern.contract.errors import SettingsInvalid


def read_key(path: Path, *, setting: str) -> str:
    """The only line of a file. setting: that named the file.

    Raises SettingsInvalid if it cannot be read, or is no key that a header can carry.
    """
    try:
        key = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsInvalid(f"{setting} cannot be read") from exc
    if not key or not (key.isascii() and key.isprintable()) or " " in key:
        raise SettingsInvalid(f"{setting} must contain one line of printable ASCII")
    return key
