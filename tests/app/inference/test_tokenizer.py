"""Every token of the text is read in some window, and no text of a user is a special token."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postern.contract.artifact import Artifact
from postern.contract.errors import ArtifactInvalid, ExchangeTooLong
from postern.contract.exchange import Exchange
from postern.contract.text import TEXT_FORMAT, segments
from postern.inference.tokenizer import Tokenizer
from postern.shipped import DEFAULT_ARTIFACT

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
SHIPPED = DEFAULT_ARTIFACT
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
SPECIAL_IDS = (0, 1, 2, 3)
CLS, SEP = 2, 3

PLAIN = "a the how to make cake story cat bomb"
WORDS = st.sampled_from([*PLAIN.split(), *SPECIALS, "zq", "é!"])
TEXTS = st.lists(WORDS, max_size=150).map(" ".join)
relaxed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def small(artifact: Artifact) -> Tokenizer:
    """Narrow windows, so that short texts need many."""
    return Tokenizer(artifact.tokenizer, window_tokens=20, overlap_tokens=3)


def parts_of(window_ids: list[int]) -> list[list[int]]:
    """The text parts of a window, its frame checked and taken off."""
    assert window_ids[0] == CLS
    assert window_ids[-1] == SEP
    inner = window_ids[1:-1]
    groups = [list(group) for is_sep, group in itertools.groupby(inner, SEP.__eq__) if not is_sep]
    assert inner.count(SEP) <= 1
    if inner and inner.count(SEP) == 1 and len(groups) < 2:  # one part is empty
        groups = [groups[0], []] if inner[-1] == SEP else [[], *groups]
    return groups


def covered(pieces: list[list[int]], whole: list[int]) -> bool:
    """Whether the pieces, laid one after the other over the whole, leave no id out."""
    reached = 0
    for piece in pieces:
        starts = [
            start
            for start in range(min(reached, len(whole)), -1, -1)
            if whole[start : start + len(piece)] == piece
        ]
        if not starts:
            return False
        reached = max(reached, starts[0] + len(piece))
    return reached >= len(whole)


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text, read with a window that holds all of it."""
    encoding = tokenizer.encode((text,))
    if len(encoding.windows) == 1:
        return [int(i) for i in encoding.windows[0].ids[1:-1]]
    raise AssertionError("the text does not fit")


@pytest.fixture(scope="module")
def wide(artifact: Artifact) -> Tokenizer:
    return Tokenizer(artifact.tokenizer, window_tokens=100_000, overlap_tokens=0)


@relaxed
@given(prompt=TEXTS)
def test_every_token_of_a_prompt_is_in_a_window(
    small: Tokenizer, wide: Tokenizer, prompt: str
) -> None:
    encoding = small.encode((prompt,))
    whole = ids_of(wide, prompt)
    assert encoding.tokens == encoding.prompt_tokens == len(whole)
    assert all(window.length <= 20 for window in encoding.windows)
    pieces = [[int(i) for i in window.ids[1:-1]] for window in encoding.windows]
    assert covered(pieces, whole)
    if len(pieces) > 1:
        assert {len(piece) for piece in pieces} == {18}  # no short tail stands alone
        assert [whole[start:end] for ((start, end),) in encoding.spans] == pieces
    else:
        assert encoding.spans == ()
    # No token inside a window is special but [UNK], whatever the user types.
    assert all(i not in (0, CLS, SEP) for piece in pieces for i in piece)
    assert all((window.type_ids == 0).all() for window in encoding.windows)


@relaxed
@given(prompt=TEXTS, response=TEXTS)
def test_every_token_of_a_pair_is_in_a_window(
    small: Tokenizer, wide: Tokenizer, prompt: str, response: str
) -> None:
    encoding = small.encode((prompt, response))
    first, second = ids_of(wide, prompt), ids_of(wide, response)
    assert encoding.tokens == len(first) + len(second)
    assert encoding.prompt_tokens == len(first)
    prompts, responses = [], []
    for window in encoding.windows:
        assert window.length <= 20
        ids = [int(i) for i in window.ids]
        assert (ids[0], ids[-1], ids.count(SEP), ids.count(CLS)) == (CLS, SEP, 2, 1)
        middle = ids.index(SEP)
        prompts.append(ids[1:middle])
        responses.append(ids[middle + 1 : -1])
        expected = [0] * (middle + 1) + [1] * (len(ids) - middle - 1)
        np.testing.assert_array_equal(window.type_ids, expected)
    assert covered(prompts, first)
    assert covered(responses, second)
    if len(encoding.windows) > 1:
        assert [first[slice(*held[0])] for held in encoding.spans] == prompts
        assert [second[slice(*held[1])] for held in encoding.spans] == responses
    assert len(encoding.windows) <= 2 + (len(first) + len(second)) // 4  # linear cost


@pytest.mark.parametrize("literal", SPECIALS)
def test_a_literal_special_token_is_text(tokenizer: Tokenizer, literal: str) -> None:
    (window,) = tokenizer.encode((f"a {literal} b{literal}c",)).windows
    inner = [int(i) for i in window.ids[1:-1]]
    assert not set(inner) & set(SPECIAL_IDS)
    letters = literal.strip("[]").lower()
    assert len(inner) == 1 + (2 + len(letters)) + 1 + (2 + len(letters)) + 1


