"""Tables of characters and words, as Python and its tokenizer see them -> `src/tables.ts`.

JavaScript engines have Unicode versions of their own, and Python's regular expressions, `isalnum`
and `isprintable` have no equals there. So nothing is asked of the engine that a table can say.
"""

from __future__ import annotations

import hashlib
import html
import json
import string
import sys
import unicodedata
from collections.abc import Callable, Iterable
from html.entities import html5
from typing import Any, Final

from postern.contract import text as contract_text
from postern.contract.exchange import Exchange
from postern.contract.language import UNDETERMINED
from postern.contract.text import TEXT_FORMAT
from postern.disguises import ciphers, codes, encodings, lettering, misspelt, vowels, words
from postern.inference.warm_up import SELF_TEST
from postern.languages import pieces, reader, scripts
from tokenizers import normalizers, pre_tokenizers

from scripts.on_device.readings import ROUNDING

UNICODE: Final = "14.0.0"
"""Unicode of Python 3.11, which serves in the published image."""
DIGITS: Final = string.digits + string.ascii_lowercase
SURROGATES: Final = range(0xD800, 0xE000)
HANGUL: Final = range(0xAC00, 0xD7A4)


def base36(number: int) -> str:
    written = ""
    while number or not written:
        number, digit = divmod(number, 36)
        written = DIGITS[digit] + written
    return written


def ranges_of(points: Iterable[int]) -> str:
    """Runs of points, each as the gap since the last run and its length; a length of 1 is left out.

    In base 36: `1a` or `1a-5`, separated by spaces.
    """
    runs: list[list[int]] = []
    for point in points:
        if runs and runs[-1][1] == point:
            runs[-1][1] += 1
        else:
            runs.append([point, point + 1])
    written, last = [], 0
    for first, end in runs:
        length = f"-{base36(end - first)}" if end - first > 1 else ""
        written.append(base36(first - last) + length)
        last = end
    return " ".join(written)


def points(holds: Callable[[str], object]) -> str:
    return ranges_of(point for point in range(sys.maxunicode + 1) if holds(chr(point)))


def python_tables() -> dict[str, Any]:
    """Sets of characters, as Python's strings and regular expressions have them."""
    heaped = contract_text._heaped_marks().pattern
    marks = set(heaped[heaped.index("[") + 1 : heaped.index("]")])
    invisible = contract_text._INVISIBLE
    return {
        "WORD": points(lambda char: char.isalnum() or char == "_"),
        "DECIMAL": points(str.isdecimal),
        "ALPHA": points(str.isalpha),
        "DIGIT": points(str.isdigit),
        "PRINTABLE": points(str.isprintable),
        "UPPER": points(str.isupper),
        "NOT_UPPER": points(
            lambda char: char.islower() or unicodedata.category(char) == "Lt",
        ),
        "SPACE": points(str.isspace),
        "COMBINING": points(unicodedata.combining),
        "UNASSIGNED": points(lambda char: unicodedata.category(char) == "Cn"),
        "HEAPED_MARKS": points(marks.__contains__),
        "INVISIBLE_SPACED": ranges_of(p for p, to in sorted(invisible.items()) if to == " "),
        "INVISIBLE_REMOVED": ranges_of(p for p, to in sorted(invisible.items()) if to is None),
        "EXPANSIONS": _grouped(contract_text._expansions()),
    }


def _grouped(expansions: dict[str, int]) -> dict[str, str]:
    """By the number of further characters: those that become so much longer."""
    return {
        str(more): ranges_of(sorted(ord(char) for char, n in expansions.items() if n == more))
        for more in sorted(set(expansions.values()))
    }


def bert_tables() -> dict[str, Any]:
    """What BERT's normalizer and pre-tokenizer make of each character, asked one by one.

    Raises ValueError where a character needs another kind of entry than there is.
    """
    normalizer = normalizers.BertNormalizer()
    cutter = pre_tokenizers.BertPreTokenizer()
    removed, spaced, set_apart, punctuation = [], [], [], []
    mapped: list[str] = []
    for point in range(sys.maxunicode + 1):
        if point in SURROGATES:
            continue
        char = chr(point)
        found = normalizer.normalize_str(char)
        if point in HANGUL:
            if found != unicodedata.normalize("NFD", char):
                raise ValueError(f"U+{point:04X} is not taken apart as Hangul")
            continue
        if found == "":
            removed.append(point)
        elif found == " ":
            spaced.append(point)
        elif found == f" {char} ":
            set_apart.append(point)
        elif found != char:
            mapped.append(char + found)
        pieces = [piece for piece, _ in cutter.pre_tokenize_str(f"a{char}a")]
        if pieces == ["a", char, "a"]:
            punctuation.append(point)
        elif pieces == ["a", "a"]:
            if found not in ("", " "):
                raise ValueError(f"U+{point:04X} cuts, and is not normalized to a space")
        elif pieces != [f"a{char}a"]:
            raise ValueError(f"U+{point:04X} is cut in a way of its own")
    return {
        "BERT_REMOVED": ranges_of(removed),
        "BERT_SPACED": ranges_of(spaced),
        "BERT_SET_APART": ranges_of(set_apart),
        "BERT_PUNCTUATION": ranges_of(punctuation),
        "BERT_MAPPED": mapped,
    }


