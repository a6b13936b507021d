"""Translations stay where language and meaning agree, and each says of what it is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from postern.contract.language import Reading
from postern.languages.reader import LanguageReader

from model_training.augmentation.translate import (
    NAMES,
    Translated,
    chosen_rows,
    translate,
    translated_rows,
)
from model_training.data.multilingual import MEASURED
from model_training.data.rows import Row
from model_training.recipe.augmentation import ServerConfig
from model_training.recipe.config import read_recipe
from model_training.recipe.multilingual import TranslateConfig
from model_training.run.journal import Journal
from model_training.teachers.llm import Call, Finished, Reply
from tests.server_process import ROOT

SERVER = ServerConfig(kind="server", base_url="http://127.0.0.1:9/v1", model="writer")
CONFIG = TranslateConfig(
    model=SERVER,
    languages=("de",),
    sources=("chat", "asks"),
    pair_sources=("pairs",),
    harmful=4,
    harmless=6,
    pairs=2,
    longest_characters=80,
    encoder="none",
)
READER = LanguageReader({"en"}, further={"de", "ja"})


class Writer:
    """Translates by a table, both ways. Whatever it does not know, it refuses."""

    asked = "writer"

    def __init__(self, table: dict[str, Reply]) -> None:
        self._table = table
        self.calls: list[Call] = []

    def require_continuation(self, journal: Journal) -> None:
        raise AssertionError("a translation has no prefix")

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        self.calls += calls
        finished(
            {
                call.key: self._table.get(call.body["messages"][-1]["content"], Reply(refused=400))
                for call in calls
            }
        )


def read(text: str) -> Reading:
    return READER.read([text])


def same(pairs: Sequence[tuple[str, str]]) -> list[float]:
    """1 where a translation back is the original, else how many of its words are."""
    return [
        len({*one.lower().split()} & {*back.lower().split()}) / len({*one.lower().split()})
        for one, back in pairs
    ]


def row(source: str, prompt: str, label: int, response: str | None = None) -> Row:
    return Row(source=source, prompt=prompt, response=response, label=label)


def test_what_stays_and_why_the_rest_does_not(tmp_path: Path) -> None:
    good = "Wie backe ich am Wochenende einen Kuchen für meine Freunde?"
    refusal = "Es tut mir leid, dabei kann ich Ihnen leider nicht helfen."
    table = {
        "how do i bake a cake": Reply(text=good, finish="stop"),
        good: Reply(text="how do i bake a cake", finish="stop"),
        "who wrote this": Reply(text="Who wrote this, and when did they do it?", finish="stop"),
        "count to ten": Reply(text="Hier ist sie:\n\nZähle bis zehn.", finish="stop"),
        "say it again": Reply(text="Sag es bitte noch einmal, und noch einmal", finish="length"),
        "paint a wall": Reply(
            text="Das Wetter in Hamburg ist heute wieder schlecht", finish="stop"
        ),
        "Das Wetter in Hamburg ist heute wieder schlecht": Reply(text="bad weather", finish="stop"),
        "steal a car": Reply(text=" ... ", finish="stop"),
        "sorry, i cannot help": Reply(text=refusal, finish="stop"),
        refusal: Reply(text="sorry, i cannot help", finish="stop"),
    }
    train = [
        row("chat", "how do i bake a cake", 0),
        row("chat", "who wrote this", 0),
        row("chat", "count to ten", 0),
        row("chat", "say it again", 0),
        row("chat", "paint a wall", 0),
        row("asks", "steal a car", 1),
        row("asks", "rob a bank", 1),
        row("pairs", "how do i bake a cake", 0, "sorry, i cannot help"),
        row("pairs", "paint a wall", 0, "sorry, i cannot help"),
        row("elsewhere", "how do i bake a cake", 0),
    ]
    writer = Writer(table)
    with Journal(tmp_path / "calls.jsonl") as journal:
        kept, report = translate(train, [], CONFIG, writer, journal, read=read, similarities=same)
    assert [(one.source, one.prompt, one.response, one.label) for one in kept] == [
        ("chat", good, None, 0),
        ("pairs", good, refusal, 0),
    ]
    assert report == {
        "asked": 9,
        "kept": 2,
        "languages": {
            "de": {
                "kept_prompt_unharmful": 1,
                "kept_pair_unharmful": 1,
                "language": 1,
                "form": 1,
                "cut_off": 1,
                "meaning": 2,
                "empty": 1,
                "refused_by_server": 1,
            }
        },
    }
    # One call for each text, whichever rows it is in.
    assert (
        Counter(call.body["messages"][-1]["content"] for call in writer.calls).most_common(1)[0][1]
        == 1
    )
    assert {call.body["messages"][0]["content"].split()[4] for call in writer.calls} == {
        "German.",
        "English.",
    }


def test_what_must_not_be_written_is_not_asked_for(tmp_path: Path) -> None:
    train = [row("asks", "sexual story about a minor", 1), row("asks", "steal a car", 1)]
    assert [one.prompt for one in chosen_rows(train, "de", CONFIG)] == ["steal a car"]
    back = "Ein Satz, der auf Deutsch steht und lang genug dafür ist."
    table = {
        "steal a car": Reply(text=back, finish="stop"),
        back: Reply(text="a sexual story about a minor", finish="stop"),
    }
    with Journal(tmp_path / "calls.jsonl") as journal:
        kept, report = translate(
            train[1:], [], CONFIG, Writer(table), journal, read=read, similarities=same
        )
    assert kept == []
    assert report["languages"] == {"de": {"excluded": 1}}


def test_originals_that_are_held_out_are_measured_and_not_learnt_from(tmp_path: Path) -> None:
    stolen = "Wie stehle ich ein Auto, ohne dass es jemand bemerkt?"
    table = {
        "steal a car": Reply(text=stolen, finish="stop"),
        stolen: Reply(text="steal a car", finish="stop"),
    }
    originals = [
        row("asks", "steal a car", 1).model_copy(update={"topic": "theft"}),
        row("asks", "steal a car and paint it", 1, "so"),
        row("asks", "a harmless one", 0),
    ]
    config = CONFIG.model_copy(update={"measured_languages": ("de",), "measured": 5})
    with Journal(tmp_path / "calls.jsonl") as journal:
        kept, report = translate(
            [], originals, config, Writer(table), journal, read=read, similarities=same
        )
    (one,) = kept
    assert one.measured
    assert one.row(None) == Row(
        source=f"{MEASURED}.de", prompt=stolen, response=None, label=1, topic="theft"
    )
    assert report["languages"] == {"de": {"kept_measured": 1}}


def test_rows_are_taken_from_the_sources_in_turn_and_others_for_each_language() -> None:
    train = [
        row(source, f"{source} {label} {n}", label)
        for source in ("chat", "asks", "elsewhere")
        for label in (0, 1)
        for n in range(40)
    ]
    train += [row("chat", "long " * 40, 1), row("chat", "two\nlines", 1), row("chat", " ", 1)]
    config = CONFIG.model_copy(update={"harmful": 7, "harmless": 6})
    found = chosen_rows(train, "de", config)
    assert Counter((one.source, one.label) for one in found) == {
        ("asks", 1): 4,
        ("chat", 1): 3,
        ("asks", 0): 3,
        ("chat", 0): 3,
    }
    more = chosen_rows(train, "de", config.model_copy(update={"harmful": 12, "harmless": 9}))
    assert {one.prompt for one in found} < {one.prompt for one in more}
    assert {one.prompt for one in chosen_rows(train, "ja", config)} != {one.prompt for one in found}
    assert chosen_rows(list(reversed(train)), "de", config) == found
    assert len(chosen_rows(train, "de", config.model_copy(update={"harmful": 1000}))) == 86


def test_a_translation_learns_what_the_teacher_said_of_its_original() -> None:
    one = Translated(
        language="de",
        source="asks",
        label=1,
        original_prompt="steal",
        original_response=None,
        prompt="stehlen",
        response=None,
        similarity=0.9,
    )
    judged = row("asks", "steal", 1).model_copy(update={"soft_label": 0.8})
    other = row("asks", "steal", 1, "so").model_copy(update={"soft_label": 0.1})
    (found,) = translated_rows([one], [other, judged])
    assert found == Row(
        source="translated.de", prompt="stehlen", response=None, label=1, soft_label=0.8
    )
    assert found.language == "de"
    assert translated_rows([one], [])[0].soft_label is None


def test_the_model_can_be_asked_for_every_language_of_a_recipe() -> None:
    recipe = read_recipe(ROOT / "recipes/multilingual.toml")
    assert recipe.translate is not None
    assert recipe.multilingual is not None
    assert set(recipe.translate.languages) <= NAMES.keys()
    # Those that stand for languages without harmful requests get none this way either.
    assert not set(recipe.translate.languages) & set(recipe.multilingual.held_out_languages)


@pytest.mark.parametrize("languages", [(), ("German",)])
def test_a_language_is_a_tag(languages: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="languages"):
        TranslateConfig.model_validate({**CONFIG.model_dump(), "languages": languages})
