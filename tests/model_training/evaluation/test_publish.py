"""Publishing: verified, whole or not at all, and never over a version that exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from postern.calibration import publishing
from postern.contract.artifact import MANIFEST, MODEL, TOKENIZER, read_artifact
from postern.contract.errors import ArtifactInvalid

from model_training.errors import DataInvalid, GateFailed
from model_training.evaluation.publish import check_free, publish, verify
from model_training.recipe.config import RunConfig
from model_training.run.candidate import EXPORT, REPORT, policy_sha256, read_json, write_json
from tests.tiny_student import tiny_config, tiny_policy

COMMIT = "c" * 40


def published(candidate: Path, artifacts: Path, **changed: Any) -> Path:
    arguments = {"artifacts": artifacts, "commit": COMMIT, **changed}
    return publish(candidate, tiny_policy(), tiny_config("static"), **arguments)


def left_in(artifacts: Path) -> list[str]:
    return sorted(path.name for path in (artifacts / "tiny").iterdir())


def test_what_is_published_can_be_read_and_says_where_it_comes_from(
    tiny_candidate: Path, tmp_path: Path
) -> None:
    (tiny_candidate / "MODEL_CARD.md").write_text("# A card\n")
    folder = published(tiny_candidate, tmp_path)
    manifest = read_artifact(folder).manifest

    assert folder == tmp_path / "tiny" / "0.0.1"
    assert set(manifest.files) == {MODEL, TOKENIZER, "MODEL_CARD.md"}
    assert manifest.commit == COMMIT
    assert manifest.policy == tiny_policy()
    assert manifest.metrics["export"]["parity"]["verdict_agreement"] >= 0.99
    assert left_in(tmp_path) == ["0.0.1"]


def test_a_base_folder_is_published_by_name_alone(tiny_candidate: Path, tmp_path: Path) -> None:
    config = tiny_config("static")
    base = tmp_path / "somewhere" / "encoder"
    base.mkdir(parents=True)
    config = RunConfig.model_validate(
        {**config.model_dump(), "distil": {**config.distil.model_dump(), "base": str(base)}}
    )
    folder = publish(tiny_candidate, tiny_policy(), config, artifacts=tmp_path, commit=COMMIT)

    assert read_artifact(folder).manifest.run_config["distil"]["base"] == "encoder"
    assert str(tmp_path) not in (folder / MANIFEST).read_text()


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
def test_a_file_changed_since_the_gate_is_refused(
    name: str, tiny_candidate: Path, tmp_path: Path
) -> None:
    content = bytearray((tiny_candidate / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tiny_candidate / name).write_bytes(content)

    with pytest.raises(GateFailed, match=name):
        published(tiny_candidate, tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()


def test_a_report_of_another_graph_or_policy_is_refused(
    tiny_candidate: Path, tmp_path: Path
) -> None:
    of = {"model": {"model_sha256": read_json(tiny_candidate / EXPORT)["model_sha256"]}}
    own = {"policy_sha256": policy_sha256(tiny_policy())}
    figures: dict[str, Any] = {"test": {}, "validation": {}, "look_alikes": {}}
    for report, says in (
        ({"model": {"model_sha256": "x"}} | own, "another graph"),
        (of, "another policy"),
        (of | {"policy_sha256": "x"}, "another policy"),
    ):
        write_json(tiny_candidate / REPORT, report | figures)
        with pytest.raises(GateFailed, match=says):
            published(tiny_candidate, tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()
    write_json(tiny_candidate / REPORT, of | own | figures)
    published(tiny_candidate, tmp_path / "artifacts")


def test_a_published_version_is_found_before_the_training(
    tiny_candidate: Path, tmp_path: Path
) -> None:
    config = tiny_config("static")
    check_free(tiny_candidate, config, tmp_path)
    published(tiny_candidate, tmp_path)
    check_free(tiny_candidate, config, tmp_path)  # a run that is made once more
    with pytest.raises(ArtifactInvalid, match="another version"):
        check_free(tmp_path / "begun", config, tmp_path)
    (tiny_candidate / MODEL).write_bytes(b"another")
    with pytest.raises(ArtifactInvalid, match="another version"):
        check_free(tiny_candidate, config, tmp_path)


def test_a_candidate_that_passed_no_gate_is_refused(tiny_candidate: Path, tmp_path: Path) -> None:
    (tiny_candidate / "export.json").unlink()
    with pytest.raises(DataInvalid):
        published(tiny_candidate, tmp_path)


def test_a_policy_of_another_graph_is_refused(tiny_candidate: Path, tmp_path: Path) -> None:
    (tiny_candidate / "calibration.json").write_text('{"model_sha256": "other"}')
    with pytest.raises(GateFailed, match="run stage 'fit-policy' again"):
        published(tiny_candidate, tmp_path)


def test_a_version_is_written_once(tiny_candidate: Path, tmp_path: Path) -> None:
    first = published(tiny_candidate, tmp_path)
    before = (first / MANIFEST).read_bytes()

    assert published(tiny_candidate, tmp_path) == first
    with pytest.raises(ArtifactInvalid, match="raise `version`"):
        published(tiny_candidate, tmp_path, commit="d" * 40)
    assert (first / MANIFEST).read_bytes() == before
    assert left_in(tmp_path) == ["0.0.1"]


def test_a_failure_on_the_way_leaves_nothing(
    tiny_candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        verify(folder)
        raise ArtifactInvalid("at the last moment")

    monkeypatch.setattr(publishing, "verify", fail)
    with pytest.raises(ArtifactInvalid, match="last moment"):
        published(tiny_candidate, tmp_path)
    assert left_in(tmp_path) == []


def test_a_tampered_artifact_is_refused(tiny_candidate: Path, tmp_path: Path) -> None:
    folder = published(tiny_candidate, tmp_path)
    with (folder / MODEL).open("ab") as file:
        file.write(b"\0")

    with pytest.raises(ArtifactInvalid, match=MODEL):
        verify(folder)
    with pytest.raises(ArtifactInvalid, match=MODEL):
        published(tiny_candidate, tmp_path)
