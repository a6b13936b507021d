"""Which host names this server answers to, and which web pages may call it.

A web page can let its own name point to 127.0.0.1, and so talk to a local server that needs no key
(DNS rebinding; CVE-2024-28224 in Ollama). The browser reveals this: `Host` and `Origin` name the
page's server, not this one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.types import Scope

from postern.contract.errors import ForeignHost, ForeignOrigin

_REMEMBERED: Final = 256


class Hosts:
    """names: accepted in addition to those of this machine; `*.example.org` for subdomains, `*` for
    all.

    checks_hosts: false if the server may be reached under any name. checks_origins: true if no key
    protects it.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        origins: Sequence[str] = (),
        checks_hosts: bool,
        checks_origins: bool,
    ) -> None:
        self._names = tuple(name.lower() for name in names)
        self._origins = frozenset(origins)
        self._checks_hosts = checks_hosts
        self._checks_origins = checks_origins
        self._ours: dict[bytes, bool] = {}

    def check(self, scope: Scope) -> None:
        """Raises ForeignHost, ForeignOrigin."""
        if not (self._checks_hosts or self._checks_origins):
            return
        for name, value in scope["headers"]:
            if name == b"host":
                if self._checks_hosts and not self._remembered(value):
                    raise ForeignHost
            elif name == b"origin" and self._checks_origins and not self._takes_page(value):
                raise ForeignOrigin

    def _remembered(self, value: bytes) -> bool:
        found = self._ours.get(value)
        if found is None:
            if len(self._ours) >= _REMEMBERED:
                self._ours.clear()
            found = self._ours[value] = self._is_ours(_without_port(value.decode("latin-1")))
        return found

    def _takes_page(self, value: bytes) -> bool:
        origin = value.decode("latin-1")
        if origin in self._origins or "*" in self._origins:
            return True
        try:
            name = urlsplit(origin).hostname
        except ValueError:
            return False
        return name is not None and self._is_ours(name)

    def _is_ours(self, name: str) -> bool:
        name = name.lower().rstrip(".")
        return is_loopback(name) or any(
            name == ours or ours == "*" or (ours.startswith("*.") and name.endswith(ours[1:]))
            for ours in self._names
        )


def is_loopback(name: str) -> bool:
    """Whether a name or an address can only mean this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _without_port(host: str) -> str:
    host = host.strip()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
