"""Collects the head of a request, whole and within limits, before the parser sees any of it.

Collecting first keeps three promises that the parser alone cannot. Memory stays flat, because a
head is counted before a Python object is made for each of its headers (40 MB of `a:b` lines took 1
GB). Time stays linear, because the parser is fed once (it joins the parts of one long header in
quadratic time). And an offer to upgrade is hidden from it, after which it would read no body.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from postern.contract.errors import HeadersTooLarge, MalformedRequest, UrlTooLong

END: Final = b"\r\n\r\n"
"""The end of a head. The parser accepts nothing else: a line feed alone is an error to it."""

# Generous allowance for the method, the version and two spaces.
_AROUND_THE_URL: Final = 64
_OFFER: Final = re.compile(rb"(?<=\r\n)upgrade(?=:)", re.IGNORECASE)
_HIDDEN: Final = b"ignored"


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """max_bytes: of a whole head, including its request line. max_headers: lines after that one."""

    max_bytes: int
    max_headers: int
    max_url_bytes: int


class Heads:
    """Collects the heads of one connection, one after the other."""

    __slots__ = ("_held", "_limits")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._held = bytearray()

    def take(self, data: bytes, start: int) -> tuple[bytes | None, int]:
        """The head that ends in `data`, or None if it is incomplete, and where the rest begins.

        Raises UrlTooLong, HeadersTooLarge.
        """
        held = self._held
        if not held:
            start = _after_blank_lines(data, start)
            found = data.find(END, start)
            if found >= 0:
                return self._checked(data[start : found + len(END)]), found + len(END)
        before = len(held)
        # Keep only enough to know that it is too much.
        held += data[start : start + self._limits.max_bytes + len(END) - before]
        found = held.find(END, max(0, before - len(END) + 1))
        if found < 0:
            self._check_unfinished(held)
            return None, len(data)
        head = bytes(held[: found + len(END)])
        held.clear()
        return self._checked(head), start + len(head) - before

    def _checked(self, head: bytes) -> bytes:
        limits = self._limits
        line_end = head.find(b"\r\n")
        if line_end > limits.max_url_bytes:
            parts = head[:line_end].split(b" ")
            if max(map(len, parts)) > limits.max_url_bytes:
                raise UrlTooLong(limits.max_url_bytes)
        if len(head) > limits.max_bytes:
            raise HeadersTooLarge(f"the headers have more than {limits.max_bytes} bytes")
        if head.count(b"\r\n") - 2 > limits.max_headers:
            raise HeadersTooLarge(f"the request has more than {limits.max_headers} headers")
        return _without_offers(head)

    def _check_unfinished(self, held: bytearray) -> None:
        limits = self._limits
        at_most = limits.max_url_bytes + _AROUND_THE_URL
        if len(held) > at_most and held.find(b"\r\n", 0, at_most) < 0:
            raise UrlTooLong(limits.max_url_bytes)
        if len(held) > limits.max_bytes:
            raise HeadersTooLarge(f"the headers have more than {limits.max_bytes} bytes")


def _after_blank_lines(data: bytes, start: int) -> int:
    """Skip blank lines before a request, which are not an error (RFC 9112, section 2.2)."""
    if start < len(data) and data[start] in b"\r\n":
        return len(data) - len(data[start:].lstrip(b"\r\n"))
    return start


def _without_offers(head: bytes) -> bytes:
    """Decline every offer to upgrade by removing it (RFC 9110, section 7.8).

    The parser treats the bytes after such a head as another protocol, so a body that came in a
    second segment was run as a request of its own.
    """
    if b"\r\nupgrade:" not in head.lower():
        return head
    return _OFFER.sub(_HIDDEN, head)


def body_length(headers: Sequence[tuple[bytes, bytes]], version: str) -> int | None:
    """Bytes of the body that a head announces; None for a chunked one.

    headers: names in lower case. Raises MalformedRequest if two readers could disagree (RFC 9112,
    section 6.3).
    """
    if version not in ("1.0", "1.1"):
        raise MalformedRequest
    names = [name for name, _ in headers]
    if names.count(b"host") > 1:
        raise MalformedRequest("the request has more than one header Host")
    if b"transfer-encoding" in names:
        if version == "1.0":
            raise MalformedRequest("HTTP/1.0 has no Transfer-Encoding")
        return None
    if b"content-length" in names:
        return int(headers[names.index(b"content-length")][1])
    return 0
