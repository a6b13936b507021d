"""The measurement counts what it says, by kind of text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from postern.languages.reader import LanguageReader

from loadtests.languages import TEXTS, counted, timed, words_of
from tests.app.languages.test_reader import ENGLISH, FOREIGN


def write(path: Path, rows: list[tuple[str, str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt") as file:
        for prompt, category in rows:
            row = {"prompt": prompt, "response": None, "category": category}
            file.write(json.dumps(row) + "\n")


@pytest.fixture(scope="module")
def reader() -> LanguageReader:
    return LanguageReader(["en"])


def test_readings_are_counted_by_kind(reader: LanguageReader, tmp_path: Path) -> None:
    write(tmp_path / "train" / "some.jsonl.gz", [(ENGLISH[3], "x")] * 4)
    write(tmp_path / "train_multilingual" / "ml.jsonl.gz", [(FOREIGN["de"], "de:x")] * 50)
    found = counted(reader, tmp_path, rows=10, seed=0)
    assert found["English, up to 30 words"] == {"texts": 4, "foreign": 0, "named": 4, "und": 0}
    german = found["de"]
    assert 0 < german["texts"] == german["foreign"] == german["named"]
    for kind in ("foreign between English", "English between foreign"):
        assert found[kind] == german


def test_times_are_of_each_text(reader: LanguageReader, tiny_artifact: Path) -> None:
    found = timed(reader, tiny_artifact, rounds=1)
    assert set(found) == set(TEXTS)
    assert all(set(one) == {"forward_ms", "tokenize_ms", "identify_ms"} for one in found.values())


def test_words_are_counted_in_classes() -> None:
    assert [words_of("a " * n) for n in (3, 4, 31, 500)] == [
        *("up to 3 words", "up to 8 words", "up to 200 words", "more"),
    ]
