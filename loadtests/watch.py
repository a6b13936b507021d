"""Resource use of a server process and all its children, read from /proc."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/<pid>/stat after the name, which may contain spaces and brackets.
_STATE, _PARENT, _USER, _SYSTEM = 0, 1, 11, 12
_LISTENS = "0A"


@dataclass(frozen=True)
class Usage:
    """cpu_s: processor time of all processes, in seconds. memory: resident bytes of all processes;
    a shared page counts once for each process.
    """

    cpu_s: float = 0.0
    memory_bytes: int = 0
    memory_before_bytes: int = 0
    memory_peak_bytes: int = 0


class Watch:
    """A process tree; all values are zero if pid is None."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid

    def usage(self) -> Usage:
        if self.pid is None:
            return Usage()
        cpu, memory = 0.0, 0
        for one in tree(self.pid):
            try:
                fields = _stat(one)
                memory += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * _PAGE_BYTES
            except (OSError, IndexError):  # it ended meanwhile
                continue
            cpu += (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_S
        return Usage(cpu_s=cpu, memory_bytes=memory)

    def open_files(self) -> int:
        """Open file descriptors of all processes."""
        if self.pid is None:
            return 0
        return sum(len(os.listdir(f"/proc/{one}/fd")) for one in tree(self.pid))


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for one in _all_pids():
        try:
            children.setdefault(int(_stat(one)[_PARENT]), []).append(one)
        except OSError:
            continue
    found = [pid]
    for one in found:  # grows during the loop
        found += children.get(one, [])
    return found


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return _stat(pid)[_STATE] != "Z"
    except OSError:
        return False


def listener_pid(url: str) -> int | None:
    """The process on this machine that listens at `url`; None if it cannot be determined."""
    place = urlsplit(url)
    try:
        address = socket.gethostbyname(place.hostname or "")
    except OSError:
        return None
    if not address.startswith("127."):
        return None
    inodes = _listening_inodes(place.port or 80)
    # The oldest of several: workers inherit the socket from the process that opened it.
    owners = [pid for pid in _all_pids() if inodes & _sockets(pid)]
    return min(owners, key=_started, default=None)


def wait_until_idle(watch: Watch, *, patience_s: float) -> None:
    """Wait until the processes have used almost no CPU time for half a second."""
    deadline = time.monotonic() + patience_s
    before = watch.usage().cpu_s
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = watch.usage().cpu_s
        if now - before < 0.1:
            return
        before = now


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _started(pid: int) -> int:
    return int(_stat(pid)[19])


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _sockets(pid: int) -> set[str]:
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return set()
    return {link for link in links if link.startswith("socket:")}
