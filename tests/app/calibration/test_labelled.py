"""The labelled file: what counts, and what is refused with its line number and without its text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from postern.calibration.labelled import read_labelled
from postern.contract.errors import LabelledDataInvalid

MARKER = "zzmarkerzz"


def written(folder: Path, *lines: object) -> Path:
    path = folder / "labelled.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    return path


def test_each_label_makes_an_exchange(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"prompt": "a", "prompt_label": 1, "source": "mine", "anything": [1]},
        "",
        {"prompt": "b", "response": "c", "response_label": 0, "teacher_probability": 0.25},
        {"prompt": "d", "response": "", "prompt_label": 0, "response_label": 1},
        {"prompt": "e", "response": "unlabelled", "prompt_label": 0, "teacher_probability": None},
    )
    data = read_labelled(path)
    found = [(r.exchange.prompt, r.exchange.response, r.label, r.teacher) for r in data.rows]
    assert found == [
        ("a", None, 1, None),
        ("b", "c", 0, 0.25),
        ("d", None, 0, None),
        ("d", "", 1, None),
        ("e", None, 0, None),
    ]
    assert data.has_teacher
    packed = tmp_path / "labelled.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_labelled(packed).rows == data.rows
    assert read_labelled(packed).sha256 != data.sha256


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (MARKER, "JSON"),
        ({"prompt": MARKER}, "neither prompt_label nor response_label"),
        ({"prompt": MARKER, "prompt_lable": 1}, "neither prompt_label"),
        ({"prompt": MARKER, "prompt_label": 2}, "prompt_label: "),
        ({"prompt": MARKER, "prompt_label": True}, "prompt_label: "),
        ({"prompt": MARKER, "prompt_label": "1"}, "prompt_label: "),
        ({"prompt": MARKER, "response_label": 1}, "without a response"),
        ({"prompt": 5, "prompt_label": 1}, "prompt: "),
        ({"prompt_label": 1}, "prompt: "),
        ({"prompt": "\u200b ", "prompt_label": 1}, "empty"),
        ({"prompt": MARKER, "prompt_label": 1, "teacher_probability": 1.5}, "teacher_probability"),
        (
            {
                "prompt": MARKER,
                "response": "x",
                "prompt_label": 1,
                "response_label": 1,
                "teacher_probability": 0.5,
            },
            "separate lines",
        ),
        ('{"prompt": "\\ud800", "prompt_label": 1}', ""),
        ("[" * 10_000, ""),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_its_line(line: object, says: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"prompt": "fine", "prompt_label": 0}, "", line)
    with pytest.raises(LabelledDataInvalid, match=f"labelled.jsonl:3: .*{says}") as refused:
        read_labelled(path)
    assert MARKER not in str(refused.value)


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelledDataInvalid, match="contains no line"):
        read_labelled(written(tmp_path, ""))
    with pytest.raises(LabelledDataInvalid, match="cannot be read"):
        read_labelled(tmp_path / "none.jsonl")
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(LabelledDataInvalid, match="cannot be read"):
        read_labelled(tmp_path / "bad.gz")
