"""Who may use the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from postern.contract.errors import SettingsInvalid
from postern.settings.names import split_hosts, split_origins
from postern.settings.section import Section, read_secret_lines, split_list


class AccessSettings(Section):
    """API keys, and where clients may come from."""

    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Accepted API keys, separated by commas. If none is set, requests need no key.",
    )
    api_keys_file: Path | None = Field(
        None,
        description="File with one accepted API key per line. A line that starts with # is a "
        "comment.",
    )

    allow_anonymous: bool = Field(
        False, description="Serve everyone who reaches an address that is not this machine's own."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Names that the header Host may hold beside those of this machine, separated "
        "by commas; *.example.org stands for all names below. Unset: any name, except on this "
        "machine's own address without keys.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins of web pages that may call this server from a browser, separated by "
        "commas.",
    )

    _split_hosts = field_validator("allowed_hosts", mode="before")(split_hosts)
    _split_origins = field_validator("cors_origins", mode="before")(split_origins)

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        keys = split_list(value)
        if isinstance(value, str) and not keys:
            # An empty value, from a missing secret, once opened the server to everyone.
            raise ValueError("holds no key; leave it unset to require none")
        return keys

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
