"""An artifact is what its manifest says, to the byte, or it is refused with one clear reason."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from postern.contract.artifact import (
    MANIFEST,
    Manifest,
    file_entries,
    manifest_bytes,
    read_artifact,
    write_manifest,
)
from postern.contract.errors import ArtifactInvalid

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture
def folder(tiny_artifact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_artifact, tmp_path / "student"))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    change(content)
    (folder / MANIFEST).write_text(json.dumps(content))


def test_what_is_hashed_is_what_is_loaded(folder: Path) -> None:
    artifact = read_artifact(folder)
    assert artifact.model == (folder / "model.onnx").read_bytes()
    assert artifact.tokenizer == (folder / "tokenizer.json").read_bytes()
    assert artifact.sha256 == hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    assert artifact.manifest.files == file_entries(folder)


def test_a_written_manifest_reads_back_the_same(folder: Path) -> None:
    first = read_artifact(folder)
    write_manifest(folder, first.manifest)
    second = read_artifact(folder)
    assert second.manifest == first.manifest
    write_manifest(folder, second.manifest)
    assert read_artifact(folder).sha256 == second.sha256  # the same manifest is the same bytes


@pytest.mark.parametrize("name", ["manifest.json", "manifest_calibrated.json"])
def test_the_manifest_golden_reads_and_writes_as_it_was_frozen(name: str) -> None:
    """A change of the schema that this does not survive needs a new SCHEMA_VERSION."""
    content = (GOLDEN / name).read_bytes()
    assert manifest_bytes(Manifest.model_validate_json(content)) == content


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(schema_version=2), "schema version 2"),
        (lambda m: m.pop("schema_version"), "schema version None"),
        (lambda m: m.update(schema_version="1"), "schema version '1'"),
        (lambda m: m.update(text_format=2), "text format 2"),
        (lambda m: m.update(label_order=["harmful", "unharmful"]), "label order"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.pop("policy"), "policy"),
        (lambda m: m.update(version="latest"), "version"),
        (lambda m: m.update(name="../other"), "name"),
        (lambda m: m["files"].pop("model.onnx"), "does not list model.onnx"),
        (lambda m: m["files"].pop("tokenizer.json"), "does not list tokenizer.json"),
        (lambda m: m["files"]["model.onnx"].update(sha256="0" * 64), "does not match"),
        (lambda m: m["files"]["model.onnx"].update(size_bytes=5), "does not match"),
        (lambda m: m["files"]["model.onnx"].update(size_bytes=10**9), "does not match"),
        (lambda m: m["policy"].update(default_operating_point="none"), "missing"),
        (lambda m: m["policy"]["calibration"]["pair"].update(temperature=0.0), "temperature"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    edit(folder, change)
    with pytest.raises(ArtifactInvalid, match=says):
        read_artifact(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b'"text"', b"[" * 9999])
def test_a_manifest_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(ArtifactInvalid):
        read_artifact(folder)


@pytest.mark.parametrize("name", [MANIFEST, "model.onnx", "tokenizer.json"])
def test_files_that_are_missing_linked_or_folders_are_refused(folder: Path, name: str) -> None:
    path = folder / name
    outside = folder.parent / name
    path.rename(outside)
    with pytest.raises(ArtifactInvalid, match=name):
        read_artifact(folder)
    path.symlink_to(outside)
    with pytest.raises(ArtifactInvalid, match="plain file"):
        read_artifact(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(ArtifactInvalid, match=name):
        read_artifact(folder)


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/hostname", "sub/file", ".."])
def test_a_manifest_cannot_name_files_outside_its_folder(folder: Path, name: str) -> None:
    edit(folder, lambda m: m["files"].update({name: m["files"]["model.onnx"]}))
    (folder.parent / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    with pytest.raises(ArtifactInvalid, match=r"plain file|directory"):
        read_artifact(folder)


def test_a_graph_that_names_data_elsewhere_is_refused(folder: Path) -> None:
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes() + b"location")
    entries = {name: entry.model_dump() for name, entry in file_entries(folder).items()}
    edit(folder, lambda m: m.update(files=entries))
    with pytest.raises(ArtifactInvalid, match="outside itself"):
        read_artifact(folder)


def test_an_artifact_that_names_no_languages_was_measured_for_english(folder: Path) -> None:
    manifest = read_artifact(folder).manifest
    assert manifest.languages == ("en",)
    assert b'"languages"' not in (folder / MANIFEST).read_bytes()
    write_manifest(folder, manifest.model_copy(update={"languages": ("en", "de")}))
    assert read_artifact(folder).manifest.languages == ("en", "de")


@pytest.mark.parametrize("languages", [[], ["de-DE"], ["German"], ["EN"], "en", [""]])
def test_languages_are_tags_without_region(folder: Path, languages: Any) -> None:
    edit(folder, lambda content: content.update(languages=languages))
    with pytest.raises(ArtifactInvalid, match="languages"):
        read_artifact(folder)