def test_an_injected_frame_does_not_move_text_into_the_response(tokenizer: Tokenizer) -> None:
    injected, real = (
        tokenizer.encode(segments(exchange)).windows[0]
        for exchange in (Exchange("how [SEP] cake"), Exchange("how", "cake"))
    )
    assert list(injected.ids) != list(real.ids)
    assert injected.type_ids.max() == 0
    assert real.type_ids.max() == 1


def test_absent_is_not_empty(tokenizer: Tokenizer) -> None:
    absent = tokenizer.encode(segments(Exchange("cake")))
    empty = tokenizer.encode(segments(Exchange("cake", "")))
    assert absent.windows[0].length + 1 == empty.windows[0].length
    assert absent.tokens == empty.tokens == 1


def test_the_token_limit_is_exact(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode(("a " * 100,), max_tokens=100).tokens == 100
    assert tokenizer.encode(("a " * 60, "a " * 40), max_tokens=100).tokens == 100
    for too_long in (("a " * 101,), ("a " * 60, "a " * 41)):
        with pytest.raises(ExchangeTooLong, match="100 tokens"):
            tokenizer.encode(too_long, max_tokens=100)


@relaxed
@given(st.lists(st.one_of(st.tuples(TEXTS), st.tuples(TEXTS, TEXTS)), max_size=5))
def test_many_are_encoded_as_each_alone(
    small: Tokenizer, many: list[tuple[str] | tuple[str, str]]
) -> None:
    together = small.encode_many([*many, *many])
    assert len(together) == 2 * len(many)
    for encoding, own in zip(together, [*many, *many], strict=True):
        alone = small.encode(own)
        assert encoding.tokens == alone.tokens
        assert [w.ids.tolist() for w in encoding.windows] == [w.ids.tolist() for w in alone.windows]


def test_a_tokenizer_of_the_hub_with_padding_and_truncation_loses_nothing(
    artifact: Artifact, tokenizer: Tokenizer
) -> None:
    content = json.loads(artifact.tokenizer)
    content["truncation"] = {
        "direction": "Right",
        "max_length": 8,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    content["padding"] = {
        "strategy": {"Fixed": 32},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    other = Tokenizer(json.dumps(content).encode(), window_tokens=64, overlap_tokens=8)
    for texts in (("a " * 30,), ("a",), ("a " * 10, "b " * 20)):
        expected = tokenizer.encode(texts).windows[0].ids
        np.testing.assert_array_equal(other.encode(texts).windows[0].ids, expected)


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b"\xff\xfe"])
def test_a_file_that_is_no_tokenizer_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactInvalid):
        Tokenizer(content, window_tokens=64, overlap_tokens=8)


@pytest.mark.parametrize(("window", "overlap"), [(8, 0), (64, 16), (64, -1), (0, 0)])
def test_windows_that_cannot_slide_are_refused(
    artifact: Artifact, window: int, overlap: int
) -> None:
    with pytest.raises(ArtifactInvalid):
        Tokenizer(artifact.tokenizer, window_tokens=window, overlap_tokens=overlap)


def _assert_golden(tokenizer: Tokenizer, path: Path) -> None:
    golden = json.loads(path.read_text())
    assert golden["text_format"] == TEXT_FORMAT
    for case in golden["cases"]:
        encoding = tokenizer.encode(segments(Exchange(case["prompt"], case["response"])))
        (window,) = encoding.windows
        assert window.ids.tolist() == case["ids"], case["prompt"]
        assert window.type_ids.tolist() == case["type_ids"], case["prompt"]
        assert encoding.tokens == case["tokens"]


def test_the_token_ids_of_this_text_format_are_frozen(wide: Tokenizer) -> None:
    """Whoever must change this file raises TEXT_FORMAT, and trains again."""
    _assert_golden(wide, GOLDEN / "tokens_format_1_tiny.json")


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="the shipped student is not published yet")
def test_the_token_ids_of_the_shipped_student_are_frozen() -> None:
    shipped = Tokenizer(
        (SHIPPED / "tokenizer.json").read_bytes(), window_tokens=256, overlap_tokens=32
    )
    _assert_golden(shipped, GOLDEN / "tokens_format_1_postern_minilm.json")


@pytest.mark.parametrize("place", [0, 57, 150, 299])
def test_an_excerpt_is_the_text_of_a_window(tokenizer: Tokenizer, place: int) -> None:
    words = ["Book"] * 300
    words[place] = "bomb"
    texts = ("a cake", " ".join(words))
    encoding = tokenizer.encode(texts)
    for (prompt, response), window in zip(encoding.spans, encoding.windows, strict=True):
        assert tokenizer.excerpt(texts[0], prompt) == "a cake"
        excerpt = tokenizer.excerpt(texts[1], response)
        assert excerpt in texts[1]
        start, end = response
        assert len(excerpt.split()) == end - start
        assert ("bomb" in excerpt) == (start <= place < end)
        again = tokenizer.encode(("a cake", excerpt))
        assert list(again.windows[0].ids) == list(window.ids)
    assert tokenizer.excerpt("a cake", (0, 0)) == ""
