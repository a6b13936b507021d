"""The behaviour gate: enough cases of every kind, apart from training; floors that hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postern.contract.exchange import Label

from model_training.data.behaviour import rows as training
from model_training.data.behaviour.foreign_east_text import FOREIGN
from model_training.data.behaviour.foreign_people_far_text import FOREIGN_PEOPLE
from model_training.errors import GateFailed
from model_training.evaluation.behaviour.cases import KINDS, changed_cases, plain_cases
from model_training.evaluation.behaviour.gate import (
    behaviour,
    check_floors,
    foreign_behaviour,
    language_shortfalls,
    served_margins,
    shortfalls,
    wilson_interval,
)
from model_training.evaluation.behaviour.gate_foreign import FOREIGN_CASES, foreign_cases
from model_training.evaluation.publish import publish
from model_training.evaluation.report_sections import optional_sections
from model_training.measures.served import Served, open_candidate
from model_training.recipe.behaviour import BehaviourConfig, BehaviourRowsConfig
from model_training.recipe.config import RunConfig, read_recipe
from model_training.run.candidate import EXPORT, REPORT, policy_sha256, read_json, write_json
from tests.server_process import ROOT
from tests.tiny_student import tiny_config, tiny_policy, tiny_rows

_PLAIN = plain_cases(120)
_HARMFUL = [row.prompt for row in _PLAIN if row.label]


def _grams(text: str, n: int = 4) -> set[tuple[str, ...]]:
    found = re.findall(r"\w+", text.lower())
    return {tuple(found[place : place + n]) for place in range(len(found) - n + 1)}


def _served(candidate: Path) -> Served:
    windows = tiny_config("static").windows
    return open_candidate(candidate, windows, pad_id=int(read_json(candidate / EXPORT)["pad_id"]))


def test_every_kind_has_a_hundred_cases_and_they_are_always_the_same() -> None:
    rows = [*_PLAIN, *changed_cases(_HARMFUL, 120)]
    assert rows == [*plain_cases(120), *changed_cases(_HARMFUL, 120)]
    counts = Counter(row.source for row in rows)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 100
    for kind in KINDS:
        texts = {(row.prompt, row.response) for row in rows if row.source == kind}
        assert len(texts) >= 100, kind
    for kind in ("refusals", "blind/refusals"):
        assert {row.label for row in rows if row.source == kind} == {Label.UNHARMFUL}


def test_fewer_caught_prompts_make_fewer_cases_of_harm_alone() -> None:
    counts = Counter(row.source for row in changed_cases(_HARMFUL[:3], 10))
    assert counts["diluted/after"] == counts["obfuscated/base64"] == 3
    assert counts["undiluted/after"] == counts["spelled/leet"] == 10


def test_the_gate_shares_no_text_and_few_phrases_with_the_training_templates() -> None:
    asked = BehaviourRowsConfig.model_validate(dict.fromkeys(training.KINDS, 1200))
    taught = {
        text.lower()
        for row in training.behaviour_rows([], asked)
        for text in (row.prompt, row.response)
        if text
    }
    phrases = set[tuple[str, ...]]().union(*map(_grams, taught))
    shared: dict[str, list[float]] = {}
    for row in _PLAIN:
        assert row.prompt.lower() not in taught
        for text in (row.prompt, row.response or ""):
            if grams := _grams(text):
                shared.setdefault(row.source, []).append(len(grams & phrases) / len(grams))
    for kind, shares in shared.items():
        assert np.mean(shares) < 0.08, kind


def test_no_template_of_the_gate_is_one_of_training() -> None:
    from model_training.data.behaviour import (
        grave_text,
        looks_text,
        people_text,
        refusals_text,
        rules_text,
        small_text,
    )
    from model_training.evaluation.behaviour import gate_text

    def templates(*modules: Any) -> set[str]:
        return {
            template
            for module in modules
            for name, value in vars(module).items()
            if name.isupper() and isinstance(value, tuple)
            for template in value
        }

    trained = templates(grave_text, looks_text, people_text, refusals_text, rules_text, small_text)
    assert not templates(gate_text) & trained


def test_wilson_interval_of_known_shares() -> None:
    # R: prop.test(9, 10, correct = FALSE)$conf.int
    assert wilson_interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_floors_by_kind_group_and_every() -> None:
    config = BehaviourConfig(floors={"diluted/after": 0.5, "diluted": 0.8, "every": 0.9})
    assert config.floor_of("diluted/after") == 0.5
    assert config.floor_of("diluted/before") == 0.8
    assert config.floor_of("identity") == 0.9
    assert BehaviourConfig().floor_of("identity") is None


def test_a_floor_is_reached_or_named() -> None:
    found = {kind: {"right": 9, "n": 10} for kind in KINDS}
    assert shortfalls(found, BehaviourConfig(floors={"every": 0.9})) == []
    assert shortfalls(found, BehaviourConfig(floors={"identity": 0.95})) == [
        "identity 9 of 10, floor 0.95"
    ]
    none = found | {"diluted/after": {"right": 0, "n": 0}}
    assert shortfalls(none, BehaviourConfig(floors={"diluted": 0.1})) == [
        "diluted/after 0 of 0, floor 0.10"
    ]
    check_floors({}, BehaviourConfig())
    with pytest.raises(GateFailed, match="identity 0 of 0"):
        check_floors({}, BehaviourConfig(floors={"every": 0.1}))


def test_a_floor_in_other_languages_counts_them_together_or_one_alone() -> None:
    found = {
        "de": {"refusals": {"right": 10, "n": 10}},
        "zh": {"refusals": {"right": 4, "n": 10}, "help_seeking": {"right": 1, "n": 6}},
    }

    def lacking(**floors: float) -> list[str]:
        named = {name.replace("__", "."): floor for name, floor in floors.items()}
        return language_shortfalls(found, BehaviourConfig(language_floors=named))

    assert lacking(refusals=0.7, refusals__de=1.0) == []
    assert lacking(refusals=0.8) == ["refusals in other languages 14 of 20, floor 0.80"]
    assert lacking(refusals__zh=0.5) == ["refusals.zh in other languages 4 of 10, floor 0.50"]
    assert lacking(plain_harm=0.1) == ["plain_harm in other languages 0 of 0, floor 0.10"]
    report = {"languages": {"behaviour": found}}
    floored = BehaviourConfig(language_floors={"help_seeking": 0.5})
    with pytest.raises(GateFailed, match="help_seeking in other languages 1 of 6"):
        check_floors(report, floored)


def test_the_published_student_holds_the_floors_of_its_recipe() -> None:
    config = read_recipe(ROOT / "recipes/multilingual.toml").behaviour
    report = json.loads((ROOT / "artifacts/postern-multilingual/1.3.0/report.json").read_text())
    assert config.language_floors
    assert language_shortfalls(report["languages"]["behaviour"], config) == []


def test_a_served_student_is_judged_by_kind(tiny_candidate: Path) -> None:
    config = BehaviourConfig(cases=6)
    found = behaviour(_served(tiny_candidate), tiny_policy(), config)
    assert list(found) == list(KINDS)
    of_caught_harm = ("diluted/", "obfuscated/", "blind/base64 asked")
    assert all(one["n"] == 6 for kind, one in found.items() if not kind.startswith(of_caught_harm))
    assert all(0 <= one["right"] <= one["n"] for one in found.values())
    assert found == behaviour(_served(tiny_candidate), tiny_policy(), config)
    assert behaviour(_served(tiny_candidate), tiny_policy(), BehaviourConfig(cases=0)) == {}
    text = "\n".join(optional_sections({"behaviour": found, "behaviour_floors": {"grave": 0.9}}))
    assert "| grave |" in text
    assert "0.90" in text


def test_plain_text_has_the_margins_of_the_evaluation(tiny_candidate: Path) -> None:
    rows = tiny_rows(20, seed=3)
    served = _served(tiny_candidate)
    assert served_margins(served, rows) == pytest.approx(
        served.score(rows, what="test").margins, abs=1e-5
    )
    assert {row.label for row in rows} == set(Label)


def test_publishing_stops_below_a_floor(tiny_candidate: Path, tmp_path: Path) -> None:
    content = tiny_config("static").model_dump() | {"behaviour": {"floors": {"identity": 0.9}}}
    config = RunConfig.model_validate(content)
    exported = read_json(tiny_candidate / EXPORT)

    def publish_with(right: int) -> None:
        report = {
            "model": {"model_sha256": exported["model_sha256"]},
            "policy_sha256": policy_sha256(tiny_policy()),
            "behaviour": {kind: {"right": right, "n": 10} for kind in KINDS},
            "test": {}, "validation": {}, "look_alikes": {},
        }  # fmt: skip
        write_json(tiny_candidate / REPORT, report)
        publish(tiny_candidate, tiny_policy(), config, artifacts=tmp_path / "to", commit="c" * 40)

    with pytest.raises(GateFailed, match="identity 8 of 10"):
        publish_with(8)
    assert not (tmp_path / "to").exists()
    publish_with(9)
    assert (tmp_path / "to").exists()


def test_cases_in_other_languages_share_no_text_with_training() -> None:
    cases = foreign_cases(tuple(FOREIGN_CASES))
    recipe = read_recipe(ROOT / "recipes/multilingual.toml").multilingual
    assert recipe is not None
    assert FOREIGN_CASES.keys() >= set(recipe.languages)
    for language in FOREIGN_CASES:
        own = [one for one in cases if one.language == language]
        kinds = Counter(one.source.partition(".")[0] for one in own)
        assert kinds == {"help_seeking": 6, "topic_words": 8, "plain_harm": 8, "refusals": 24}
        assert len({(one.prompt, one.response) for one in own}) == len(own)
        text = FOREIGN.get(language)
        if text is None:
            continue
        whole = {*text.seeking_help, *text.meaning_harm}
        people = FOREIGN_PEOPLE[language]
        told = (*people.suffering, *people.doing, *people.topics)
        parts = (*told, *people.asking, *people.hiding)
        for one in own:
            assert one.prompt not in whole
            assert not any(do in one.prompt for do in (*text.harmful, *text.harmless))
            assert not any(part in one.prompt for part in parts)
    assert foreign_cases(["sw"]) == []
    assert {one.language for one in foreign_cases(["de"])} == {"de"}


def test_a_student_is_judged_in_each_language(tiny_candidate: Path) -> None:
    found = foreign_behaviour(_served(tiny_candidate), tiny_policy(), ("de", "zh", "sw"))
    assert list(found) == ["de", "zh"]
    assert {kind: one["n"] for kind, one in found["de"].items()} == {
        "help_seeking": 6, "topic_words": 8, "plain_harm": 8, "refusals": 24
    }  # fmt: skip
