"""Who may use the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from postern.contract.errors import SettingsInvalid
from postern.settings.section import Section, read_secret_lines, split_list


class AccessSettings(Section):
    """API keys."""

    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Accepted API keys, separated by commas. If none is set, requests need no key.",
    )
    api_keys_file: Path | None = Field(
        None,
        description="File with one accepted API key per line. A line that starts with # is a "
        "comment.",
    )

    _split_keys = field_validator("api_keys", mode="before")(split_list)

    def accepted_keys(self) -> tuple[str, ...]:
        """All API keys, from the environment and from the file. Raises SettingsInvalid."""
        keys = [key.get_secret_value() for key in self.api_keys]
        if self.api_keys_file is not None:
            found = read_secret_lines(self.api_keys_file, name="api_keys_file")
            if not found:
                # An empty file would otherwise open the server to everyone.
                raise SettingsInvalid("api_keys_file contains no key")
            keys += found
        return tuple(keys)
