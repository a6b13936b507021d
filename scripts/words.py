"""Writes what disguises are undone with: `words.txt`, `rare.txt` and `pairs.txt`.

The words are those of the shipped student's vocabulary (BERT's, Apache-2.0), and the most frequent
ones of `frequency_dictionary_en_82_765.txt` in the package symspellpy 6.10.1 (MIT). The student's
alone are too few: without `bake`, `baek` could only be `beak`.

Rare words that differ from one of them in a letter would be taken for slips. Those of the package's
other 43,000 words, and of terms of crime and hatred that it lacks, are in `rare.txt`.

The pairs are neighbouring words, from `frequency_bigramdictionary_en_243_342.txt` of that package.
Without vowels, several pairs look alike. The most frequent one of them is written if it tells more
than its words alone, which are read as the most frequent ones anyway.

    python -m scripts.words FOLDER_OF_SYMSPELLPY
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from postern.disguises import words
from postern.disguises.misspelt import LEAST_LETTERS, is_listed, only_correction
from postern.disguises.vowels import commonest, pair_without_vowels, without_vowels
from postern.shipped import DEFAULT_ARTIFACT

_FREQUENT: Final = 40_000
_PAIRS: Final = 20_000
_TERMS: Final = (
    "anfo",
    "behead",
    "botnet",
    "burgle",
    "decapitate",
    "extort",
    "groyper",
    "jihadi",
    "molester",
    "oleander",
    "petn",
    "picric",
    "proana",
    "ricin",
    "roofie",
    "roofied",
    "roofies",
    "scareware",
    "sedate",
    "sedating",
    "sextortion",
    "smishing",
    "soman",
    "thermite",
    "wetback",
    "trannies",
    "daesh",
    "nudify",
    "roofying",
    "ddosing",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds both dictionaries of frequencies")
    folder = parser.parse_args().folder
    singles = _counts(folder / "frequency_dictionary_en_82_765.txt")
    counts = {word: count for (word,), count in singles.items()}
    frequent = sorted(counts, key=lambda word: -counts[word])[:_FREQUENT]
    known = {word for word in (*frequent, *student_words()) if len(word) > 1}
    known = {word for word in known if word.isascii() and word.isalpha() and word.islower()}
    commonest_first = sorted(known, key=lambda word: (-counts.get(word, 0), word))
    _write("words.txt", commonest_first)
    _write("rare.txt", _rare([*(word for word in counts if word not in known), *_TERMS]))
    pairs = _counts(folder / "frequency_bigramdictionary_en_243_342.txt")
    _write("pairs.txt", map(" ".join, chosen_pairs(commonest_first, pairs)))


def _rare(others: Sequence[str]) -> list[str]:
    """Those of other words that would be corrected. `words.txt` has to be written before."""
    whole = {word for word in others if word.isascii() and word.isalpha() and word.islower()}
    slips = (word for word in whole if len(word) >= LEAST_LETTERS and not is_listed(word))
    return sorted(word for word in slips if only_correction(word) is not None)


def student_words() -> list[str]:
    """Whole words of the shipped student's vocabulary, and much else."""
    tokenizer = json.loads((DEFAULT_ARTIFACT / "tokenizer.json").read_bytes())
    return list(tokenizer["model"]["vocab"])


def chosen_pairs(
    commonest_first: Sequence[str], counts: Mapping[tuple[str, ...], int]
) -> list[tuple[str, ...]]:
    """The pairs to read words without vowels by, the most frequent first."""
    known = {*commonest_first, "a", "i"}
    ranked = sorted(counts, key=lambda pair: (-counts[pair], pair))
    ranked = [pair for pair in ranked if known.issuperset(pair)]
    best: dict[bool, dict[str, tuple[str, ...]]] = {True: {}, False: {}}
    telling: set[tuple[str, ...]] = set()
    for form, found in best.items():
        likely = commonest(commonest_first, firsts_stay=form)
        for pair in ranked:
            found.setdefault(pair_without_vowels(pair, firsts_stay=form), pair)
        telling |= {
            pair
            for pair in found.values()
            if any(likely.get(without_vowels(one, firsts_stay=form), one) != one for one in pair)
        }
    chosen = set([pair for pair in ranked if pair in telling][:_PAIRS])
    # The more frequent pair that looks like a chosen one in the other form keeps it from its place.
    for form, found in best.items():
        chosen |= {found[pair_without_vowels(pair, firsts_stay=form)] for pair in chosen}
    return [pair for pair in ranked if pair in chosen]


def _counts(path: Path) -> dict[tuple[str, ...], int]:
    lines = path.read_text("utf-8-sig").splitlines()
    return {tuple(line.split()[:-1]): int(line.split()[-1]) for line in lines}


def _write(name: str, lines: Iterable[str]) -> None:
    path = Path(words.__file__).with_name(name)
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
