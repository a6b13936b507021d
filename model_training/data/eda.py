"""Easy data augmentation (Wei and Zou 2019, arXiv 1901.11196), the baseline of the HarmAug paper.

Synonyms come from WordNet's own files, which Debian's package `wordnet-base` installs in
/usr/share/wordnet. No download, no pickle.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from model_training.errors import RecipeInvalid

_PARTS: Final = ("noun", "verb", "adj", "adv")
_WORD: Final = re.compile(r"[A-Za-z]+")
# Function words carry the sentence, and WordNet has odd synonyms for some (`a`: angstrom).
_FUNCTION_WORDS: Final = """
    a about after again all am an and any are as at be been before being but by can could did do
    does down each for from had has have he her here him his how i if in into is it its just let
    may me might more most must my no nor not now of off on once only or other our out over own
    she should so some such than that the their them then there these they this those to too under
    until up us very was we were what when where which while who why will with would you your
"""
_KEPT: Final = frozenset(_FUNCTION_WORDS.split())

Synonyms = Mapping[str, Sequence[str]]
Words = list[str]


def read_wordnet(folder: Path) -> dict[str, list[str]]:
    """word -> other words of its synsets: lower case, single words only, sorted.

    folder: contains data.noun, data.verb, data.adj and data.adv in the format of wndb(5WN). Raises
    RecipeInvalid if one is missing or has another format.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for part in _PARTS:
        path = folder / f"data.{part}"
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise RecipeInvalid(
                f"{path}: cannot be read ({type(exc).__name__}); on Debian, install wordnet-base"
            ) from exc
        for line in lines:
            if line.startswith("  "):  # licence text
                continue
            words = _synset(line, path)
            for word in words:
                found[word].update(other for other in words if other != word)
    return {word: sorted(others) for word, others in found.items() if others}


def _synset(line: str, path: Path) -> list[str]:
    """offset lexfile type count(hex) word id word id …; words have `_` for spaces, and markers."""
    fields = line.split(" ")
    try:
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    except (IndexError, ValueError) as exc:
        raise RecipeInvalid(f"{path}: is not a data file of WordNet") from exc
    plain = (re.sub(r"\((?:a|p|ip)\)$", "", word).lower() for word in words)
    return [word for word in plain if _WORD.fullmatch(word)]


def augmented(
    text: str, synonyms: Synonyms, rng: np.random.Generator, *, share: float = 0.1
) -> str:
    """The text changed by one of the four operations, drawn at random.

    share: of the words to change, at least one. A text of a single word without a synonym stays as
    it is.
    """
    words = text.split()
    if not words:
        return text
    count = max(1, round(share * len(words)))
    change = _OPERATIONS[int(rng.integers(len(_OPERATIONS)))]
    return " ".join(change(words, count, synonyms, rng))


def replace(words: Words, count: int, synonyms: Synonyms, rng: np.random.Generator) -> Words:
    """Replace up to `count` words by a synonym."""
    places = [place for place, word in enumerate(words) if _options(word, synonyms)]
    changed = list(words)
    for place in rng.permutation(places)[:count].astype(int):
        options = _options(words[place], synonyms)
        synonym = options[int(rng.integers(len(options)))]
        found = _WORD.search(words[place])
        if found:  # keeps attached punctuation, such as a comma
            changed[place] = words[place].replace(found[0], synonym, 1)
    return changed


def insert(words: Words, count: int, synonyms: Synonyms, rng: np.random.Generator) -> Words:
    """Insert `count` synonyms of random words at random positions."""
    options = [synonym for word in words for synonym in _options(word, synonyms)]
    changed = list(words)
    for _ in range(count if options else 0):
        synonym = options[int(rng.integers(len(options)))]
        changed.insert(int(rng.integers(len(changed) + 1)), synonym)
    return changed


def swap(words: Words, count: int, synonyms: Synonyms, rng: np.random.Generator) -> Words:
    """Swap two words, `count` times."""
    changed = list(words)
    for _ in range(count if len(words) > 1 else 0):
        one, other = rng.choice(len(words), size=2, replace=False)
        changed[one], changed[other] = changed[other], changed[one]
    return changed


def delete(words: Words, count: int, synonyms: Synonyms, rng: np.random.Generator) -> Words:
    """Delete `count` words, but never all."""
    gone = set(rng.permutation(len(words))[: min(count, len(words) - 1)].tolist())
    return [word for place, word in enumerate(words) if place not in gone]


_OPERATIONS: Final[tuple[Callable[[Words, int, Synonyms, np.random.Generator], Words], ...]] = (
    replace,
    insert,
    swap,
    delete,
)


def _options(word: str, synonyms: Synonyms) -> Sequence[str]:
    found = _WORD.search(word)
    bare = found[0].lower() if found else ""
    return () if bare in _KEPT else synonyms.get(bare, ())
