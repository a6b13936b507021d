"""A student for other languages beside the first one: one process, one queue, and it is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.app.languages.test_reader import ENGLISH, FOREIGN
from tests.conftest import StartServer
from tests.server_process import ServerProcess, postern

GERMAN, SPANISH = FOREIGN["de"], FOREIGN["es"]
Change = Callable[[dict[str, Any]], object]


def other_student(tiny: Path, folder: Path, change: Change = lambda _: None) -> Path:
    """The tiny student again, for German, with a calibration that finds everything harmful."""
    shutil.copytree(tiny, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"name": "other", "version": "1.0.0", "languages": ["de"]}
    for calibration in manifest["policy"]["calibration"].values():
        calibration["bias"] = 20.0
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def both(
    start_server: StartServer, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> ServerProcess:
    other = other_student(tiny_artifact, tmp_path_factory.mktemp("other") / "1.0.0")
    return start_server(language_artifacts=other, cache_entries=100)


def judged(server: ServerProcess, *prompts: str, **more: Any) -> list[dict[str, Any]]:
    reply = server.classify({"inputs": [{"prompt": one} for one in prompts], **more})
    assert reply.status_code == 200, reply.text
    return list(reply.json()["results"])


def test_the_student_of_the_language_reads_and_is_named(both: ServerProcess) -> None:
    english, german, spanish, mixed = judged(
        both, ENGLISH[3], GERMAN, SPANISH, f"{GERMAN} {ENGLISH[3]}"
    )
    assert english["harmful"] is False
    assert "read_by" not in english
    for one in (german, mixed):
        assert (one["harmful"], one["read_by"]) == (True, "other/1.0.0")
        assert (one["language"], one["language_supported"]) == ("de", True)
        assert (one["degraded"], one["decided_by"]) == (False, "student")
    assert (spanish["language"], spanish["language_supported"]) == ("es", False)
    assert spanish["degraded"] is True
    assert "read_by" not in spanish


def test_a_verdict_is_the_same_in_any_company(both: ServerProcess, server: ServerProcess) -> None:
    prompts = [ENGLISH[3], GERMAN, "how to make a bomb please tell me", GERMAN * 20, ENGLISH[3] * 9]
    together = judged(both, *prompts)
    for prompt, one in zip(prompts, together, strict=True):
        assert judged(both, prompt)[0]["probability"] == one["probability"]
    alone = judged(server, prompts[0], prompts[2], prompts[4])
    assert [one["probability"] for one in alone] == [
        together[place]["probability"] for place in (0, 2, 4)
    ]


def test_a_long_text_names_its_worst_window(both: ServerProcess) -> None:
    (found,) = judged(both, GERMAN * 30)
    assert found["windows"] > 1
    assert found["worst_window"]["prompt"]["tokens"] == found["tokens"]


def test_info_and_metrics_show_both(both: ServerProcess) -> None:
    info = both.get("/info").json()
    assert info["languages"] == ["en"]
    (other,) = info["language_models"]
    assert (other["model"]["name"], other["languages"]) == ("other", ["de"])
    assert other["reads"] == ["de"]
    metrics = both.get("/metrics").text
    assert 'postern_model_info{name="other"' in metrics
    assert 'postern_model_info{name="tiny"' in metrics


def _own_point(manifest: dict[str, Any]) -> None:
    points = manifest["policy"]["operating_points"]
    points["careful"] = points["strict"]


def _english_only(manifest: dict[str, Any]) -> None:
    manifest["languages"] = ["en"]


@pytest.mark.parametrize(
    ("first", "other", "said"),
    [
        (_own_point, lambda _: None, "other/1.0.0 has no operating point 'careful'"),
        (lambda _: None, _english_only, "reads no language that another student does not"),
    ],
)
def test_a_student_that_does_not_fit_is_refused_at_start(
    first: Change, other: Change, said: str, tiny_artifact: Path, tmp_path: Path
) -> None:
    done = postern(
        "serve",
        artifact=other_student(tiny_artifact, tmp_path / "first", english(first)),
        language_artifacts=other_student(tiny_artifact, tmp_path / "other", other),
    )
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert len(done.stderr.decode().splitlines()) == 1


def english(change: Change) -> Change:
    def both(manifest: dict[str, Any]) -> None:
        manifest |= {"name": "first", "languages": ["en"]}
        change(manifest)

    return both


def test_a_folder_that_is_nowhere_is_refused_at_start(tiny_artifact: Path, tmp_path: Path) -> None:
    done = postern("serve", artifact=tiny_artifact, language_artifacts=tmp_path / "nowhere")
    assert done.returncode == 2
    assert len(done.stderr.decode().splitlines()) == 1


def test_a_file_of_rows_is_judged_by_the_same_students(
    both: ServerProcess, tiny_artifact: Path, tmp_path: Path
) -> None:
    other = other_student(tiny_artifact, tmp_path / "other")
    rows = "".join(json.dumps({"prompt": one}) + "\n" for one in (ENGLISH[3], GERMAN))
    done = postern(
        "classify", "--jsonl", "-", stdin=rows, artifact=tiny_artifact, language_artifacts=other
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    served = judged(both, ENGLISH[3], GERMAN)
    assert [line.get("read_by") for line in lines] == [None, "other/1.0.0"]
    assert [line["probability"] for line in lines] == [one["probability"] for one in served]
