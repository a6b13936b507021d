"""Writes `app/postern/disguises/words.txt`: the words that typing slips are corrected to.

The words are those of the shipped student's vocabulary (BERT's, Apache-2.0), and the most frequent
ones of `frequency_dictionary_en_82_765.txt` in the package symspellpy 6.10.1 (MIT). The student's
alone are too few: without `bake`, `baek` could only be `beak`.

    python -m scripts.words FILE_OF_FREQUENCIES
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from postern.disguises import misspelt
from postern.shipped import DEFAULT_ARTIFACT

_FREQUENT: Final = 40_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frequencies", type=Path, help="lines of a word and its count")
    lines = parser.parse_args().frequencies.read_text("utf-8-sig").splitlines()
    counts = {word: int(count) for word, count in (line.split() for line in lines)}
    frequent = sorted(counts, key=lambda word: -counts[word])[:_FREQUENT]
    words = {word for word in (*frequent, *student_words()) if len(word) > 1}
    words = {word for word in words if word.isascii() and word.isalpha() and word.islower()}
    content = "\n".join(sorted(words)) + "\n"
    Path(misspelt.__file__).with_name("words.txt").write_text(content, "utf-8")


def student_words() -> list[str]:
    """Whole words of the shipped student's vocabulary, and much else."""
    tokenizer = json.loads((DEFAULT_ARTIFACT / "tokenizer.json").read_bytes())
    return list(tokenizer["model"]["vocab"])


if __name__ == "__main__":
    main()
