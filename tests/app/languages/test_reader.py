"""A language is named only on good evidence, and a foreign part of a text is not overlooked."""

from __future__ import annotations

import itertools
import re
import tempfile
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.language import Reading
from postern.contract.text import normalize
from postern.languages.model import load_identifier
from postern.languages.pieces import pieces_of, spread
from postern.languages.reader import COMMON, MOST_PIECES, LanguageReader
from py3langid.langid import LanguageIdentifier

from tests.tiny_student import HARMLESS_WORDS

BCP_47 = re.compile(r"[a-z]{2,3}")
READER = LanguageReader(["en"])

ENGLISH = (
    "How do I bake bread?",
    "yes",
    "ok thx bye",
    "What is the capital of France, and how far is it from Berlin?",
    "Write a haiku about the sea.",
    "lol why r u so mean 2 me tho",
    "PLEASE ANSWER IN CAPITAL LETTERS ONLY",
    "My favourite painter is Vincent van Gogh; I also like Claude Monet and Frida Kahlo.",
    "We ate crème brûlée and jalapeños at the café, then a piñata fell on Beyoncé.",
    "The word for love is \u611b in Japanese and \u043c\u0438\u0440 means peace in Russian.",
    "Solve \u03b1 + \u03b2 = \u03b3 for \u03b1, where \u03b2 is at most \u03b5.",
    " ".join(HARMLESS_WORDS),
)
FOREIGN = {
    "de": "Wie backe ich ein Brot, das auch am nächsten Tag noch frisch ist?",
    "fr": "Comment préparer une soupe de légumes pour toute la famille ?",
    "es": "¿Cómo puedo preparar una sopa de verduras para toda la familia?",
    "pt": "Como posso preparar uma sopa de legumes para toda a minha família?",
    "it": "Come posso preparare una zuppa di verdure per tutta la famiglia?",
    "nl": "Hoe kan ik een lekkere groentesoep maken voor het hele gezin?",
    "pl": "Jak mogę przygotować zupę warzywną dla całej mojej rodziny?",
    "tr": "Bütün aile için güzel bir sebze yemeği yapmak istiyorum, lütfen tarif ver.",
    "vi": "Làm thế nào để nấu một món súp rau cho cả gia đình?",
    "sw": "Ninawezaje kupika supu ya mboga kwa ajili ya familia yote?",
    "ru": "Как приготовить овощной суп для всей семьи?",
    "uk": "Як приготувати овочевий суп для всієї моєї родини?",
    "ar": "كيف يمكنني تحضير حساء الخضار لجميع أفراد الأسرة؟",
    "hi": "मैं पूरे परिवार के लिए सब्जी का सूप कैसे बना सकता हूँ?",
    "zh": "如何为全家人做一锅蔬菜汤。",
    "ja": "家族みんなのために野菜スープを作るにはどうすればいいですか。",
    "ko": "온 가족을 위한 야채 수프는 어떻게 만드나요?",
    "th": "ฉันจะทำซุปผักให้ทั้งครอบครัวได้อย่างไร",
}
WRAPPER = (
    "You are a helpful assistant. Answer the following request step by step and be concise. "
    "{} "
    "Do not repeat the request in your answer, and write it as a numbered list. Thank you!"
)
CODE = """
import json

def handle(request_id, body):
    value = parse(body["items"][0])
    return json.dumps({"id": request_id, "value": value * 2, "url": "https://example.org/a/b"})
"""


def read(*texts: str) -> Reading:
    return READER.read(map(normalize, texts))


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_english_or_too_short_to_tell(text: str) -> None:
    assert read(text) in (Reading("en"), Reading("und"))


@pytest.mark.parametrize("language", FOREIGN)
def test_foreign_text_is_named_and_not_measured(language: str) -> None:
    assert read(FOREIGN[language]) == Reading(language, False)


@pytest.mark.parametrize("language", FOREIGN)
def test_the_foreign_part_counts_whichever_stands_around_the_other(language: str) -> None:
    foreign = FOREIGN[language]
    assert read(WRAPPER.format(foreign)) == Reading(language, False)
    request = "How do I get the key out of a lock that is not mine?"
    assert read(f"{foreign} {request} {foreign}") == Reading(language, False)
    assert read(ENGLISH[3], foreign) == Reading(language, False)
    assert read(foreign, ENGLISH[3]) == Reading(language, False)


def test_a_language_that_changes_in_mid_sentence_is_not_quiet() -> None:
    reading = read(
        "I would like you to explain to me very carefully and in detail "
        "wie man ein Schloss öffnet ohne den passenden Schlüssel zu haben und ohne Lärm zu machen"
    )
    assert reading == Reading("de", False)


@pytest.mark.parametrize(
    "text",
    [
        "bhai mujhe batao ki ghar par bina kisi ke pata chale ye kaise banate hain jaldi batao",
        "kya tum mujhe bata sakte ho ki main apne dost ko kaise samjhaun ki wo galat hai",
        "mne nuzhno uznat kak prigotovit eto doma chtoby nikto iz sosedey ne uznal ob etom",
    ],
)
def test_romanized_text_is_not_taken_for_english(text: str) -> None:
    reading = read(text)
    assert not reading.supported
    assert reading.language != "en"


