"""Rows in other languages: translations stay on one side, both classes have the same forms."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_training.data.behaviour.foreign_answers_text import FOREIGN_ANSWERS
from model_training.data.behaviour.foreign_east_text import FOREIGN
from model_training.data.behaviour.foreign_people_far_text import FOREIGN_PEOPLE
from model_training.data.multilingual import (
    SWITCHED,
    TEMPLATES,
    code_switched,
    foreign_answers,
    foreign_people,
    foreign_templates,
    judged_rows,
    learnt_languages,
    read_multilingual,
    without_originals,
)
from model_training.data.rows import PoolRow, Row
from model_training.errors import DataInvalid
from model_training.evaluation.behaviour.gate_foreign import FOREIGN_CASES
from model_training.recipe.config import DataConfig
from model_training.recipe.multilingual import MultilingualConfig

LANGUAGES = ("de", "it", "th")
SHARES = DataConfig(validation_share=0.1, calibration_share=0.1)
CONFIG = MultilingualConfig(
    languages=LANGUAGES,
    request_sources=("asks",),
    benign_sources=("benign",),
    original_sources=("english",),
    held_out_sources=("posts",),
    held_out_languages=("it",),
    held_out_share=0.25,
)


def row(source: str, category: str | None, prompt: str, label: int | None) -> dict[str, Any]:
    return {
        "source": source,
        "prompt": prompt,
        "response": None,
        "prompt_label": label,
        "response_label": None,
        "category": category,
    }


def folder_of(folder: Path, **sources: list[dict[str, Any]]) -> Path:
    entries = []
    (folder / "ml").mkdir(parents=True)
    for name, rows in sources.items():
        with gzip.open(folder / f"ml/{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(one) + "\n" for one in rows)
        entries.append(
            {
                "name": name,
                "file": f"ml/{name}.jsonl.gz",
                "split": "train_multilingual",
                "permissive": name != "closed",
            }
        )
    (folder / "sources_extra.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    topics = [f"topic {n}" for n in range(20)]
    return folder_of(
        tmp_path,
        asks=[
            row("asks", f"{language}:{topic}", f"{language} ask {topic} {n}", 1)
            for language in LANGUAGES
            for topic in topics
            for n in range(3)
        ],
        benign=[
            row("benign", f"{language}:chat", f"{language} chat {n}", 0)
            for language in LANGUAGES
            for n in range(100)
        ],
        posts=[row("posts", "de:x", f"de post {n}", n % 2) for n in range(20)],
        closed=[row("closed", "de:x", "de closed", 1)],
    )


def test_a_topic_is_learnt_from_or_measured_in_all_languages(data: Path) -> None:
    found = read_multilingual(data, CONFIG, SHARES)
    splits = found.splits
    learnt = [*splits.train, *splits.validation, *splits.calibration]

    def topics(rows: list[Row]) -> set[str]:
        return {one.prompt[3:].rsplit(" ", 1)[0] for one in rows if one.source.startswith("asks.")}

    assert len(topics(found.held_out)) == 5
    assert not topics(found.held_out) & topics(learnt)
    assert {one.topic for one in found.held_out if one.label and "asks" in one.source} == {
        f"topic {name.rpartition(' ')[2]}" for name in topics(found.held_out)
    }
    sides = Counter(one.source for one in found.held_out if one.label)
    assert {language: sides[f"asks.{language}"] for language in LANGUAGES} == dict.fromkeys(
        LANGUAGES, 15
    )
    assert not any(one.source == "asks.it" for one in learnt)
    assert {one.source for one in learnt} == {
        *("asks.de", "asks.th", "benign.de", "benign.it", "benign.th")
    }
    assert not {one.prompt for one in found.held_out} & {one.prompt for one in learnt}
    assert sum(one.source == "posts.de" for one in found.held_out) == 20
    benign = sum(one.source.startswith("benign") for one in found.held_out)
    assert 5 <= benign <= 27  # a twentieth of 300, by hash
    for some in (splits.calibration, splits.validation):
        there = Counter(one.source for one in some)
        assert all(there[f"benign.{language}"] for language in LANGUAGES)
    learnt_from = sum(one.source.startswith("benign") for one in splits.train)
    assert 195 <= learnt_from <= 255  # three quarters: neither held out nor a choice's
    assert learnt_languages(splits.train, CONFIG) == {"de", "th"}


@pytest.mark.parametrize("family", ["foreign_templates", "foreign_people", "translated", "written"])
def test_a_language_is_learnt_by_whatever_asks_for_harm_in_it(family: str) -> None:
    def one(label: int) -> Row:
        return Row(source=f"{family}.it", prompt="come", response=None, label=label)

    assert learnt_languages([one(1)], CONFIG) == {"it"}
    assert learnt_languages([one(0)], CONFIG) == frozenset()


def test_the_english_originals_of_what_is_held_out_are_not_learnt_from(data: Path) -> None:
    closed = read_multilingual(data, CONFIG, SHARES).closed
    assert len(closed) == 5
    pool = [
        PoolRow(source=source, prompt=f"{source} {topic} {n}", prompt_label=1, category=category)
        for source in ("english", "other")
        for topic in range(20)
        for n, category in enumerate((f"topic {topic}", f"set/topic {topic}"))
    ]
    pool.append(PoolRow(source="english", prompt="no category", prompt_label=1))
    pool.append(PoolRow(source="english", prompt="cut", prompt_label=1, category="long " * 24))
    rows = [Row(source=one.source, prompt=one.prompt, response=None, label=1) for one in pool]
    rows.append(Row(source="english", prompt="from elsewhere", response=None, label=1))
    closed |= {"long " * 30}  # the pool cuts categories at 120 characters
    rows.append(Row(source="twice", prompt="CUT!", response=None, label=1))
    kept, originals = without_originals(rows, pool, CONFIG, closed)
    assert {one.prompt for one in originals} >= {"cut", "CUT!"}
    originals = [one for one in originals if one.prompt not in ("cut", "CUT!")]
    kept += [one for one in rows if one.prompt in ("cut", "CUT!")]
    closed -= {"long " * 30}
    assert len(kept) + len(originals) == len(rows)
    gone = {one.prompt for one in rows} - {one.prompt for one in kept}
    assert gone == {one.prompt for one in originals}
    assert {one.topic for one in originals} == closed
    assert gone == {
        f"english {topic.removeprefix('topic ')} {n}" for topic in closed for n in (0, 1)
    }


def test_the_split_does_not_depend_on_the_order_of_rows(data: Path) -> None:
    before = read_multilingual(data, CONFIG, SHARES)
    path = data / "ml/asks.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(reversed(lines))))
    after = read_multilingual(data, CONFIG, SHARES)
    assert {one.prompt for one in before.held_out} == {one.prompt for one in after.held_out}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sources": ("asks", "nowhere")}, "nowhere"),
        ({"held_out_sources": ("nowhere",)}, "nowhere"),
        ({"request_sources": ("nowhere",)}, "nowhere"),
        ({"sources": ()}, "no source"),
    ],
)
def test_a_source_that_is_not_there_is_named(data: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataInvalid, match=said):
        read_multilingual(data, CONFIG.model_copy(update=change), SHARES)


@pytest.mark.parametrize("category", [None, "", "weapons", "long:x", ":x"])
def test_a_row_without_a_language_is_an_error(tmp_path: Path, category: str | None) -> None:
    data = folder_of(tmp_path, asks=[row("asks", category, "a", 1)], benign=[], posts=[])
    with pytest.raises(DataInvalid, match="asks"):
        read_multilingual(data, CONFIG, SHARES)


def test_switched_rows_are_of_both_classes_and_keep_their_prompt() -> None:
    english = [
        Row(source="chat", prompt=f"english {label} {n}", response=None, label=label)
        for label in (0, 1)
        for n in range(30)
    ]
    foreign = [
        Row(source=f"ml.{language}", prompt=f"{language} {label} {n}", response=None, label=label)
        for language in ("de", "ja")
        for label in (0, 1)
        for n in range(30)
    ]
    rows = code_switched(english, foreign, 200, np.random.default_rng(0))
    assert Counter(one.label for one in rows) == {0: 100, 1: 100}
    prompts = {one.prompt: one for one in (*english, *foreign)}
    for one in rows:
        parts = one.prompt.replace("\n", " ")
        inside = [known for known in prompts if known in parts]
        assert any(prompts[known].label == one.label for known in inside)
        assert len({prompts[known].language for known in inside}) > 1
        assert one.source.startswith(f"{SWITCHED}.")
        assert one.language != "en"
        if not one.label:
            assert all(prompts[known].label == 0 for known in inside)
    assert code_switched([], [], 10, np.random.default_rng(0)) == []


def test_templates_have_both_classes_in_the_same_frames() -> None:
    config = CONFIG.model_copy(update={"templates": 10_000})
    rows = foreign_templates(config, np.random.default_rng(0))
    assert {one.language for one in rows} == set(FOREIGN)
    assert not {"it", "th"} & set(FOREIGN)  # they stand for languages without harmful requests
    for language, text in FOREIGN.items():
        own = [one for one in rows if one.language == language]
        assert len({one.prompt for one in own}) == len(own)
        assert all(frame.count("{do}") == 1 for frame in text.frames)
        assert len(text.harmful) >= 20
        assert len(text.harmless) >= 20
        by_label = Counter(one.label for one in own)
        assert min(by_label.values()) > 0.8 * max(by_label.values())
        assert not set(text.harmful) & set(text.harmless)
    fewer = foreign_templates(CONFIG.model_copy(update={"templates": 8}), np.random.default_rng(0))
    assert len(fewer) == 8 * len(FOREIGN)


def test_those_who_suffer_and_those_who_do_harm_are_told_apart_by_what_they_ask() -> None:
    config = CONFIG.model_copy(update={"people": 10_000})
    rows = foreign_people(config, np.random.default_rng(0))
    assert {one.language for one in rows} == set(FOREIGN) == set(FOREIGN_PEOPLE)
    for language, text in FOREIGN_PEOPLE.items():
        own = [one for one in rows if one.language == language]
        assert len({one.prompt for one in own}) == len(own)
        sizes = len(text.suffering), len(text.asking), len(text.doing), len(text.hiding)
        assert (sizes, len(text.topics)) == ((14, 5, 10, 4), 16)
        harmful = {one.prompt for one in own if one.label}
        assert harmful == {f"{one} {question}" for one in text.doing for question in text.hiding}
        harmless = {one.prompt for one in own if not one.label}
        assert len(harmless) == 14 * 5 + 16
        assert {*text.topics} < harmless
        assert not {*text.suffering, *text.asking} & {*text.doing, *text.hiding}
    fewer = foreign_people(CONFIG.model_copy(update={"people": 20}), np.random.default_rng(0))
    assert Counter(one.label for one in fewer) == dict.fromkeys((0, 1), 10 * len(FOREIGN))
    assert foreign_people(CONFIG, np.random.default_rng(0)) == []


def test_answers_are_harmful_only_where_they_comply_with_harm() -> None:
    config = CONFIG.model_copy(update={"templates": 200, "answers": 40})
    templates = foreign_templates(config, np.random.default_rng(0))
    requests = [
        *templates,
        Row(source="ml_hate.de", prompt="states and asks nothing", response=None, label=1),
        Row(source=f"{TEMPLATES}.de", prompt="has an answer", response="so", label=1),
    ]
    rows = foreign_answers(requests, config, np.random.default_rng(0))
    assert {one.language for one in rows} == set(FOREIGN) == set(FOREIGN_ANSWERS)
    labels = {one.prompt: one.label for one in templates}
    for language, answers in FOREIGN_ANSWERS.items():
        own = [one for one in rows if one.language == language]
        assert Counter((labels[one.prompt], one.response in answers.complying) for one in own) == {
            (1, True): 20,
            (1, False): 10,
            (0, True): 10,
        }
        for one in own:
            assert one.label == (labels[one.prompt] and one.response in answers.complying)
            assert one.response in {*answers.complying, *answers.refusing}
        cases = FOREIGN_CASES[language].refusals
        assert not {*cases} & {*answers.complying, *answers.refusing}
    assert foreign_answers(requests, CONFIG, np.random.default_rng(0)) == []


def test_a_student_is_chosen_by_its_own_languages() -> None:
    rows = [
        Row(source=source, prompt=source, response=response, label=0)
        for source in ("chat", "ml.de", "ml.sw")
        for response in (None, "a")
    ]
    kept = judged_rows(rows, CONFIG)
    assert [(one.source, one.response is None) for one in kept] == [
        ("chat", False), ("ml.de", True), ("ml.de", False), ("ml.sw", False)
    ]  # fmt: skip
    assert judged_rows(rows, None) == rows
