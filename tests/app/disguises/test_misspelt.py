"""Typing slips are corrected where only one word is left, and other text stays as it is."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.exchange import Exchange
from postern.disguises.misspelt import from_misspelt, from_zeros
from postern.disguises.triggers import disguise_of
from postern.disguises.words import correct_words

from model_training.data.behaviour.spelling import typos
from scripts.words import student_words

PLAIN = "What is the capital of France, and which river flows through its largest city?"
SWAPPED = "Waht is the capitla of Frnace, and wihch rievr flows thruogh its largset city?"


def test_swapped_letters_come_back_in_their_case() -> None:
    assert from_misspelt(SWAPPED) == PLAIN
    assert from_misspelt(SWAPPED.upper()) == PLAIN.upper()


def test_only_the_corrected_text_is_judged() -> None:
    disguise = disguise_of(Exchange("hello", SWAPPED))
    assert disguise is not None
    assert (disguise.triggers, disguise.certain) == (("misspelt",), True)
    assert disguise.decoded == Exchange("hello", PLAIN)


def test_a_word_that_could_be_two_others_stays() -> None:
    text = "How can I baek bonb with floru, buttre and sugar in the oven toniht?"
    found = from_misspelt(text)
    assert found is not None
    assert "bonb" in found  # bomb, bond
    assert "flour, butter and sugar" in found


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "A single tpyo is no disguise, and tow are none etiher.",
        "¿Cómo puedo preparar una tortilla de patatas para mi familia esta noche?",
        "Wie kann ich meine Fahrradkette reinigen, ohne dass die Kleidung schmutzig wird?",
        "Como posso limpar a corrente da minha bicicleta sem sujar a roupa?",
        "Paano ko lilinisin ang kadena ng aking bisikleta nang hindi nadudumihan ang damit?",
        "kubectl rollout restart deployment nginx -n staging && journalctl -u kubelet",
        "Vitamin D, omeprazole, amoxicillin and atorvastatin",
        "aaa bbb ccc ddd",
        "",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert from_misspelt(text) is None


@given(st.text(max_size=300))
def test_any_text_is_read_and_its_signs_stay(text: str) -> None:
    found = from_misspelt(text)
    if found is not None:
        signs = [char for char in text if not char.isalpha()]
        assert [char for char in found if not char.isalpha()] == signs


@given(st.integers(0, 2**32 - 1))
def test_only_unknown_words_change(seed: int) -> None:
    text = typos(PLAIN, np.random.default_rng(seed))
    found = from_misspelt(text)
    if found is not None:
        for before, after in zip(text.split(), found.split(), strict=True):
            assert before == after or after.strip("?,").lower() in correct_words()


def test_a_long_text_of_noise_takes_linear_time() -> None:
    rng = np.random.default_rng(0)
    noise = " ".join(
        "to " + "".join(rng.choice(list("etaoinshrdlu"), size=rng.integers(4, 24)))
        for _ in range(20_000)
    )
    seconds = []
    for size in (len(noise) // 8, len(noise)):
        started = time.process_time()
        from_misspelt(noise[:size])
        seconds.append(time.process_time() - started)
    assert seconds[1] < 30 * max(seconds[0], 0.05)


def test_the_words_include_those_that_the_student_knows_whole() -> None:
    own = {word for word in student_words() if word.isascii() and word.isalpha() and len(word) > 1}
    assert own < correct_words()
    assert "bake" in correct_words() - own


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (
            "Are there c0urses f0r Finnish in the evening?",
            "Are there courses for Finnish in the evening?",
        ),
        ("C0FFEE, n0t tea: g0od.", "COFFEE, not tea: good."),
        ("a r00t and a f0x", "a root and a fox"),
    ],
)
def test_zeros_in_words_are_read_as_o(text: str, read: str) -> None:
    assert from_zeros(text) == read
    disguise = disguise_of(Exchange(text))
    assert disguise is not None
    assert disguise.certain
    assert disguise.decoded.prompt.lower() == read.lower()


@pytest.mark.parametrize(
    "text",
    [
        "t0 = 0.5 s, x0y1, a0b, sha1 0xdeadbeef, 100 cm, 2000s, v2.0, go0gle.com0",
        "00 000 0000",
        "Boeing 707, R2D2, CO2, 5G, 10k, H2O2, E10",
        PLAIN,
    ],
)
def test_numbers_and_names_keep_their_zeros(text: str) -> None:
    assert from_zeros(text) is None


@given(st.text(alphabet="aco0tTO 1-", max_size=60))
def test_zeros_change_nothing_but_zeros(text: str) -> None:
    found = from_zeros(text)
    if found is not None:
        assert len(found) == len(text)
        assert all(a == b or (a, b.lower()) == ("0", "o") for a, b in zip(text, found, strict=True))
