"""`postern calibrate` as users run it: a new version that serves and shows its certificate."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postern.contract.artifact import MANIFEST, read_artifact
from postern.contract.certificate import Certificate

from tests.conftest import StartServer
from tests.server_process import ROOT, environment, postern
from tests.tiny_student import tiny_rows

ASKED = ("--alpha-miss", "0.1", "--alpha-false-alarm", "0.1", "--delta", "0.1")


def labelled(path: Path, *, size: int = 1200, teacher: bool = False, marker: str = "") -> Path:
    """Rows of the tiny world; every tenth label is wrong, so that nothing is separated."""
    rng = np.random.default_rng(5)
    lines = []
    for row in tiny_rows(size, seed=4):
        label = row.label if rng.random() > 0.1 else 1 - row.label
        kind = "prompt" if row.response is None else "response"
        line: dict[str, Any] = {"prompt": f"{row.prompt} {marker}", f"{kind}_label": label}
        if row.response is not None:
            line["response"] = row.response
        if teacher:
            line["teacher_probability"] = 0.9 if label else 0.2
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines))
    return path


def calibrate(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return postern("calibrate", *map(str, arguments))


@pytest.fixture(scope="module")
def source(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, in whose folder new versions may appear."""
    folder = tmp_path_factory.mktemp("artifacts") / "tiny" / "0.0.1"
    return Path(shutil.copytree(tiny_artifact, folder))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("data") / "labelled.jsonl", teacher=True)


@pytest.fixture(scope="module")
def calibrated(source: Path, data: Path) -> Path:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    done = calibrate("--data", data, "--artifact", source, *ASKED)
    assert done.returncode == 0, done.stderr
    (written,) = re.findall(rb"^wrote (.+)$", done.stdout, re.MULTILINE)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    return Path(written.decode())


def test_the_new_version_stands_beside_the_old_and_says_what_it_promises(
    calibrated: Path, source: Path, data: Path
) -> None:
    assert calibrated.parent == source.parent
    assert re.fullmatch(r"0\.0\.1\+cal\.\d{8}", calibrated.name)
    assert sorted(path.name for path in source.parent.iterdir()) == ["0.0.1", calibrated.name]
    old, new = read_artifact(source), read_artifact(calibrated)
    assert (new.model, new.tokenizer) == (old.model, old.tokenizer)
    certificate = new.manifest.certificate
    assert certificate is not None
    assert certificate.source.sha256 == old.sha256
    assert certificate.teacher == "column"
    for slice_, found in certificate.slices.items():
        assert found.low.bound.upper_bound <= found.low.alpha == 0.1
        assert found.high.bound.upper_bound <= found.high.alpha == 0.1
        for name, points in new.manifest.policy.operating_points.items():
            low, high = points[slice_].deferral_band
            assert low <= found.low.threshold
            assert high >= found.high.threshold
            assert found.end_to_end[name].deferral_rate.n == sum(found.rows["audit"])
        assert slice_ in new.manifest.policy.fusion
        reference = new.manifest.probability_reference[slice_]
        assert sum(reference.masses) == sum(map(sum, found.rows.values()))
    text = (calibrated / "CERTIFICATE.md").read_text()
    assert "No adversaries" in text
    assert certificate.data_sha256 in text
    for name, found in certificate.slices.items():
        rows = [json.loads(line) for line in data.read_text().splitlines()]
        kind = "prompt_label" if name == "prompt" else "response_label"
        labels = [row[kind] for row in rows if kind in row]
        counts = [sum(column) for column in zip(*found.languages.values(), strict=True)]
        assert counts == [labels.count(1), labels.count(0)]
        assert set(found.languages) <= {"en", "und"}
        tag, (harmful, _) = next(iter(found.languages.items()))
        assert f"- languages: {tag} ({harmful} harmful" in text


def test_a_server_serves_it_and_shows_the_certificate(
    calibrated: Path, start_server: StartServer
) -> None:
    server = start_server(artifact=calibrated)
    shown = server.get("/info").json()["certificate"]
    assert Certificate.model_validate(shown) == read_artifact(calibrated).manifest.certificate
    (result,) = server.classify({"prompt": "make a bomb"}).json()["results"]
    band = read_artifact(calibrated).manifest.policy.operating_points["balanced"]["prompt"]
    assert result["deferral_band"] == pytest.approx(band.deferral_band, abs=1e-6)
    info = postern("info", "--artifact", str(calibrated))
    assert json.loads(info.stdout)["certificate"] == shown


