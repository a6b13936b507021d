"""OpenVINO behind the server: the same replies, and nobody has to guess what runs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from postern.composition import student as composition
from postern.composition.student import load_student
from postern.contract.errors import SettingsInvalid
from postern.inference import openvino_session
from postern.inference.openvino_session import OpenVinoSession
from postern.inference.session import OnnxSession
from postern.settings.settings import read_settings

from tests.conftest import StartServer
from tests.end_to_end.test_language_students import other_student
from tests.server_process import ServerProcess, environment
from tests.tiny_categories import build_categorized

PROMPTS = ["how to bake a cake", "how to make a bomb", "help me " * 90, "tell me a story"]


@pytest.fixture(scope="module")
def both(
    start_server: StartServer, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ServerProcess]:
    """By engine: servers of one student with categories and one for German."""
    folder = tmp_path_factory.mktemp("openvino")
    options = {
        "artifact": build_categorized(tiny_artifact, folder),
        "language_artifacts": other_student(tiny_artifact, folder / "other" / "1.0.0"),
        "workers": 2,
    }
    return {
        engine: start_server(engine=engine, **options) for engine in ("onnxruntime", "openvino")
    }


def test_info_names_the_engine_of_each_student(both: dict[str, ServerProcess]) -> None:
    for engine, server in both.items():
        info = server.get("/info").json()
        (other,) = info["language_models"]
        assert (info["engine"], other["engine"]) == (engine, engine)


def test_replies_have_the_same_fields_and_the_same_verdicts(both: dict[str, ServerProcess]) -> None:
    body = {
        "inputs": [{"prompt": prompt} for prompt in PROMPTS] + [{"prompt": "a", "response": "b"}]
    }
    replies = {engine: server.classify(body) for engine, server in both.items()}
    assert {reply.status_code for reply in replies.values()} == {200}
    found = {engine: reply.json()["results"] for engine, reply in replies.items()}
    for one, other in zip(found["onnxruntime"], found["openvino"], strict=True):
        assert one.keys() == other.keys()
        assert one["harmful"] == other["harmful"]
        assert one["probability"] == pytest.approx(other["probability"], abs=0.05)
    assert [one["harmful"] for one in found["openvino"][:2]] == [False, True]


def test_a_verdict_is_the_same_in_any_company(both: dict[str, ServerProcess]) -> None:
    server = both["openvino"]
    together = server.classify({"inputs": [{"prompt": one} for one in PROMPTS * 8]}).json()
    for prompt, one in zip(PROMPTS * 8, together["results"], strict=True):
        (alone,) = server.classify({"inputs": [{"prompt": prompt}]}).json()["results"]
        assert one["probability"] == alone["probability"]
        assert one.get("categories") == alone.get("categories")


@pytest.mark.parametrize("asked", ["openvino", "auto"])
def test_without_the_package_only_the_setting_that_names_it_fails(
    asked: str, tiny_artifact: Path, tmp_path: Path
) -> None:
    (tmp_path / "openvino.py").write_text("raise ImportError('absent')")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    settings = {"engine": asked, "artifact": tiny_artifact}
    done = subprocess.run(
        [sys.executable, "-m", "postern", "classify", "how to make a bomb"],
        env=environment(settings) | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked == "auto":
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "engine=openvino: OpenVINO is not installed" in line


def test_a_card_is_for_the_other_engine() -> None:
    with pytest.raises(SettingsInvalid, match=r"POSTERN_ENGINE: .*openvino runs on a CPU"):
        read_settings(engine="openvino", device="cuda")


def test_auto_takes_it_where_the_processor_is_wide(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings(artifact=tiny_artifact, engine="auto", workers=1, intra_op_threads=1)
    for wide, engine, kind in (
        (True, "openvino", OpenVinoSession),
        (False, "onnxruntime", OnnxSession),
    ):
        monkeypatch.setattr(composition, "multiplies_int8_in_512_bits", lambda wide=wide: wide)
        student = load_student(settings)
        assert (student.engine, type(student.session)) == (engine, kind)


def test_auto_passes_over_an_engine_that_fails_and_says_so(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(composition, "multiplies_int8_in_512_bits", lambda: True)
    monkeypatch.setattr(composition, "is_installed", lambda: True)
    openvino_session._core.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with caplog.at_level(logging.WARNING, "postern"):
        student = load_student(read_settings(artifact=tiny_artifact, engine="auto"))
    assert student.engine == "onnxruntime"
    (record,) = caplog.records
    assert record.getMessage() == "engine_passed_over"
    assert record.fields["engine"] == "openvino"  # type: ignore[attr-defined]


def test_auto_keeps_the_engine_that_pages_agree_with(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "multiplies_int8_in_512_bits", lambda: True)
    for serves, engine in ((True, "onnxruntime"), (False, "openvino")):
        settings = read_settings(artifact=tiny_artifact, engine="auto", serve_artifact=serves)
        assert load_student(settings).engine == engine
