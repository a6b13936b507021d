"""The base of every section of the settings, and checks that several sections share."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from postern.contract.errors import SettingsInvalid
from postern.settings.names import PREFIX as PREFIX
from postern.settings.names import comma_parts


class Section(BaseSettings):
    """A section of the settings.

    Sizes are in tokens, characters or bytes; names of durations end in their unit.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")


def checked_url(value: str | None) -> str | None:
    """The base URL without a trailing slash. Raises ValueError."""
    return None if value is None else _checked(value, query=False)


def checked_url_with_query(value: str | None) -> str | None:
    """Like `checked_url`, but allows a query: Azure puts the version of its API into every URL."""
    return None if value is None else _checked(value, query=True)


def _checked(value: str, *, query: bool) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username is not None or parts.fragment or (parts.query and not query):
        raise ValueError(f"must contain no user{'' if query else ', query'} or fragment")
    if parts.port == 0 or not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must be a URL")
    path, mark, rest = value.partition("?")
    return path.rstrip("/") + mark + rest


def header_secret(value: SecretStr | None) -> SecretStr | None:
    """A secret that fits into a header. An empty one counts as none. Raises ValueError."""
    key = value.get_secret_value() if value is not None else None
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
        raise ValueError("must be printable ASCII without spaces around it")
    return value or None


def split_list(value: object) -> object:
    """The parts of a comma-separated string. Anything else is returned as it is."""
    if isinstance(value, str):
        return comma_parts(value)
    return value


def read_secret_lines(path: Path, *, name: str) -> list[str]:
    """Lines of a file of secrets without blank lines and comments. Raises SettingsInvalid."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as exc:
        raise SettingsInvalid(f"{name} cannot be read") from exc
    found = [line.strip() for line in lines]
    return [line for line in found if line and not line.startswith("#")]
