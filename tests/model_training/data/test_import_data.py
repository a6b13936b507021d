"""Public sets with their own columns, and own files, become a data folder that stages can read."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from model_training.data.public_sets import PRESETS
from model_training.data.rows import PoolRow, read_pool, read_sources
from tests.training_process import TrainingProcess, completed

# Columns as the sets publish them; the rows are invented.
PUBLIC: dict[str, list[dict[str, Any]]] = {
    "wildguardmix": [
        {
            "prompt": "How do I bake bread?",
            "adversarial": False,
            "response": "Mix flour and water.",
            "prompt_harm_label": "unharmful",
            "response_refusal_label": "compliance",
            "response_harm_label": "unharmful",
            "subcategory": "benign",
        },
        {
            "prompt": "Say something nasty",
            "adversarial": True,
            "response": None,
            "prompt_harm_label": "harmful",
            "response_refusal_label": None,
            "response_harm_label": None,
            "subcategory": "toxic_language",
        },
    ],
    "toxicchat": [
        {
            "conv_id": "a1",
            "user_input": "Hello",
            "model_output": "Hi",
            "human_annotation": True,
            "toxicity": 0,
            "jailbreaking": 0,
            "openai_moderation": "[]",
        },
        {
            "conv_id": "a2",
            "user_input": "Say something nasty",
            "model_output": "No",
            "human_annotation": True,
            "toxicity": 1,
            "jailbreaking": 0,
            "openai_moderation": "[]",
        },
    ],
    "beavertails": [
        {
            "prompt": "How do I bake bread?",
            "response": "Mix flour and water.",
            "category": {"animal_abuse": False, "privacy_violation": False},
            "is_safe": True,
        },
        {
            "prompt": "Say something nasty",
            "response": "You are a turnip",
            "category": {"animal_abuse": False, "privacy_violation": True},
            "is_safe": False,
        },
    ],
    "aegis": [
        {
            "id": "1",
            "prompt": "How do I bake bread?",
            "response": "Mix flour and water.",
            "prompt_label": "safe",
            "response_label": "safe",
            "violated_categories": "",
        },
        {
            "id": "2",
            "prompt": "Say something nasty",
            "response": None,
            "prompt_label": "unsafe",
            "response_label": None,
            "violated_categories": "Profanity",
        },
        {
            "id": "3",
            "prompt": "REDACTED",
            "response": None,
            "prompt_label": "unsafe",
            "response_label": None,
            "violated_categories": "Suicide",
        },
    ],
}
# (prompt_label, response_label, category) of each row.
EXPECTED = {
    "wildguardmix": [(0, 0, "benign"), (1, None, "toxic_language")],
    "toxicchat": [(0, None, None), (1, None, None)],
    "beavertails": [(None, 0, None), (None, 1, "privacy_violation")],
    "aegis": [(0, 0, None), (1, None, "Profanity")],
}


def _import(*arguments: object) -> subprocess.CompletedProcess[str]:
    return completed("import-data", *map(str, arguments), timeout=180)


def _fails(*arguments: object) -> str:
    done = _import(*arguments)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def _read(folder: Path) -> list[PoolRow]:
    (source,) = read_sources(folder)
    return read_pool(folder, source)


@pytest.mark.parametrize("preset", sorted(PUBLIC))
def test_public_columns_become_the_schema(tmp_path: Path, preset: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PUBLIC[preset]))
    done = _import("--preset", preset, "--from", path, "--to", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    rows = _read(tmp_path / "data")
    found = [(row.prompt_label, row.response_label, row.category) for row in rows]
    assert found == EXPECTED[preset]
    assert {row.source for row in rows} == {preset}
    assert ("1 left out (redacted)" in done.stdout) == (preset == "aegis")


def test_a_set_without_its_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "hello", "label": 1}\n')
    line = _fails("--preset", "beavertails", "--from", path, "--to", tmp_path / "data")
    assert "has no column 'prompt'" in line
    assert not (tmp_path / "data").exists()


def test_a_label_of_another_kind_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [PUBLIC["aegis"][0], PUBLIC["aegis"][1] | {"prompt_label": "perhaps"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = _fails("--preset", "aegis", "--from", path, "--to", tmp_path / "data")
    assert "row 2" in line
    assert "perhaps" not in line


def test_own_rows_of_both_kinds_and_sources_side_by_side(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Hello,\nthere", "response": "", "prompt_label": 0, "response_label": ""},
        {"prompt": "Say something nasty", "response": "No", "prompt_label": 1, "response_label": 0},
    ]
    with (tmp_path / "own.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "own.jsonl").write_text('{"prompt": "Hi", "response": "", "response_label": 0}\n')
    data = tmp_path / "data"
    for name, suffix in (("first", "csv"), ("second", "jsonl"), ("first", "csv")):
        done = _import(
            *("--preset", "own", "--from", tmp_path / f"own.{suffix}"),
            *("--to", data, "--name", name, *(["--test"] if name == "second" else [])),
        )
        assert done.returncode == 0, done.stderr
    second, first = read_sources(data)
    assert (first.name, first.split, second.name, second.split) == (
        *("first", "train"),
        *("second", "test"),
    )
    assert [(row.prompt, row.response, row.prompt_label) for row in read_pool(data, first)] == [
        ("Hello,\nthere", None, 0),
        ("Say something nasty", "No", 1),
    ]
    assert read_pool(data, second)[0].response == ""  # absent is not empty


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.jsonl", '{"prompt": "a"}\n{', "a.jsonl:2: is not JSON"),
        ("a.jsonl", '{"prompt": "a"}\n\n[1]\n', "a.jsonl:3: is not a JSON object"),
        ("a.jsonl", '{"prompt": 3}\n', "a.jsonl:1: prompt"),
        ("a.jsonl", '{"prompt": "a", "prompt_label": 2}\n', "a.jsonl:1: prompt_label"),
        ("a.jsonl", '{"prompt": "a", "labels": 1}\n', "a.jsonl:1: unknown column 'labels'"),
        ("a.jsonl", '{"response": "a"}\n', "a.jsonl:1: prompt"),
        ("a.csv", "prompt,prompt_label\na,1\nb,x\n", "a.csv:3: prompt_label"),
        ("a.csv", "text,label\na,1\n", "a.csv:1: has no column 'prompt'"),
        ("a.csv", "prompt,prompt_label\na,1,2\n", "a.csv:2: has a different number"),
        ("a.csv", 'prompt,prompt_label\n"a,1\n', "a.csv:2: unexpected end"),
        ("a.csv", "prompt\n", "contains no usable row"),
        ("a.jsonl", "", "contains no usable row"),
        ("a.jsonl", b'{"prompt": "a"}\n{"prompt": "\xff"}\n', "a.jsonl:2: is not UTF-8"),
    ],
)
def test_a_wrong_line_is_named(
    tmp_path: Path, file: str, content: str | bytes, message: str
) -> None:
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = _fails("--preset", "own", "--from", path, "--to", tmp_path / "data")
    assert message in line
    assert not (tmp_path / "data").exists()


def test_a_missing_file_and_a_name_that_is_a_path(tmp_path: Path) -> None:
    absent = tmp_path / "absent.csv"
    assert "cannot be read" in _fails("--preset", "own", "--from", absent, "--to", tmp_path / "d")
    line = _fails("--preset", "own", "--from", absent, "--to", tmp_path, "--name", "../up")
    assert "--name" in line


def test_imports_side_by_side_lose_no_source(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text('{"prompt": "bake a cake", "prompt_label": 0}\n')
    names = [f"own_{number}" for number in range(4)]
    own = ("import-data", "--preset", "own", "--from", str(tmp_path / "own.jsonl"))
    running = [
        TrainingProcess(*own, "--to", str(tmp_path / "data"), "--name", name) for name in names
    ]
    for process in running:
        process.communicate(timeout=180)
    assert [process.returncode for process in running] == [0] * len(names)
    assert {source.name for source in read_sources(tmp_path / "data")} == set(names)


def test_who_labelled_is_kept_and_can_be_said(tmp_path: Path) -> None:
    assert {name: preset.label_kind for name, preset in PRESETS.items()} == {
        "wildguardmix": "model",
        "toxicchat": "mixed",
        "beavertails": "human",
        "aegis": "mixed",
    }
    (tmp_path / "own.jsonl").write_text('{"prompt": "bake a cake", "prompt_label": 0}\n')
    for name, more in (("mine", ()), ("made", ("--label-kind", "construction"))):
        own = ("--preset", "own", "--from", tmp_path / "own.jsonl", "--name", name)
        assert _import(*own, "--to", tmp_path / "data", *more).returncode == 0
    kinds = {source.name: source.label_kind for source in read_sources(tmp_path / "data")}
    assert kinds == {"mine": "human", "made": "construction"}


def test_json_that_is_nested_without_end_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text('{"prompt": ' + "[" * 100_000 + "\n")
    line = _fails("--preset", "own", "--from", tmp_path / "own.jsonl", "--to", tmp_path / "data")
    assert "own.jsonl:1: is not JSON" in line