def word_tables() -> dict[str, Any]:
    """Words, letters and names that the disguises know, from the modules that define them."""
    return {
        "COMMON_WORDS": " ".join(sorted(ciphers.COMMON)),
        "WORDS": " ".join(words.commonest_first()),
        "RARE_WORDS": " ".join(sorted(words.rare_words())),
        "PAIRS": "\n".join(map(" ".join, words.common_pairs())),
        "BARE_GRAMMAR": " ".join(sorted(vowels.BARE_GRAMMAR)),
        "SAME_GRAMMAR": " ".join(sorted(vowels.SAME_GRAMMAR)),
        "ENGLISH_SHORT_WORDS": " ".join(sorted(misspelt.ENGLISH)),
        "ANY_LANGUAGE_WORDS": " ".join(sorted(misspelt.ANY_LANGUAGE)),
        "MORSE": encodings._MORSE,
        "PLAIN_LETTERS": {chr(a): b for a, b in sorted(lettering._PLAIN_LETTERS.items())},
        "STYLED": "".join(map(chr, sorted(lettering._STYLED))),
        "OF_OTHER_SCRIPTS": "".join(lettering._OF_OTHER_SCRIPTS),
        "HTML5": html5,
        "HTML_INVALID_CHARREFS": _invalid_charrefs(),
        "USUAL_SIGNS": "".join(sorted(codes._USUAL)),
    }


def _invalid_charrefs() -> dict[str, Any]:
    """Numbers that HTML reads as other characters, and those that it leaves out."""
    return {
        "replaced": {str(n): to for n, to in sorted(html._invalid_charrefs.items())},  # type: ignore[attr-defined]
        "left_out": sorted(html._invalid_codepoints),  # type: ignore[attr-defined]
    }


def contract_tables() -> dict[str, Any]:
    """Constants of the contract."""

    def plain(exchange: Exchange) -> dict[str, str | None]:
        return {"prompt": exchange.prompt, "response": exchange.response}

    return {
        "TEXT_FORMAT": TEXT_FORMAT,
        "MAX_MARKS": contract_text._MAX_MARKS,
        "SELF_TEST": [plain(exchange) for exchange in SELF_TEST],
        "SCRIPTS": [
            {
                "name": script.name,
                "languages": list(script.languages),
                "letter_weight": script.letter_weight,
                "blocks": [list(pair) for pair in pairs],
                "look_alike": script.name in scripts._LOOK_ALIKES,
            }
            for script, pairs in scripts._SCRIPTS
        ],
    }


def language_tables(identifier: bytes) -> dict[str, Any]:
    """Bounds of the reader of languages, and what its file must be. identifier: that file."""
    return {
        "LANGUAGES_FILE": {
            "sha256": hashlib.sha256(identifier).hexdigest(),
            "size_bytes": len(identifier),
        },
        "UNDETERMINED": UNDETERMINED,
        "SAME_LANGUAGE": dict(reader._SAME),
        "READING": {
            "most_pieces": reader.MOST_PIECES,
            "most_chars": reader._MOST_CHARS,
            "least_letters": reader._LEAST_LETTERS,
            "least_probability": reader._LEAST_PROBABILITY,
            "clear": reader._CLEAR,
            "divided": reader._DIVIDED,
            "named": reader._NAMED,
            "unnamed_share": reader._UNNAMED_SHARE,
            "rounding": ROUNDING,
        },
        "PIECES": {
            "latin": pieces._LATIN,
            "ends": pieces._ENDS,
            "longest_word": pieces._LONGEST_WORD,
            "least_letters": pieces._LEAST_LETTERS,
            "most_letters": pieces._MOST_LETTERS,
        },
    }


def module(identifier: bytes) -> str:
    """The content of `on_device/src/tables.ts`. Raises ValueError where Unicode is another.

    identifier: the file that `languages.packed` makes.
    """
    if unicodedata.unidata_version != UNICODE:
        raise ValueError(f"the tables are those of Unicode {UNICODE}: use Python 3.11")
    tables = python_tables() | bert_tables() | word_tables() | contract_tables()
    tables |= language_tables(identifier)
    lines = [
        "// Written by `python -m scripts.on_device`. Do not edit: Python is the one definition.",
        f'export const UNICODE = "{UNICODE}";',
    ]
    for name, value in tables.items():
        written = json.dumps(value, separators=(",", ":"))
        lines.append(f"export const {name} = {written};")
    return "\n".join(lines) + "\n"
