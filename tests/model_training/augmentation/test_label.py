"""Which rows a teacher is asked about, and what its answers become."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from postern.contract.exchange import Exchange

from model_training.augmentation.label import (
    Candidate,
    agreed_twins,
    generated,
    label,
    labelled,
    likeliest,
    text_sha256,
    unlabelled,
)
from model_training.augmentation.respond import Exchanged
from model_training.data.rows import PoolRow, Row, normalized_key, write_rows
from model_training.recipe.augmentation import made_by
from model_training.recipe.config import DistilConfig, RunConfig
from model_training.run.folder import Run
from model_training.run.journal import Journal
from model_training.run.stage_files import header, write_stage
from model_training.stages.labelling import training_rows
from model_training.teachers.labellers import Teacher
from model_training.teachers.llm import Call, Finished, Reply


class _Told:
    """Answers each prompt with a margin that was told beforehand; None is a refusal."""

    asked = "told"

    def __init__(self, margins: dict[str, float | None]) -> None:
        self._margins = margins

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        for call in calls:
            margin = self._margins[call.body["prompt"]]
            finished({call.key: Reply(refused=422) if margin is None else Reply(margin=margin)})

    def require_continuation(self, journal: Journal) -> None: ...


def _teacher(margins: dict[str, float | None]) -> Teacher:
    def write(exchange: Exchange) -> Call:
        return Call(endpoint="classify", asked="told", body={"prompt": exchange.prompt})

    def read(reply: Reply, exchange: Exchange) -> float | None:
        return None if reply.margin == 0 else 0.99 if (reply.margin or 0) > 0 else 0.01

    return Teacher(_Told(margins), write, read)


def _candidate(prompt: str, given: int | None, kind: str = "construction") -> Candidate:
    return Candidate("labelled", "s", Exchange(prompt), given, kind)


def _label(candidates: list[Candidate], margins: dict[str, float | None], folder: Path) -> Any:
    with Journal(folder / "calls.jsonl") as journal:
        return label(candidates, _teacher(margins), journal, disagreement=0.9)


def _pair(name: str, harmful: float, harmless: float | None, *, first: str) -> list[Row]:
    soft = {"generated_harmful": harmful, "generated_benign": harmless}
    return [
        Row(
            source=source,
            prompt=f"{name} {source}",
            response=None,
            label=int(share > 0.5),
            soft_label=share,
            twin=name,
        )
        for source in sorted(soft, key=lambda source: source != f"generated_{first}")
        if (share := soft[source]) is not None
    ]


def test_twins_stay_where_the_teacher_sees_what_was_intended_and_a_wide_gap() -> None:
    rows = [
        *_pair("wide", 0.9, 0.1, first="harmful"),
        *_pair("narrow", 0.6, 0.4, first="harmful"),
        *_pair("both harmful", 0.99, 0.8, first="harmful"),
        *_pair("the other way", 0.1, 0.9, first="benign"),
        *_pair("certain", 1.0, 0.0, first="benign"),
        *_pair("of one the teacher cannot tell", 0.9, None, first="harmful"),
        Row(source="generated_harmful", prompt="none", response=None, label=1, soft_label=0.9),
    ]
    kept, counts = agreed_twins(rows, least_gap=2.0)
    assert counts == {
        "harmful_twins": {"pairs": 2, "agreed": 1},
        "benign_twins": {"pairs": 3, "agreed": 1},
    }
    assert [(row.prompt, row.twin) for row in kept] == [
        ("wide generated_harmful", "wide"),
        ("wide generated_benign", "wide"),
        ("narrow generated_harmful", None),
        ("both harmful generated_harmful", None),
        ("the other way generated_benign", None),
        ("certain generated_benign", "certain"),
        ("certain generated_harmful", "certain"),
        ("of one the teacher cannot tell generated_harmful", None),
        ("none", None),
    ]


def test_own_labels_stay_and_missing_ones_are_the_teachers(tmp_path: Path) -> None:
    margins: dict[str, float | None] = {"a": 3, "b": -3, "c": 3, "d": 0, "e": None}
    candidates = [
        _candidate(name, given) for name, given in zip("abcde", (1, None, None, 1, 0), strict=True)
    ]
    rows, _, report = _label(candidates, margins, tmp_path)
    assert [(row.prompt, row.label, row.soft_label) for row in rows] == [
        ("a", 1, 0.99),
        ("b", 0, 0.01),
        ("c", 1, 0.99),
    ]
    assert (report["rows"], report["cannot_tell"], report["refused_by_server"]) == (5, 2, 1)


def test_agreement_is_told_for_each_source_and_class(tmp_path: Path) -> None:
    margins: dict[str, float | None] = {"a": 3, "b": -3, "c": 3, "d": -3}
    candidates = [_candidate(*pair) for pair in zip("abcd", (1, 1, 0, 0), strict=True)]
    candidates[3] = Candidate("labelled", "other", Exchange("d"), 0, "human")
    report = _label(candidates, margins, tmp_path)[2]["sources"]["labelled"]
    assert report["s"]["agreement"] == pytest.approx(1 / 3)
    assert report["s"]["agreement_harmful"] == 0.5
    assert report["s"]["agreement_unharmful"] == 0.0
    assert report["other"] == {
        "rows": 1,
        "cannot_tell": 0,
        "label_kind": "human",
        "teacher_harmful": 0.0,
        "agreement": 1.0,
        "agreement_unharmful": 1.0,
    }


@pytest.mark.parametrize(
    ("kind", "listed"), [("construction", 1), ("mixed", 1), ("model", 1), ("human", 0)]
)
def test_only_labels_nobody_gave_by_hand_are_disputed(
    tmp_path: Path, kind: str, listed: int
) -> None:
    candidates = [_candidate("a secret text", 0, kind), _candidate("b", 1, kind)]
    _, disputed, report = _label(candidates, {"a secret text": 3, "b": 3}, tmp_path)
    assert len(disputed) == report["disagreements"] == listed
    for row in disputed:
        assert row.sha256 == text_sha256(Exchange("a secret text"))
        assert "secret" not in row.model_dump_json()


def test_unlabelled_text_is_asked_about_once_and_never_if_held_out() -> None:
    pool = [
        PoolRow(source="p", prompt="new one", response="an answer"),
        PoolRow(source="p", prompt="New one!"),
        PoolRow(source="p", prompt="known", prompt_label=None),
        PoolRow(source="p", prompt="held out"),
        PoolRow(source="p", prompt="of the test"),
        PoolRow(source="p", prompt="labelled", prompt_label=1, response="x", response_label=None),
        PoolRow(source="p", prompt=" "),
    ]
    found = unlabelled(
        pool,
        train=[Row(source="q", prompt="known", response=None, label=1)],
        held_out=[Row(source="q", prompt="Held out", response="y", label=1)],
        test_keys={normalized_key("Of the test.")},
    )
    assert [(one.exchange.prompt, one.exchange.response) for one in found] == [
        ("new one", None),
        ("new one", "an answer"),
        ("labelled", "x"),
    ]


def test_derived_rows_are_told_from_those_of_the_catalogue() -> None:
    rows = [Row(source=name, prompt="a", response=None, label=1) for name in ("s", "derived_x")]
    kinds = [one.label_kind for one in labelled(rows, {"s": "human"})]
    assert kinds == ["human", "derived"]


def test_generated_rows_have_no_label_of_their_own() -> None:
    fields = dict.fromkeys(Exchanged.model_fields)
    row = Exchanged.model_validate(fields | {"id": "x", "intent": "benign", "prompt": "a"})
    (found,) = generated([row])
    assert (found.source, found.label, found.exchange) == ("generated_benign", None, Exchange("a"))


def _run(tmp_path: Path, **changes: Any) -> Run:
    config = RunConfig.model_validate(
        {
            "name": "tiny",
            "version": "0.1",
            "distil": {"base": "tiny"},
            "label": {
                "rows": ["labelled"],
                "teacher": {"kind": "local", "model": "no-such", "template": "yes-no"},
                **changes,
            },
        }
    )
    return Run(config, tmp_path, tmp_path / "run", tmp_path, None)


def test_of_many_labelled_rows_those_are_asked_about_that_training_would_draw() -> None:
    common = [Row(source="c", prompt=f"c{i}", response=None, label=i % 2) for i in range(900)]
    rare = [Row(source="r", prompt=f"r{i}", response=None, label=i % 2) for i in range(16)]
    never = [Row(source="n", prompt=f"n{i}", response=None, label=0) for i in range(50)]
    rows = [*common, *rare, *never]
    settings = DistilConfig(base="tiny", source_weights={"n": 0.0})
    found = likeliest(rows, 100, settings)
    assert len(found) == 100
    assert found == likeliest(rows, 100, settings)
    assert [rows.index(row) for row in found] == sorted(rows.index(row) for row in found)
    counts = {name: sum(row.source == name for row in found) for name in "crn"}
    assert counts["n"] == 0
    assert counts["r"] > 4  # by size alone it would be two
    assert 40 < sum(row.label for row in found) < 60
    assert likeliest(rows, None, settings) == rows
    assert len(likeliest(rows, 920, settings)) == 916  # those that can be drawn at all


def test_a_row_that_stands_twice_is_soft_twice(tmp_path: Path) -> None:
    run = _run(tmp_path, drop_disagreements=False)
    row = Row(source="s", prompt="a", response=None, label=1)
    write_rows(run.rows_file("train"), [row, row])
    inputs = {"train": run.rows_file("train")}
    assert run.config.label is not None
    told = made_by(run.config.label) | {"asked": "t"}
    soft = row.model_copy(update={"soft_label": 0.25})
    write_stage(run.folder / "augment/label.jsonl", header("label", told, inputs), [soft])
    assert training_rows(run) == [soft, soft]


@pytest.mark.parametrize(("drop", "left"), [(False, ["a", "b", "new"]), (True, ["a", "new"])])
def test_disputed_rows_can_be_left_out_of_training(
    tmp_path: Path, drop: bool, left: list[str]
) -> None:
    run = _run(tmp_path, drop_disagreements=drop)
    rows = [Row(source="s", prompt=name, response=None, label=1) for name in "ab"]
    write_rows(run.rows_file("train"), rows)
    soft = [row.model_copy(update={"soft_label": 0.01}) for row in rows[1:]]
    new = Row(source="generated_harmful", prompt="new", response=None, label=1, soft_label=0.9)
    inputs = {"train": run.rows_file("train")}
    augment = run.folder / "augment"
    assert run.config.label is not None
    told = made_by(run.config.label) | {"asked": "t"}
    write_stage(augment / "label.jsonl", header("label", told, inputs), [*soft, new])
    _, disputed, _ = _label([_candidate("b", 1)], {"b": -3}, tmp_path)
    write_stage(augment / "disagreements.jsonl", header("disagreements", {}, inputs), disputed)
    found = training_rows(run)
    assert [row.prompt for row in found] == left
    assert found[0].soft_label is None
    assert json.loads((augment / "label.jsonl").read_text().split("\n")[0])["header"]["rows"] == 2
