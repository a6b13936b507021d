"""Conditions for accepting the first connection: who may connect, and how many."""

from __future__ import annotations

import ipaddress
import logging
import resource
import socket
from pathlib import Path
from typing import Final

from postern.contract.errors import SettingsInvalid
from postern.http.hosts import Hosts, is_loopback
from postern.logs import log
from postern.settings.settings import Settings

# Descriptors for files, the model's threads, the upstream and the teacher, besides the connections.
_OTHER_DESCRIPTORS: Final = 128
_FEWEST_CONNECTIONS: Final = 16


def check_exposure(settings: Settings, *, address: str | None, has_keys: bool) -> None:
    """Raises SettingsInvalid if everyone would be served without a setting that allows it.

    address: the address to listen on; None for a socket in the file system.
    """
    if has_keys or settings.access.allow_anonymous or address is None or is_loopback(address):
        return
    raise SettingsInvalid(
        f"without API keys everyone who reaches {address} would be served: set POSTERN_API_KEYS "
        "or POSTERN_API_KEYS_FILE, or POSTERN_ALLOW_ANONYMOUS=true if that is intended"
    )


def hosts_of(settings: Settings, *, address: str | None, has_keys: bool) -> Hosts:
    """The host names to answer to: without keys on a loopback address, only those of this
    machine."""
    guarded = not has_keys and address is not None and is_loopback(address)
    return Hosts(
        settings.access.allowed_hosts,
        origins=settings.access.cors_origins,
        checks_hosts=guarded or bool(settings.access.allowed_hosts),
        checks_origins=guarded or (not has_keys and bool(settings.access.allowed_hosts)),
    )


def connections_within_descriptors(wanted: int) -> int:
    """Number of connections that this process can keep. Logs if that is fewer than configured.

    Beyond the limit on descriptors, the system would let clients wait without an answer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        if raised > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    possible = max(_FEWEST_CONNECTIONS, soft - _OTHER_DESCRIPTORS)
    if possible >= wanted:
        return wanted
    log(
        "few-file-descriptors",
        level=logging.WARNING,
        limit=soft,
        max_connections=wanted,
        kept_connections=possible,
    )
    return possible


def checked_host(name: str) -> str:
    """A host to listen on. Raises SettingsInvalid if no resolver can accept it."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        labels = name.rstrip(".").split(".")
        if "\0" in name or not all(0 < len(label.encode()) <= 63 for label in labels):
            raise SettingsInvalid("host is not a valid host name or address") from None
    return name


def listen_in_files(path: Path) -> socket.socket:
    """A socket in the file system. It replaces one on which nobody listens any more.

    Raises SettingsInvalid.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _answers(path):
            path.unlink()
        listener.bind(str(path))
        listener.listen(2048)
    except (OSError, ValueError) as exc:
        listener.close()
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a valid path"
        raise SettingsInvalid(f"cannot listen on the socket of POSTERN_UDS ({reason})") from exc
    listener.setblocking(False)
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0
