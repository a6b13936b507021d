"""Codes and joined words: what is written in them is read, what only holds some is left alone."""

from __future__ import annotations

import html
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from postern.contract.exchange import Exchange
from postern.disguises.ciphers import COMMON
from postern.disguises.codes import (
    from_base32,
    from_binary,
    from_decimal,
    from_entities,
    from_percent,
)
from postern.disguises.joined import from_joined
from postern.disguises.triggers import Disguise, decoded_counts, disguise_of

from model_training.data.behaviour.codes import CODES
from model_training.data.behaviour.spelling import SPELLINGS

SENTENCE = "How do I knit a warm scarf for my grandmother before the winter?"
_RARE = ("knit", "scarf", "grandmother", "winter", "pepper", "violin", "garden", "lamp", "bread")
SENTENCES = st.builds(
    lambda common, rare: " ".join(word for pair in zip(common, rare, strict=True) for word in pair),
    st.lists(st.sampled_from(sorted(COMMON)), min_size=5, max_size=5, unique=True),
    st.lists(st.sampled_from(_RARE), min_size=5, max_size=5),
)
_EXACT = {
    "base64": "base64",
    "base32": "base32",
    "percent": "percent",
    "percent_all": "percent",
    "hex": "hex",
    "hex_spaced": "hex",
    "hex_entities": "entities",
    "decimal_entities": "entities",
    "decimal_codes": "decimal",
    "binary": "binary",
}


def _read(text: str) -> Disguise:
    disguise = disguise_of(Exchange(text))
    assert disguise is not None
    return disguise


@pytest.mark.parametrize("name", _EXACT)
@given(SENTENCES)
@settings(max_examples=30)
def test_what_is_encoded_is_read_and_certain(name: str, sentence: str) -> None:
    disguise = _read(CODES[name](sentence))
    assert disguise.decoded.prompt.strip() == sentence
    assert disguise.triggers == (_EXACT[name],)
    assert disguise.certain
    around = _read(f"Please answer: {CODES[name](sentence)}")
    assert around.decoded.prompt.split() == ["Please", "answer:", *sentence.split()]


@pytest.mark.parametrize("name", ["hashtags", "camel"])
def test_joined_words_are_parted(name: str) -> None:
    disguise = _read(CODES[name](SENTENCE))
    assert disguise.decoded.prompt.lower() == SENTENCE.lower().rstrip("?")
    assert disguise.triggers == ("joined",)
    assert disguise.certain


@pytest.mark.parametrize("sign", ["_", "-", ".", "+"])
def test_words_with_signs_between_are_parted(sign: str) -> None:
    assert from_joined(sign.join(SENTENCE.split())) == SENTENCE
    assert from_joined(" ".join(f"#{word}" for word in SENTENCE.split())) == SENTENCE


@pytest.mark.parametrize(
    "name", ["letters_apart", "apart_capitals", "zero_for_o", "leet", "homoglyphs"]
)
def test_odd_spelling_that_can_be_read_but_one_way_is_certain(name: str) -> None:
    disguise = _read(SPELLINGS[name](SENTENCE, np.random.default_rng(1)))
    assert disguise.certain
    read = disguise.decoded.prompt.lower().replace(" ?", "?").split()
    assert len(set(read) & set(SENTENCE.lower().split())) >= 9


def test_what_may_be_read_in_two_ways_is_not_certain() -> None:
    for name in ("rot13", "reversed"):
        assert not _read(CODES[name](SENTENCE)).certain, name
    assert not _read(" ".join(SENTENCE.replace(" ", ""))).certain  # no gap parts the words
    assert not _read("How do I k11rn all w33ds h3re?").certain
    mixed = Exchange(CODES["hex"](SENTENCE), CODES["rot13"](SENTENCE))
    disguise = disguise_of(mixed)
    assert disguise is not None
    assert not disguise.certain


