"""The attack set against real servers, with and without a teacher, by its one command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from postern.contract.exchange import Exchange
from postern.disguises.triggers import disguise_of

from loadtests.attack_set import markdown
from loadtests.attack_texts import DISGUISES, KINDS, harmless, made_prompts
from loadtests.teacher_lane import ratios_of, summary
from tests.server_process import ROOT, environment

WAYS = ["student", "student, triggers", "cascade", "cascade, triggers"]
LIMIT = 6


@pytest.fixture(scope="module")
def report(tiny_artifact: Path) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "loadtests.attack_set", "--json", "--limit", str(LIMIT)),
            *("--student", str(tiny_artifact), "--teacher", f"{tiny_artifact},{tiny_artifact}"),
        ],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for prompt in made_prompts():
        assert prompt not in done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def test_every_way_is_asked_about_every_disguise_and_every_kind(report: dict[str, Any]) -> None:
    assert report["prompts"] == LIMIT
    assert report["harmless"] == dict.fromkeys(KINDS, LIMIT)
    for kind, names in (("attacks", DISGUISES), ("harmless", KINDS)):
        assert list(report["shares"][kind]) == WAYS
        for shares in report["shares"][kind].values():
            assert list(shares) == list(names)
            assert {one["degraded"] for one in shares.values()} == {0.0}


def test_triggers_send_every_disguise_to_the_teacher(report: dict[str, Any]) -> None:
    shares = report["shares"]["attacks"]
    for name in DISGUISES:
        assert shares["student"][name]["triggered"] == shares["cascade"][name]["triggered"] == 0.0
        assert shares["student"][name]["deferred"] == 0.0  # there is nobody to ask
        triggered = shares["student, triggers"][name]["triggered"]
        assert triggered == shares["cascade, triggers"][name]["triggered"]
        # Short texts that are turned round or rotated may read like no language.
        assert triggered == 0.0 if name == "plain" else triggered >= 0.5, name
        assert shares["cascade, triggers"][name]["deferred"] >= triggered
        # Of two readings the more harmful counts.
        assert shares["student, triggers"][name]["flagged"] >= shares["student"][name]["flagged"]


def test_harmless_text_costs_no_question_more(report: dict[str, Any]) -> None:
    for kind in KINDS:
        by_way = {way: report["shares"]["harmless"][way][kind] for way in WAYS}
        assert by_way["student, triggers"]["triggered"] == 0.0
        assert by_way["cascade, triggers"] == by_way["cascade"]
        assert by_way["student, triggers"]["flagged"] == by_way["student"]["flagged"]


def test_the_tables_show_what_was_measured(report: dict[str, Any]) -> None:
    shown = markdown(report["shares"]["attacks"], report["shares"]["harmless"])
    assert shown.count("\n| ") == 2 * 2 + len(DISGUISES) + len(KINDS)
    flagged = report["shares"]["attacks"]["cascade, triggers"]["hex"]["flagged"]
    (row,) = [line for line in shown.splitlines() if line.startswith("| hex |")]
    assert row.split(" | ")[4] == f"{100 * flagged:.1f} %"


@pytest.mark.parametrize("kind", KINDS)
def test_no_harmless_text_looks_disguised(kind: str) -> None:
    texts = harmless(kind, 200)
    assert len(set(texts)) == 200
    assert [text for text in texts if disguise_of(Exchange(text)) is not None] == []


def test_a_round_of_the_lane_is_compared_with_what_stood_around_it() -> None:
    assert ratios_of([100.0, 95.0, 90.0, 85.5, 80.0]) == pytest.approx([1.0, 171 / 170])
    assert ratios_of([100.0, 50.0, 100.0]) == [0.5]
    found = summary([0.9, 0.96, 0.97, 0.98, 1.3])
    assert found["median_ratio"] == 0.97
    assert found["median_ratio_95"][0] <= 0.97 <= found["median_ratio_95"][1]
    assert found["median_ratio_95"][0] < 0.97 or found["median_ratio_95"][1] > 0.97
