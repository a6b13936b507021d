"""HTTP by hand over a socket: what well-behaved clients never send."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass

from tests.server_process import HANG_S, ServerProcess


@dataclass(frozen=True)
class RawReply:
    """One reply as it came. headers: names in lower case, the last of each."""

    status: int
    headers: dict[str, str]
    body: bytes


def head(
    method: str = "POST", path: str = "/classify", *lines: str, length: int | None = None
) -> bytes:
    """A request's head for our own server."""
    fixed = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    if length is not None:
        fixed.append(f"Content-Length: {length}")
    return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")


def read_replies(connection: socket.socket, count: int = 1 << 30) -> list[RawReply]:
    """Up to `count` replies, or all until the server closes or resets."""
    received = b""
    replies: list[RawReply] = []
    while len(replies) < count:
        reply, rest = _first_reply(received)
        if reply is not None:
            replies.append(reply)
            received = rest
            continue
        try:
            part = connection.recv(1 << 16)
        except ConnectionError:
            break
        if not part:
            break
        received += part
    assert count != 1 << 30 or not received, received[:200]
    return replies


def _first_reply(received: bytes) -> tuple[RawReply | None, bytes]:
    found, separator, rest = received.partition(b"\r\n\r\n")
    if not separator:
        return None, received
    line, *lines = found.decode("latin-1").split("\r\n")
    status = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", line)
    assert status, line
    headers = {}
    for one in lines:
        name, _, value = one.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    if len(rest) < length:
        return None, received
    return RawReply(int(status[1]), headers, rest[:length]), rest[length:]


def exchange(server: ServerProcess, *segments: bytes, pause_s: float = 0.05) -> list[RawReply]:
    """Sends segments, each as a packet of its own, and reads until the server closes."""
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for segment in segments:
            connection.sendall(segment)
            time.sleep(pause_s)
        connection.settimeout(HANG_S)
        return read_replies(connection)