def test_which_reading_counts() -> None:
    sure, unsure = (Disguise(("hex",), Exchange("a"), certain) for certain in (True, False))
    assert decoded_counts(sure, 2.0, 1.0)
    assert not decoded_counts(unsure, 2.0, 1.0)
    assert decoded_counts(unsure, 1.0, 2.0)
    assert not decoded_counts(None, 1.0, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        "<p>Fish &amp; chips &lt;b&gt; 5&nbsp;&euro; &copy; 2026 caf&eacute; &#8212; &#39;</p>",
        "https://example.org/search?q=warm%20scarf%2Fwool&lang=en%2DGB",
        "A rise of 5% and 20% of 100%ers",
        "Ages: 72 65 80 90 77 69 84 66 71 88 93 100 41 67 74",
        "10 20 30 40 50 60 70 80 90 100 110 120",
        "101010 110011 0101 1111 0000 1010 0011 1100",
        "CONGRATULATIONS EVERYBODY ABCDEFGHIJKLMNOP",
        "IllegalArgumentException in AbstractSingletonProxyFactoryBean, see getUserByIdAndName",
        "state-of-the-art, step-by-step, jack-of-all-trades, merry-go-round",
        "ANYTHING ORIGINAL: FIFA, HIPAA. #WakeUpAMERICA #LIBERAL #GAPBeLike I AM NOT IN THE MOOD",
        "#sunset #beach #holiday #friends #nofilter",
        "model_training.data.behaviour.codes and test_every_kind_has_cases_of_its_own(tmp_path)",
        "v1.2.3.4-rc.1 at 192.168.0.1 on 2026-11-29",
    ],
)
def test_what_only_holds_some_is_left_alone(text: str) -> None:
    assert disguise_of(Exchange(text)) is None


_ALL = (from_entities, from_percent, from_base32, from_binary, from_decimal, from_joined)


@given(st.text(max_size=300) | st.text("01 &#;%2aA_.-Q7=", max_size=300))
@settings(max_examples=200)
def test_any_text_is_read_and_hardly_grows(text: str) -> None:
    for decode in _ALL:
        decoded = decode(text)
        if decoded is not None:
            assert len(decoded) <= 2 * len(text) + 2, decode


@pytest.mark.parametrize("name", [*_EXACT, "camel"])
def test_what_was_decoded_is_left_as_it_is(name: str) -> None:
    decoded = _read(CODES[name](SENTENCE)).decoded
    assert disguise_of(decoded) is None


def test_entities_are_those_of_html() -> None:
    text = "&#72;&#111;&#119; much is &frac12; of &#x41;&excl;"
    assert from_entities(text) == html.unescape(text)
    assert from_entities("Is it hot&quest; Yes&excl;") == "Is it hot? Yes!"


@given(zeros=st.integers(0, 6000), digits=st.text("0123456789", min_size=1, max_size=5000))
@example(zeros=5000, digits="72")
@example(zeros=0, digits="1" * 5000)
@example(zeros=0, digits="1114111")
@example(zeros=0, digits="1114112")
def test_a_reference_of_any_length_is_read_as_html_reads_it(zeros: int, digits: str) -> None:
    """`int` refuses more than 4,300 digits; a user's text must not."""
    told = digits.lstrip("0") or "0"
    number = int(told) if len(told) < 9 else 99_999_999
    start = "&#72;&#101;&#108;&#108;&#111;&#32;"
    read = from_entities(f"{start}&#{'0' * zeros}{digits};")
    assert read == html.unescape(f"{start}&#{number};")


_UNITS = ("&#7", "&#72;", "%4", "%41", "A2", "0", "01", "0110100 ", "72 ", "72", "aB", "A_", "#a ")


@pytest.mark.parametrize("unit", _UNITS)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def cpu_s(size: int) -> float:
        text = "a" + unit * (size // len(unit))
        started = time.process_time()
        for decode in _ALL:
            decode(text)
        return time.process_time() - started

    cpu_s(1000)
    assert min(cpu_s(50_000) for _ in range(2)) < 40 * max(0.002, cpu_s(5_000))
