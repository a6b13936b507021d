"""Servers are asked the behaviour cases over HTTP, and get what the gate says of their student."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from postern.contract.artifact import read_artifact
from postern.contract.errors import PosternError
from postern.shipped import DEFAULT_ARTIFACT

from model_training.__main__ import main
from model_training.evaluation.behaviour.cases import KINDS
from model_training.evaluation.behaviour.gate import behaviour
from model_training.measures.served import open_artifact
from model_training.recipe.augmentation import Http
from model_training.recipe.behaviour import BehaviourConfig
from model_training.studies.behaviour_report import compare, markdown
from tests.conftest import StartServer

CASES = 4


def _right(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {kind: (one["right"], one["n"]) for kind, one in found.items()}


def test_the_shipped_student_gets_as_a_server_what_the_gate_says(start_server: StartServer) -> None:
    artifact = read_artifact(DEFAULT_ARTIFACT)
    gate = behaviour(
        open_artifact(artifact), artifact.manifest.policy, BehaviourConfig(cases=CASES)
    )
    server = start_server(artifact=DEFAULT_ARTIFACT, engine="onnxruntime", language_artifacts="")
    found = compare({"it": Http(base_url=server.url)}, CASES)["it"]
    assert list(found) == list(KINDS)
    assert _right(found) == _right(gate)
    assert sum(right for right, _ in _right(found).values()) > 0.8 * len(KINDS) * CASES


def test_servers_are_asked_the_same_and_compared(start_server: StartServer, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("zzsecretzz\n")
    plain = start_server(api_keys="zzsecretzz")
    blind = start_server(api_keys="zzsecretzz", teacher_triggers=False)
    command = ["behaviour-report", "--server", plain.url, "--server", blind.url]
    command += ["--api-key-file", str(key), "--cases", "3", "--output", str(tmp_path / "out")]
    assert main(command) == 0
    found = json.loads((tmp_path / "out" / "behaviour.json").read_text())
    assert list(found) == [plain.url, blind.url]
    first, second = found.values()
    assert {kind: one["n"] for kind, one in first.items()} == {
        kind: one["n"] for kind, one in second.items()
    }
    assert (tmp_path / "out" / "behaviour.md").read_text() == markdown(found)
    assert len(markdown(found).splitlines()) == 2 + len(KINDS)


@pytest.mark.parametrize("path", ["", "/nowhere"])
def test_what_is_no_server_to_ask_is_told(
    path: str, start_server: StartServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server(api_keys="zzsecretzz")
    command = ["behaviour-report", "--server", f"{server.url}{path}", "--output", str(tmp_path)]
    assert main([*command, "--cases", "1"]) == 2
    told = capsys.readouterr().err
    assert ("no such path" if path else "the key is missing") in told
    assert main([*command[:1], "--server", "localhost:8000", *command[3:]]) == 2
    assert "--server" in capsys.readouterr().err


def test_a_server_that_refuses_a_case_is_no_server_with_verdicts(start_server: StartServer) -> None:
    small = start_server(max_exchange_tokens=16)
    with pytest.raises(PosternError, match="refused cases with status 413"):
        compare({"it": Http(base_url=small.url)}, 1)
