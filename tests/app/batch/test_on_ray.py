"""What does not need a cluster: the process that speaks with Ray, and a session. `tests/deploy` has
the rest."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from postern.batch.on_ray import Answers, Cluster, EngineEnded, RayEngine, Session
from postern.contract.errors import SettingsInvalid

SPEAKS = "from postern.batch.on_ray import speak_with_ray; speak_with_ray(None)"


def _asked(log: Path, program: str, *items: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-c", program]
    engine = RayEngine(command, Cluster(), log=log, continues="try again")
    return list(engine.answers({}, items))


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineEnded, match=r'^Ray is missing: pip install "ray\[data\]"$'):
        _asked(tmp_path / "ray.log", SPEAKS, "1")


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("print('no JSON')", "said something else"),
        ("print('[]')", "said something else"),
        ("raise SystemExit(3)", r"went away \(see .*ray\.log\); try again$"),
        ("import os; os.kill(os.getpid(), 9)", "went away"),
        ("""print('{"failure": "the weights are gone"}')""", "^the weights are gone$"),
    ],
)
def test_a_process_that_fails_is_one_line(tmp_path: Path, program: str, says: str) -> None:
    with pytest.raises(EngineEnded, match=says):
        _asked(tmp_path / "ray.log", program, "1", "2")


def test_answers_come_as_they_were_said_and_the_rest_goes_to_the_log(tmp_path: Path) -> None:
    program = (
        "import json, sys\n"
        "asked = json.loads(sys.stdin.readline())\n"
        "print('a warning', file=sys.stderr)\n"
        "for _ in range(asked['items']):\n"
        "    print(json.dumps({'item': json.loads(sys.stdin.readline())}))\n"
    )
    found = _asked(tmp_path / "ray.log", program, json.dumps("\ud800"), "2.5")
    assert found == [{"item": "\ud800"}, {"item": 2.5}]
    assert (tmp_path / "ray.log").read_text() == "a warning\n"


def _said(opens: Callable[[Mapping[str, Any]], Answers]) -> Any:
    (said,) = Session(opens, {"a": 1})({"item": ["x"]})["said"]
    return json.loads(said)


def test_a_session_that_cannot_open_or_answer_says_why_and_raises_nothing() -> None:
    def cannot_open(work: Mapping[str, Any]) -> Answers:
        raise SettingsInvalid("no such folder")

    def lacks(work: Mapping[str, Any]) -> Answers:
        raise ModuleNotFoundError(name="torch")

    def cannot_answer(work: Mapping[str, Any]) -> Answers:
        def answers(item: str) -> str:
            raise SettingsInvalid(f"not {item}")

        return answers

    assert _said(cannot_open) == {"failure": "no such folder"}
    assert _said(lacks) == {"failure": "a worker lacks the package 'torch'"}
    assert _said(cannot_answer) == {"failure": "not x"}
    assert _said(lambda work: lambda item: json.dumps([work, item])) == [{"a": 1}, "x"]