def test_an_artifact_without_a_certificate_says_so(tiny_artifact: Path) -> None:
    info = postern("info", "--artifact", str(tiny_artifact))
    assert json.loads(info.stdout)["certificate"] is None
    assert b"certificate" not in (tiny_artifact / MANIFEST).read_bytes()


def test_the_same_day_again_is_the_same_version_and_other_data_need_a_name(
    calibrated: Path, source: Path, data: Path, tmp_path: Path
) -> None:
    again = calibrate("--data", data, "--artifact", source, *ASKED)
    assert again.returncode == 0, again.stderr
    other = labelled(tmp_path / "other.jsonl", size=1300)
    refused = calibrate("--data", other, "--artifact", source, *ASKED)
    assert refused.returncode == 2
    assert b"exists with other content" in refused.stderr
    options = ("--version", "7.0", "--output", tmp_path, "--teacher", source)
    named = calibrate("--data", other, "--artifact", source, *ASKED, *options)
    assert named.returncode == 0, named.stderr
    certificate = read_artifact(tmp_path / "tiny" / "7.0").manifest.certificate
    assert certificate is not None
    assert isinstance(certificate.teacher, tuple)
    assert [one.version for one in certificate.teacher] == ["0.0.1"]


def test_one_slice_alone_leaves_the_other_as_it_was(
    source: Path, data: Path, tmp_path: Path
) -> None:
    options = ("--slice", "pair", "--output", tmp_path)
    assert calibrate("--data", data, "--artifact", source, *ASKED, *options).returncode == 0
    (folder,) = (tmp_path / "tiny").iterdir()
    old, new = read_artifact(source).manifest, read_artifact(folder).manifest
    assert new.certificate is not None
    assert list(new.certificate.slices) == ["pair"]
    assert new.policy.calibration["prompt"] == old.policy.calibration["prompt"]
    for name, points in new.policy.operating_points.items():
        assert points["prompt"] == old.policy.operating_points[name]["prompt"]


def test_too_few_rows_are_refused_with_the_number_that_is_missing(
    source: Path, tmp_path: Path
) -> None:
    few = labelled(tmp_path / "few.jsonl", size=400, marker="zzmarkerzz")
    options = ("--alpha-miss", "0.01", "--output", tmp_path / "out")
    done = calibrate("--data", few, "--artifact", source, *options)
    message = done.stderr.decode()
    assert done.returncode == 2
    assert message.startswith("postern: slice prompt: to certify 1.00% at 95% confidence takes 299")
    assert re.search(r"about \d{3,4} more harmful ones are needed beside the \d+ given", message)
    assert message.count("\n") == 1
    assert "zzmarkerzz" not in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--alpha-miss", "0"), "between 0 and 0.5"),
        (("--delta", "0.7"), "between 0 and 0.5"),
        (("--version", "../7"), "the version must be"),
        (("--teacher", "/nonexistent"), "cannot be read"),
        (("--artifact", "/nonexistent"), "cannot be read"),
        (("--data", "/nonexistent"), "cannot be read"),
        (("--output", "/proc/none"), "cannot be"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    source: Path, data: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = calibrate("--data", data, "--artifact", source, *ASKED, *arguments)
    assert done.returncode == 2, done.stdout
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_it_runs_with_the_serving_dependencies_alone(
    source: Path, data: Path, tmp_path: Path
) -> None:
    """Whatever only training or tests install cannot be imported here."""
    code = f"""
import sys
for name in ("torch", "sklearn", "scipy", "transformers", "matplotlib", "model_training"):
    sys.modules[name] = None
from postern.cli import main
sys.exit(main(["calibrate", "--data", {str(data)!r}, "--artifact", {str(source)!r},
               "--output", {str(tmp_path)!r}, *{ASKED!r}]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment({}), capture_output=True
    )
    assert done.returncode == 0, done.stderr
