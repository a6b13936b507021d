"""Texts have the lengths that they claim, and no text comes twice."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from postern.contract.artifact import read_artifact
from postern.contract.text import normalize
from postern.endpoints.classify_body import parse_classify
from postern.inference.tokenizer import Tokenizer
from postern.shipped import DEFAULT_ARTIFACT

from loadtests.scenarios import SCENARIOS, requests
from loadtests.texts import PROMPT_TOKENS, RESPONSE_TOKENS, WORDS, MadeTexts, read_texts
from tests.tiny_data import build_tiny_data


@pytest.fixture(scope="module")
def shipped_tokenizer() -> Tokenizer:
    artifact = read_artifact(DEFAULT_ARTIFACT)
    manifest = artifact.manifest
    return Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )


def test_a_made_word_is_a_token(shipped_tokenizer: Tokenizer) -> None:
    assert all(shipped_tokenizer.encode((word,)).tokens == 1 for word in WORDS)
    assert len(set(WORDS)) == len(WORDS)


def test_made_texts_have_the_recorded_lengths(shipped_tokenizer: Tokenizer) -> None:
    texts = MadeTexts(0)
    pairs = [texts.pair() for _ in range(800)]
    for made, recorded in (
        ([prompt for prompt, _ in pairs], PROMPT_TOKENS),
        ([response for _, response in pairs], RESPONSE_TOKENS),
    ):
        lengths = [shipped_tokenizer.encode((text,)).tokens for text in made]
        quartiles = np.percentile(lengths, [24, 48, 76, 92])
        expected = [recorded[place] for place in (6, 12, 19, 23)]
        assert quartiles == pytest.approx(expected, rel=0.2)


def test_no_text_comes_twice(tmp_path: Path) -> None:
    made, read = MadeTexts(1), read_texts(build_tiny_data(tmp_path), seed=1)
    for texts in (made, read):
        prompts = [texts.prompt() for _ in range(500)]
        assert len({*prompts}) == 500
    short = [made.of_length(1) for _ in range(2 * len(WORDS))]
    assert len({*short}) == len(short)


def test_rows_are_read_and_what_cannot_be_judged_is_left_out(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "test").mkdir()
    rows = [
        {"prompt": "read a book", "response": None},
        {"prompt": "a \ud800 surrogate", "response": "x"},
        {"prompt": " .\u200b", "response": None},
        {"prompt": "make a cake", "response": "sure"},
    ]
    with gzip.open(tmp_path / "test/some.jsonl.gz", "wt") as lines:
        lines.write("\n".join(map(json.dumps, rows)))
    texts = read_texts(tmp_path, seed=3)
    assert {texts.prompt(), texts.prompt()} == {"read a book", "make a cake"}
    assert texts.pair() == ("make a cake", "sure")
    with pytest.raises(FileNotFoundError):
        read_texts(tmp_path / "elsewhere", seed=0)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_understood_and_says_how_many_texts_it_holds(name: str) -> None:
    for request in itertools.islice(requests(name, MadeTexts(2), seed=2), 30):
        assert len(parse_classify(request.body).exchanges) == request.texts
    first, again = (
        list(itertools.islice(requests(name, MadeTexts(2), seed=2), 5)) for _ in range(2)
    )
    assert first == again


def test_fixed_lengths_are_exact(shipped_tokenizer: Tokenizer) -> None:
    for tokens in (16, 64, 128, 512):
        (request,) = itertools.islice(requests(f"tokens-{tokens}", MadeTexts(0), seed=0), 1)
        text = normalize(json.loads(request.body)["prompt"])
        assert shipped_tokenizer.encode((text,)).tokens == tokens
