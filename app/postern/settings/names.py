"""Checks names in settings: of the settings themselves, of hosts, of pages and of paths."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from postern.contract.errors import SettingsInvalid

PREFIX: Final = "POSTERN_"
# Variables of the tests, and those that Kubernetes sets for a service named postern.
_NOT_OURS: Final = re.compile(
    r"POSTERN_(TEST_\w+|SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_HOST: Final = re.compile(r"\*|(\*\.)?[A-Za-z0-9:._-]+")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def check_environment(environment: Iterable[str], fields: Iterable[str]) -> None:
    """Reject names that are no setting: `POSTERN_API_KEY`, a mistake, once served everyone.

    Raises SettingsInvalid, naming the nearest setting.
    """
    known = {f"{PREFIX}{field.upper()}" for field in fields}
    for name in environment:
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or _NOT_OURS.fullmatch(upper):
            continue
        nearest = difflib.get_close_matches(upper, sorted(known), n=1, cutoff=0.6)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise SettingsInvalid(f"{_printable(name)} is no setting{hint}")


def split_hosts(value: object) -> object:
    """Raises ValueError."""
    if not isinstance(value, str):
        return value
    hosts = comma_parts(value)
    if not all(map(_HOST.fullmatch, hosts)):
        raise ValueError("must hold host names or addresses without ports")
    return hosts


def split_origins(value: object) -> object:
    """Raises ValueError."""
    if not isinstance(value, str):
        return value
    origins = comma_parts(value)
    for origin in origins:
        parts = urlsplit(origin)
        is_origin = parts.scheme in ("http", "https") and parts.hostname is not None
        if origin != "*" and not (is_origin and origin == f"{parts.scheme}://{parts.netloc}"):
            raise ValueError("must hold origins such as https://app.example.org, or *")
    return origins


def checked_prefix(value: str) -> str:
    """Raises ValueError."""
    if not _PATH.fullmatch(value.rstrip("/")):
        raise ValueError("must be a path such as /postern")
    return value.rstrip("/")


def comma_parts(value: str) -> tuple[str, ...]:
    """The parts of a comma-separated string, stripped, without empty ones."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _printable(name: str) -> str:
    return name if name.isascii() and name.isprintable() else ascii(name)
