"""Letters that look like others: leetspeak, lookalikes from other scripts, spaced letters."""

from __future__ import annotations

import itertools
import re
import string
import unicodedata
from typing import Final

from postern.contract.text import nfkc
from postern.disguises.ciphers import COMMON
from postern.disguises.misspelt import ANY_LANGUAGE, SHORT, is_listed
from postern.disguises.words import correct_words, place_of, words_in

_LEET: Final = str.maketrans("0134578@$!+|9", "oieastbasitlg")
_LEET_SIGNS: Final = "0134578@$!+|9"
# A digit or sign between letters, or before them; not an address, not a number.
# At the end of a word, they are themselves.
_STAY_AT_THE_END: Final = "!+|"
_LEET_INSIDE: Final = re.compile(r"[a-z][0134578@$!|]+[a-z]", re.IGNORECASE)
_LEAST_LEET: Final = 2
_PIPES_AFTER: Final = re.compile(r"[a-z]\|+", re.IGNORECASE)
# Each may be i or l, and the word tells: `k1ll` and `ma1ware`.
_I_OR_L: Final = re.compile(r"[1|!]")
_MOST_I_OR_L: Final = 4
# A word of up to three letters counts if so many words at most are more frequent. The list has
# abbreviations, too, but far behind: `ca` is the 40,506th.
_COMMON: Final = 5000
_TOKEN: Final = re.compile(r"\S+")
_LEET_WORD: Final = re.compile(rf"[A-Za-z{re.escape(_LEET_SIGNS)}]+")
_ORDINAL_OR_UNIT: Final = re.compile(
    r"\d*(?:1st|2nd|3rd)|\d+(?:th|s|x|k|m|g|b|d|p|km|cm|mm|kg|mg|ml|gb|mb|tb|kb|hz|am|pm|h|min|px|em|v|w|a|ft|in)",
    re.IGNORECASE,
)

