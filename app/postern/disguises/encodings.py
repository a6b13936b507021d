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

from postern.disguises.lettering import HIDDEN

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_HEX: Final = re.compile(r"(?:(?:\\x|0x|%|\\u00|&#x)?[0-9A-Fa-f]{2}[ ,;:\n]{0,2}){8,}")
_HEX_PREFIX: Final = re.compile(r"\\x|0x|%|\\u00|&#x|[ ,;:\n]")
_HEX_LETTER: Final = re.compile(r"[A-Fa-f]|\\x|%|0x")
_PLAIN: Final = frozenset(" \n\r\t.,;:!?'\"()-/")
_LEAST_DECODED: Final = 8
_BROKEN: Final = "\ufffd"  # stands for bytes that are no character

# ITU-R M.1677-1, and the usual codes for signs beyond it.
_MORSE_CODES: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- "
    "-..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. "
    ".-.-.- --..-- ..--.. -.-.-- .----. -..-. -.--. -.--.- .-... ---... -.-.-. -...- .-.-. -....- "
    "..--.- .-..-. ...-..- .--.-."
)
_MORSE_SIGNS: Final = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'/()&:;=+-_\"$@"
_MORSE: Final = dict(zip(_MORSE_CODES.split(), _MORSE_SIGNS, strict=True))
_LEAST_LETTERS_OF_MORSE: Final = 4
_MOST_UNKNOWN: Final = 1 / 8
_DOTS_AND_DASHES: Final = str.maketrans("·•∙‧–—−_‐‑", "....------")
_MORSE_RUN: Final = re.compile(r"(?:[.\-·•∙‧–—−_‐‑]{1,7}(?:[ \t\n/|]+|$)){6,}")
_MORSE_WORD_BREAK: Final = re.compile(r"[ \t]*[/|\n]+[ \t]*|[ \t]{2,}")


def writing(decoded: str) -> str | None:
    """Decoded text if it is writing: mostly letters, with plain punctuation. None otherwise.

    One odd character must not hide the rest. So spaces of all kinds become plain ones, and what
    cannot be seen is left out; but broken bytes and control characters count against it.
    """
    seen = HIDDEN.sub("", decoded)
    spaced = "".join(" " if char.isspace() and char not in "\n\r\t" else char for char in seen)
    text = "".join(char for char in spaced if _is_shown(char))
    letters = sum(char.isalpha() for char in text)
    plain = letters + sum(char.isdigit() or char in _PLAIN for char in text)
    reads = plain >= 0.9 * len(seen) and letters >= 0.5 * len(seen)
    return text if reads and len(text) >= _LEAST_DECODED else None


def _is_shown(char: str) -> bool:
    return char in "\n\r\t" or (char.isprintable() and char != _BROKEN)


def text_of(content: bytes) -> str | None:
    """The writing in UTF-8, or in UTF-16, in which half the bytes of Latin letters are zero."""
    zeros = content.count(0)
    if zeros * 3 < len(content):
        return writing(content.decode(errors="replace"))
    codec = "utf-16-be" if content[::2].count(0) * 2 > zeros else "utf-16-le"
    return writing(content.decode(codec, errors="replace"))


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
        decoded = text_of(_base64_bytes(blob))
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
    # The last letters of a word before it may look like digits: `code: 48 6f`, `face48 6f`.
    starts = (digits[start:] for start in range(2))
    texts = (text_of(bytes.fromhex(one[: len(one) // 2 * 2])) for one in starts)
    return next((text for text in texts if text is not None), None)


def _morse_part(part: str) -> str | None:
    words = [
        [_MORSE.get(code) for code in word.split()]
        for word in _MORSE_WORD_BREAK.split(part.translate(_DOTS_AND_DASHES).strip(" \t\n/|"))
    ]
    letters = [letter for word in words for letter in word]
    known = set(letters) - {None}
    unknown = letters.count(None)
    if unknown > _MOST_UNKNOWN * len(letters) or len(known) < _LEAST_LETTERS_OF_MORSE:
        return None  # a rule, a row of dots, a table
    return " ".join("".join(filter(None, word)) for word in words)
