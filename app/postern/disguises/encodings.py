"""Text inside other text: base64, hexadecimal and percent escapes, Morse code.

Each function gives the text with its encoded parts decoded, or None if there are none. An encoded
part counts only if it decodes to something that reads like text: identifiers, hashes and keys do
not.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_HEX: Final = re.compile(r"(?:(?:\\x|0x|%|\\u00|&#x)?[0-9A-Fa-f]{2}[ ,;:\n]{0,2}){8,}")
_HEX_PREFIX: Final = re.compile(r"\\x|0x|%|\\u00|&#x|[ ,;:\n]")
_HEX_LETTER: Final = re.compile(r"[A-Fa-f]|\\x|%|0x")
_PLAIN: Final = frozenset(" \n\r\t.,;:!?'\"()-/")
_LEAST_DECODED: Final = 8

_MORSE_CODES: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- "
    "-..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_MORSE: Final = dict(
    zip(_MORSE_CODES.split(), "abcdefghijklmnopqrstuvwxyz0123456789", strict=True)
) | {".-.-.-": ".", "--..--": ",", "..--..": "?"}
_DOTS_AND_DASHES: Final = str.maketrans("·•∙‧–—−_‐‑", "....------")
_MORSE_RUN: Final = re.compile(r"(?:[.\-·•∙‧–—−_‐‑]{1,6}(?:[ \t\n/|]+|$)){6,}")
_MORSE_WORD_BREAK: Final = re.compile(r"[ \t]*[/|\n]+[ \t]*|[ \t]{2,}")


def reads_like_text(text: str) -> bool:
    """Whether decoded bytes are writing: printable, mostly letters, with plain punctuation."""
    if len(text) < _LEAST_DECODED:
        return False
    letters = sum(char.isalpha() for char in text)
    plain = letters + sum(char.isdigit() or char in _PLAIN for char in text)
    printable = all(char.isprintable() or char in "\n\r\t" for char in text)
    return printable and plain >= 0.9 * len(text) and letters >= 0.5 * len(text)


def from_base64(text: str) -> str | None:
    """Standard and URL-safe alphabet, with or without padding."""
    return spelled_out(_BASE64, text, _base64_part)


def from_hex(text: str) -> str | None:
    r"""Pairs of digits: plain, spaced, or written with `\x`, `0x`, `%`, `\u00` or `&#x`."""
    return spelled_out(_HEX, text, _hex_part)


def from_morse(text: str) -> str | None:
    """Letters of dots and dashes; `/`, `|`, line breaks and wide spaces separate words."""
    return spelled_out(_MORSE_RUN, text, _morse_part)


def spelled_out(
    pattern: re.Pattern[str], text: str, decode: Callable[[str], str | None]
) -> str | None:
    """The text with each match replaced by the result of `decode`; None if there is no result."""
    found = False

    def replace(match: re.Match[str]) -> str:
        nonlocal found
        decoded = decode(match[0])
        if decoded is None:
            return match[0]
        found = True
        return f" {decoded} "

    spelled = pattern.sub(replace, text)
    return spelled if found else None


def _base64_part(part: str) -> str | None:
    bare = part.rstrip("=").translate(_URL_SAFE)
    for start in range(4):  # letters may stand right before it
        blob = bare[start:]
        if len(blob) % 4 == 1:
            blob = blob[:-1]
        decoded = _text_of(_base64_bytes(blob))
        if decoded is not None:
            return bare[:start] + " " + decoded if start else decoded
    return None


def _base64_bytes(blob: str) -> bytes:
    try:
        return base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True)
    except binascii.Error:
        return b""


def _hex_part(part: str) -> str | None:
    if not _HEX_LETTER.search(part):
        return None  # digits alone are numbers
    digits = _HEX_PREFIX.sub("", part)
    return _text_of(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _text_of(content: bytes) -> str | None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return text if reads_like_text(text) else None


def _morse_part(part: str) -> str | None:
    words = [
        [_MORSE.get(code) for code in word.split()]
        for word in _MORSE_WORD_BREAK.split(part.translate(_DOTS_AND_DASHES).strip(" \t\n/|"))
    ]
    letters = [letter for word in words for letter in word]
    if None in letters or len(set(letters)) < 4:
        return None  # a rule, a row of dots, a table
    return " ".join("".join(filter(None, word)) for word in words)