# Characters that NFKC leaves unchanged and a reader takes for a Latin letter.
_OF_OTHER_SCRIPTS: Final = {
    **dict(zip("авекмнорстухіјѕԁԛԝһӏ", "abekmhopctyxijsdqwhl", strict=True)),
    **dict(zip("АВЕКМНОРСТУХІЈЅԌ", "ABEKMHOPCTYXIJSG", strict=True)),
    **dict(zip("αβεικνορτυχωγη", "abeikvoptuxwyn", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
}
_LOOKALIKES: Final = {
    **_OF_OTHER_SCRIPTS,
    **dict(zip("ᴀʙᴄᴅᴇғɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)),
    **dict(zip("ɐɔǝɟɓɥɾʞɯɹʇʌʍʎ", "acefghjkmrtvwy", strict=True)),
}
_STYLED: Final = {
    first + index: letter
    # Negative circled, negative squared, and regional indicators.
    for first in (0x1F150, 0x1F170, 0x1F1E6)
    for index, letter in enumerate(string.ascii_lowercase)
}
_PLAIN_LETTERS: Final = {ord(a): b for a, b in _LOOKALIKES.items()} | _STYLED
_FOREIGN: Final = re.compile(f"[{''.join(_OF_OTHER_SCRIPTS)}]")
# Letters of mathematics, circled and squared ones; and those that flags are made of, set apart: two
# that touch are a flag.
_STYLED_RUN: Final = re.compile(
    "(?:[\U0001d400-\U0001d6a3\u24b6-\u24e9\U0001f130-\U0001f189][ \u200b-\u200d\ufe0f]{0,3}){5,}"
    "|(?:[\U0001f1e6-\U0001f1ff][ \u200b-\u200d\ufe0f]{1,3}){4,}[\U0001f1e6-\U0001f1ff]?"
)
_SMALL_CAPITAL: Final = re.compile("[ᴀʙᴄᴅᴇғɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ]")
_SMALL_CAPITALS: Final = re.compile("[ᴀʙᴄᴅᴇғɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ]{3,}")
# Upside-down letters, without those that phonetic scripts use.
_UPSIDE_DOWN: Final = re.compile("[ǝɥʇʎʞ]")
_HIDDEN_INSIDE: Final = re.compile(
    "[A-Za-z][\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+[A-Za-z]"
)
HIDDEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
"""Characters that nobody sees."""
_TAGS: Final = re.compile("(?<!\U0001f3f4)[\U000e0020-\U000e007e]{6,}")
_HEAPS: Final = re.compile("[A-Za-z][\u0300-\u036f\u0489\u20d0-\u20ff]{2,}")
_LATIN: Final = re.compile("[A-Za-z]")

# Single letters with the same kind of gap between them; a wider gap separates words.
_APART: Final = re.compile(
    r"(?<![^\W_])[^\W\d_](?:([ .*_|~+\-\u00b7\u2022])\1{0,3}[^\W\d_](?![^\W_])){3,}"
)
_OTHER_SPACE: Final = re.compile(r"[^\S \n\r]")
_WIDE_GAP: Final = re.compile(r" {2,}")
_LONGEST_WORD: Final = 17
_ALPHABET: Final = string.ascii_lowercase


def from_leetspeak(text: str) -> str | None:
    """Digits and signs among letters, replaced by the letters that they resemble, or None.

    Needs two such words, and at least one word in six: `utf8`, `4th` and `user@host` are not
    leetspeak.
    """
    if len(_LEET_INSIDE.findall(text)) < _LEAST_LEET:
        return None
    words = [token for token in _TOKEN.findall(text) if _LATIN.search(token)]
    strange = sum(map(_is_leet, words))
    if strange < _LEAST_LEET or strange * 6 < len(words):
        return None
    return _LEET_WORD.sub(lambda found: _unleet(found[0]), text)


def leet_is_clear(text: str) -> bool:
    """Whether every changed word makes a known one: `C3H5N3O9` is no word; `k1||` is `kill`."""
    if _PIPES_AFTER.search(text):
        return False
    bare = (word.rstrip(_STAY_AT_THE_END) for word in _LEET_WORD.findall(text))
    read = ((word, _read_leet(word)) for word in bare if _is_leet_part(word))
    return all(_is_read(after) for before, after in read if before.lower() != after)


def _is_leet(word: str) -> bool:
    bare = word.strip(".,;:!?'\"()[]")
    if not _LEET_WORD.fullmatch(bare) or _ORDINAL_OR_UNIT.fullmatch(bare):
        return False
    if not _LEET_INSIDE.search(bare):
        return False
    # CamelCase2Name, sha1sum, UTF8Decoder: names in code hold one digit among many letters.
    signs = sum(char in _LEET_SIGNS for char in bare)
    return len(bare) <= 6 * signs and not (bare[1:].lower() != bare[1:] and bare.upper() != bare)


def _unleet(word: str) -> str:
    bare = word.rstrip(_STAY_AT_THE_END)
    return _read_leet(bare) + word[len(bare) :] if _is_leet_part(bare) else word


def _is_leet_part(bare: str) -> bool:
    short_number = bare.isdigit() and len(bare) <= 2  # 70 is `to` here, and 4 is `a`
    return not _ORDINAL_OR_UNIT.fullmatch(bare) and (
        short_number or _LATIN.search(bare) is not None
    )


def _read_leet(bare: str) -> str:
    """The commonest word that it may be, in lower case; if none, the usual letter of each sign."""
    usual = bare.lower().translate(_LEET)
    signs = [found.start() for found in _I_OR_L.finditer(bare)]
    if not signs or len(signs) > _MOST_I_OR_L:
        return usual
    readings = []
    for letters in itertools.product("il", repeat=len(signs)):
        read = list(usual)
        for at, letter in zip(signs, letters, strict=True):
            read[at] = letter
        readings.append("".join(read))
    places = place_of()
    return min((one for one in readings if one in places), key=places.__getitem__, default=usual)


def from_lookalikes(text: str) -> str | None:
    """Lookalike characters replaced by Latin letters, or None if there are none.

    Whole words of another script stay unchanged. NFKC undoes the rest when the student reads.
    """
    if text.isascii() or not _is_dressed_up(text):
        return None
    bare = HIDDEN.sub("", text)
    bare = nfkc(bare)
    bare = _STYLED_RUN.sub(lambda found: _joined(found[0]), bare)
    bare = re.sub(r"\w+", lambda found: _latin(found[0]), bare)
    return "".join(char for char in unicodedata.normalize("NFD", bare) if not _is_mark(char))


def _is_dressed_up(text: str) -> bool:
    words = re.findall(r"\w+", text)
    mixed = sum(bool(_FOREIGN.search(word) and _LATIN.search(word)) for word in words)
    hidden = len(_HIDDEN_INSIDE.findall(text))
    return (
        (mixed >= 2 and mixed * 12 >= len(words))
        or (mixed and len(words) <= 6)
        or hidden >= 3
        or bool(_TAGS.search(text) or _STYLED_RUN.search(text) or _SMALL_CAPITALS.search(text))
        or len(_HEAPS.findall(text)) >= 4
        or len(_UPSIDE_DOWN.findall(text)) >= 4
    )


def _latin(word: str) -> str:
    """Words of another script stay. A word with a Latin letter or a lookalike counts as Latin."""
    if _LATIN.search(word) or _SMALL_CAPITAL.search(word) or len(word) == 1:
        return word.translate(_PLAIN_LETTERS)
    return word


def _joined(run: str) -> str:
    return " ".join(
        "".join(char for char in part if char.isalnum() or ord(char) in _STYLED).translate(
            _PLAIN_LETTERS
        )
        for part in re.split(" {2,}", run)
    )


def _is_mark(char: str) -> bool:
    return unicodedata.combining(char) > 0


def from_letters_apart(text: str) -> str | None:
    """Words of spaced letters (`b o m b`, `b.o.m.b`), joined; None if there are none."""
    found = False

    def join(match: re.Match[str]) -> str:
        nonlocal found
        if not _spells_words(match[0]):
            return match[0]
        found = True
        words = _words_of(match[0])
        bounded = _has_boundaries(match[0], words)
        return " ".join(part for word in words for part in _parted(word, bounded=bounded))

    joined = _APART.sub(join, _with_plain_spaces(text))
    return joined if found else None


def _with_plain_spaces(text: str) -> str:
    return _OTHER_SPACE.sub(" ", HIDDEN.sub("", text))


def _spells_words(run: str) -> bool:
    letters = re.sub(r"[\W_]", "", run)
    if letters.lower() in _ALPHABET or len(set(letters.lower())) < 3:
        return False  # a list of letters, or one letter repeated
    return not letters.isupper() or len(letters) >= 7  # or an abbreviation, or emphasis


def _words_of(run: str) -> list[str]:
    """If signs separate the letters, one space separates words; otherwise, a wide gap does."""
    words = run.split() if _has_signs(run) else _WIDE_GAP.split(run)
    return [re.sub(r"[\W_]", "", word) for word in words]


def _has_boundaries(run: str, words: list[str]) -> bool:
    """Whether something separates its words. words: `_words_of` it."""
    return len(words) > 1 or _has_signs(run)


def _has_signs(run: str) -> bool:
    return re.search(r"[^\w ]|_", run) is not None


def words_are_clear(text: str) -> bool:
    """Whether spaced letters make clear words: `k i l l m y b o s s` may end anywhere."""
    runs = (found[0] for found in _APART.finditer(_with_plain_spaces(text)))
    return all(map(_is_clear_run, filter(_spells_words, runs)))


def _is_clear_run(run: str) -> bool:
    words = [word.lower() for word in _words_of(run)]
    bounded = _has_boundaries(run, words)
    return all(_is_known(word) or (bounded and len(word) <= _LONGEST_WORD) for word in words)


def _is_known(word: str) -> bool:
    return is_listed(word) or word in ANY_LANGUAGE


def _is_read(word: str) -> bool:
    """Like `_is_known`, but of the words of up to three letters, only the common ones."""
    if len(word) > 3:
        return is_listed(word)
    return word in SHORT or word in COMMON or place_of().get(word, _COMMON) < _COMMON


def _parted(word: str, *, bounded: bool) -> list[str]:
    """The words that letters make without a gap between them.

    bounded: other gaps separate words. Then one of the commonest words must be among them: `killmy`
    is two words, and `shoplift` is one.
    """
    if _is_known(word.lower()):
        return [word]
    parts = words_in(word)
    lowered = [part.lower() for part in parts]
    are_words = all(map(_is_part, lowered)) and not (bounded and COMMON.isdisjoint(lowered))
    return parts if are_words else [word]


def _is_part(word: str) -> bool:
    return word in (correct_words() if len(word) > 3 else SHORT)
