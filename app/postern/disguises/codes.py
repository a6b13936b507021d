"""Text written in codes: character references, percent escapes, base32, binary, decimal codes.

Each function gives the text with its encoded parts decoded, or None if there are none. Codes that
every page or address contains (`&amp;`, `%20` in a link) are not a disguise; neither are numbers
that spell nothing.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from functools import partial
from html.entities import html5
from typing import Final

from postern.contract.text import nfkc
from postern.disguises.ciphers import COMMON
from postern.disguises.encodings import spelled_out, text_of, writing

_NUMERIC: Final = re.compile(r"&#(?:[xX][0-9A-Fa-f]{1,6}|[0-9]{1,7});?")
_NAMED: Final = re.compile(r"&[A-Za-z][A-Za-z0-9]{1,31};")
_LEAST_LETTERS: Final = 3
_LEAST_SIGNS: Final = 2
# HTML needs these, so they say nothing.
_USUAL: Final = frozenset("&<>\"'\u00a0")

_TOKEN: Final = re.compile(r"\S+")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_LEAST_ESCAPES: Final = 2
_LEAST_WORDS_OF_A_LINK: Final = 3
_WORD: Final = re.compile(r"[A-Za-z]+")

_BASE32: Final = re.compile(r"(?<![A-Za-z0-9+/])[A-Z2-7]{16,}={0,6}(?![A-Za-z0-9+/=])")
_BINARY: Final = re.compile(r"(?:(?:0b)?[01]{8}[ ,;_\n-]{0,2}){6,}")
_BINARY_7: Final = re.compile(r"(?<![01])(?:[01]{7}[ ,;\n]{1,2}){6,}(?:[01]{7}(?![01]))?")
_BYTE: Final = re.compile(r"[01]{8}")
_BYTE_7: Final = re.compile(r"[01]{7}")
_DECIMAL: Final = re.compile(
    r"(?<![\d.])(?:1[0-2]\d|[3-9]\d|10|13)(?:[ ,;:|/\n-]{1,3}(?:1[0-2]\d|[3-9]\d|10|13)){7,}(?!\d)"
)
_NUMBER: Final = re.compile(r"\d+")
_LEAST_DISTINCT: Final = 5
_VOWEL_SHARE: Final = (0.2, 0.6)
_LETTER_SHARE: Final = 0.7


# `html.unescape` reads the digits with `int`, which refuses thousands of them. Zeros in front mean
# nothing, and eight digits are already beyond Unicode.
_LONG_REFERENCE: Final = re.compile(r"&#0*([0-9]{1,8})[0-9]*")


def from_entities(text: str) -> str | None:
    """HTML character references: `&#72;`, `&#x48;`, `&quest;`, for letters or signs that need none.

    Uses the table of HTML 5 (`html.entities`). References that HTML requires do not count.
    """
    if "&" not in text:
        return None
    text = _LONG_REFERENCE.sub(r"&#\1", text)
    numeric = sum(_is_letter(html.unescape(one)) for one in _NUMERIC.findall(text))
    named = [html5.get(one[1:], "") for one in _NAMED.findall(text)]
    letters = numeric + sum(map(_is_letter, named))
    signs = sum(char.isascii() and char != "" and char not in _USUAL for char in named)
    if letters < _LEAST_LETTERS and signs < _LEAST_SIGNS:
        return None
    return html.unescape(text)


def _is_letter(char: str) -> bool:
    plain = nfkc(char)
    return len(plain) == 1 and plain.isascii() and plain.isalnum()


def from_percent(text: str) -> str | None:
    """Percent escapes (RFC 3986) of words: `How%20do%20I`, `How+do+I%3F`.

    Links contain some; those count only if they spell a sentence.
    """
    if text.count("%") < _LEAST_ESCAPES:
        return None
    return spelled_out(_TOKEN, text, _percent_part)


def _percent_part(part: str) -> str | None:
    if len(_ESCAPE.findall(part)) < _LEAST_ESCAPES:
        return None
    spaced = part.replace("+", " ") if part.count("+") >= _LEAST_ESCAPES else part
    decoded = writing(_ESCAPES.sub(_unescaped, spaced))
    if decoded is None:
        return None
    is_link = "://" in part or part.startswith("www.")
    return None if is_link and common_words(decoded) < _LEAST_WORDS_OF_A_LINK else decoded


def _unescaped(run: re.Match[str]) -> str:
    """Escapes in a row as text; those that are no UTF-8 stay: `%fentanyl`."""
    written = run[0]
    read = bytes.fromhex(written.replace("%", "")).decode(errors="surrogateescape")
    shown, at = [], 0
    for char in read:
        is_broken = "\udc80" <= char <= "\udcff"
        size = 1 if is_broken else len(char.encode())
        shown.append(written[3 * at : 3 * at + 3] if is_broken else char)
        at += size
    return "".join(shown)


def common_words(text: str) -> int:
    """Number of distinct common English words in a text."""
    return len(COMMON.intersection(word.lower() for word in _WORD.findall(text)))


def from_base32(text: str, *, strict: bool = False) -> str | None:
    """Base32 (RFC 4648), with or without padding. strict: as in `writing`."""
    return spelled_out(_BASE32, text, partial(_base32_part, strict=strict))


def _base32_part(part: str, *, strict: bool) -> str | None:
    bare = part.rstrip("=")
    bare = bare[: len(bare) - (1 if len(bare) % 8 in (1, 3, 6) else 0)]
    try:
        content = base64.b32decode(bare + "=" * (-len(bare) % 8))
    except binascii.Error:
        return None
    return text_of(content, strict=strict)


def from_binary(text: str, *, strict: bool = False) -> str | None:
    """Bytes as eight binary digits, or characters as seven that stand apart.

    strict: as in `writing`.
    """
    eight = partial(_digits_part, digits=_BYTE, strict=strict)
    seven = partial(_digits_part, digits=_BYTE_7, strict=strict)
    return spelled_out(_BINARY, text, eight) or spelled_out(_BINARY_7, text, seven)


def _digits_part(part: str, *, digits: re.Pattern[str], strict: bool) -> str | None:
    found = digits.findall(part.replace("0b", ""))
    return text_of(bytes(int(one, 2) for one in found), strict=strict)


def from_decimal(text: str) -> str | None:
    """ASCII codes in decimal (`72 111 119`); plain numbers hardly ever spell words."""
    return spelled_out(_DECIMAL, text, _decimal_part)


def _decimal_part(part: str) -> str | None:
    decoded = text_of(bytes(int(one) for one in _NUMBER.findall(part)))
    if decoded is None:
        return None
    letters = [char.lower() for char in decoded if char.isalpha()]
    vowels = sum(char in "aeiou" for char in letters)
    low, high = _VOWEL_SHARE
    writes = (
        len(letters) >= _LETTER_SHARE * len(decoded)
        and len(set(letters)) >= _LEAST_DISTINCT
        and low <= vowels / len(letters) <= high
    )
    return decoded if writes and (" " in decoded or common_words(decoded)) else None