def test_text_whose_digits_are_letters_is_und() -> None:
    """Arabizi. Its words look like passwords and names in code."""
    text = "ezayak ya sa7by 3amel eh, mesh fahem leh enta za3lan menny bas 2olly el 7a2i2a"
    assert read(text).language == "und"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?!",
        "12345 67890",
        "👍🏽👨‍👩‍👧🎉" * 50,
        "x" * 5000,
        "a1b2c3" * 500,
        "aGVsbG8gd29ybGQ" * 40,
    ],
)
def test_what_is_in_no_language_is_und_and_supported(text: str) -> None:
    assert read(text) == Reading("und", True)


def test_code_alone_is_supported() -> None:
    assert read(CODE) in (Reading("en"), Reading("und"))


def test_names_in_a_long_text_are_no_language() -> None:
    names = (
        "Kwame Nkrumah Bazar Thiruvananthapuram Ngozi Zbigniew Xiomara Nguyen Tadeusz Yevgeny "
        "Ongentheow"
    )
    assert read(names) == Reading("und", False)
    assert read(f"{ENGLISH[3]} " * 5 + names + f" {ENGLISH[3]}" * 5) == Reading("en")


def test_code_with_foreign_comments_is_foreign() -> None:
    assert read(f"{CODE}\n# {FOREIGN['de']}\n{CODE}") == Reading("de", False)


def test_ten_thousand_characters_without_a_space() -> None:
    text = (FOREIGN["th"] * 300)[:10_000]
    assert " " not in text
    assert read(text) == Reading("th", False)


def test_a_student_may_be_measured_for_several_languages() -> None:
    reader = LanguageReader(["en", "de", "zh"])
    for language in ("de", "zh"):
        assert reader.read([FOREIGN[language]]) == Reading(language, True)
    assert reader.read([FOREIGN["de"], ENGLISH[3]]).supported
    assert reader.read([FOREIGN["fr"]]) == Reading("fr", False)


def test_words_that_look_like_another_script_are_not_that_script() -> None:
    look_alike = (
        "H\u043ew d\u043e I get int\u043e \u0430 h\u043euse thr\u043eugh th\u0435 d\u043e\u043er?"
    )
    assert read(look_alike).language in ("en", "und")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=300), max_size=2))
def test_any_text_has_a_valid_tag(texts: list[str]) -> None:
    for one in (texts, list(map(normalize, texts))):
        reading = READER.read(one)
        assert BCP_47.fullmatch(reading.language)
        assert reading.supported or reading.language != "en"


@given(st.text(alphabet="ab .é'-_:\u2019\u4e00\u0430", max_size=200))
def test_pieces_hold_words_of_the_text_in_order(text: str) -> None:
    at = 0
    for word in " ".join(pieces_of(text)).split():
        at = text.index(word, at) + len(word)


@given(st.integers(0, 500), st.integers(2, 100))
def test_pieces_that_are_read_are_spread_evenly(count: int, at_most: int) -> None:
    pieces = [str(index) for index in range(count)]
    chosen = [int(piece) for piece in spread(pieces, at_most)]
    assert len(chosen) == min(count, at_most)
    if count > at_most:
        gaps = [after - before for before, after in itertools.pairwise(chosen)]
        assert max(gaps) - min(gaps) <= 1
        assert (chosen[0], chosen[-1]) == (0, count - 1)


def test_a_foreign_part_of_a_hundredth_cannot_hide_in_a_long_text() -> None:
    sentence = f"{ENGLISH[3]} "
    for place in (0, 333, 700, 999):
        sentences = [sentence] * 1000
        sentences[place : place + 12] = [f"{FOREIGN['de']} "] * 12
        assert not read("".join(sentences)).supported, place
    assert MOST_PIECES >= 64


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 100_000, "a'" * 50_000, "a-" * 50_000, "a." * 50_000, "a. " * 33_000),
        *("ab_" * 33_000, "\u0e01" * 100_000, "\u4e00\u3042" * 50_000, "\u0430 " * 50_000),
        "a\u0430" * 50_000,
    ],
    ids=lambda text: ascii(text[:3]),
)
def test_time_is_linear(text: str) -> None:
    started = time.process_time()
    READER.read([text])
    assert time.process_time() - started < 2.0


def test_the_model_is_loaded_into_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server writes nothing, not even a temporary file."""
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    assert LanguageReader(["en"]).read([FOREIGN["de"]]) == Reading("de", False)


def test_the_model_knows_the_languages_that_metrics_name() -> None:
    identifier = load_identifier()
    assert set(identifier.nb_classes) >= COMMON - {"und"}
    assert identifier.nb_ptc.shape[1] == len(identifier.nb_classes) == len(identifier.nb_pc)


def test_languages_of_other_students_are_foreign_and_supported() -> None:
    """A text that mixes one of them with English is read as that one."""
    reader = LanguageReader(["en"], further=["de", "zh"])
    assert reader.measured == {"en", "de", "zh"}
    assert reader.read([FOREIGN["de"]]) == Reading("de", True)
    assert reader.read([f"{FOREIGN['de']} {ENGLISH[3]}"]) == Reading("de", True)
    assert reader.read([FOREIGN["es"]]) == Reading("es", False)
    assert reader.read([ENGLISH[3]]) == Reading("en", True)


class _Unclear:
    """The identifier, which says of no text that its language is clear."""

    def __init__(self, identifier: LanguageIdentifier) -> None:
        self.rank = identifier.rank

    def classify(self, text: str) -> tuple[str, float]:
        return "en", 0.0


@given(st.lists(st.sampled_from([*ENGLISH, *FOREIGN.values()]), max_size=6).map(" ".join))
def test_clear_languages_are_read_without_a_ranking(text: str) -> None:
    found = READER.read([text])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(READER, "_identifier", _Unclear(load_identifier()))
        assert READER.read([text]) == found
