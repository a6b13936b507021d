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
from functools import partial
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


def writing(decoded: str, *, strict: bool = False) -> str | None:
    """Decoded text if it is writing: mostly letters, with plain punctuation. None otherwise.

    One odd character must not hide the rest. So spaces of all kinds become plain ones, invisible
    characters are left out, and so are broken and control characters, though these count against
    it. strict: with one of these, it is no writing.
    """
    seen = HIDDEN.sub("", decoded)
    text = "".join(shown for char in seen if (shown := _shown(char)))
    letters = sum(char.isalpha() for char in text)
    plain = letters + sum(char.isdigit() or char in _PLAIN for char in text)
    reads = plain >= 0.9 * len(seen) and letters >= 0.5 * len(seen)
    whole = len(text) == len(seen) or not strict
    return text if reads and whole and len(text) >= _LEAST_DECODED else None


def _shown(char: str) -> str:
    """How a character is read; empty if it stands for nothing."""
    if char in "\n\r\t":
        return char
    if char.isspace():
        return " "
    if "\U000e0020" <= char <= "\U000e007e":  # tags, which models read as letters
        return chr(ord(char) - 0xE0000)
    return char if char.isprintable() and char != _BROKEN else ""


def text_of(content: bytes, *, strict: bool = False) -> str | None:
    """The writing in UTF-8, or in UTF-16 of Latin letters, of which every second byte is zero.

    strict: as in `writing`.
    """
    marks = (b"\xff\xfe", b"\xfe\xff")
    bare = content[2:] if content.startswith(marks) else content
    for codec, zeros in (("utf-16-le", bare[1::2]), ("utf-16-be", bare[::2])):
        if zeros and not any(zeros):
            text = writing(bare.decode(codec, errors="replace"), strict=strict)
            ascii_letters = sum(char.isascii() and char.isalpha() for char in text or "")
            return text if ascii_letters * 2 >= len(text or "") else None
    if strict:
        try:
            return writing(content.decode(), strict=True)
        except UnicodeDecodeError:
            return None
    return writing(content.replace(b"\0", b"").decode(errors="replace"))


def from_base64(text: str, *, strict: bool = False) -> str | None:
    """Standard and URL-safe alphabet, with or without padding. strict: as in `writing`."""
    return spelled_out(_BASE64, text, partial(_base64_part, strict=strict))


def from_hex(text: str, *, strict: bool = False) -> str | None:
    r"""Pairs of digits: plain, spaced, or written with `\x`, `0x`, `%`, `\u00` or `&#x`.

    strict: as in `writing`.
    """
    return spelled_out(_HEX, text, partial(_hex_part, strict=strict))


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


def _base64_part(part: str, *, strict: bool) -> str | None:
    bare = part.rstrip("=").translate(_URL_SAFE)
    for start in range(4):  # letters may stand right before it
        blob = bare[start:]
        if len(blob) % 4 == 1:
            blob = blob[:-1]
        decoded = text_of(_base64_bytes(blob), strict=strict)
        if decoded is not None:
            return bare[:start] + " " + decoded if start else decoded
    return None


def _base64_bytes(blob: str) -> bytes:
    try:
        return base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True)
    except binascii.Error:
        return b""


def _hex_part(part: str, *, strict: bool) -> str | None:
    if not _HEX_LETTER.search(part):
        return None  # digits alone are numbers
    digits = _HEX_PREFIX.sub("", part)
    # The last letters of a word before it may look like digits: `code: 48 6f`, `face48 6f`.
    starts = (digits[start:] for start in range(2))
    texts = (text_of(bytes.fromhex(one[: len(one) // 2 * 2]), strict=strict) for one in starts)
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
