"""What `postern calibrate` measures of disguised text is what the server does with it."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postern.calibration.calibrate import disguises, opinion, score
from postern.calibration.certify import deferred, outcomes
from postern.calibration.labelled import Labelled
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.decision import OperatingPoint
from postern.contract.exchange import SLICES, Exchange
from postern.contract.probability import harmful_probability

from tests.conftest import StartServer
from tests.server_process import ServerProcess, postern
from tests.tiny_student import tiny_rows

# No answer of the teacher may be lost to a busy machine or to the cap.
TAUGHT = {
    "teacher_timeout_ms": 60_000,
    "teacher_free_questions": 100_000,
    "teacher_audit_share": 0.0,
}


def hidden(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def mixed_rows(size: int, *, seed: int) -> list[Labelled]:
    """Prompts and pairs; of each second four the text that is judged is in base64."""
    found = []
    for place, row in enumerate(tiny_rows(size, seed=seed)):
        write = hidden if place % 8 >= 4 else str
        exchange = (
            Exchange(write(row.prompt))
            if row.response is None
            else Exchange(row.prompt, write(row.response))
        )
        found.append(Labelled(exchange, row.label))
    return found


def as_asked(rows: Sequence[Labelled]) -> dict[str, Any]:
    return {
        "inputs": [
            {"prompt": one.prompt} | ({} if one.response is None else {"response": one.response})
            for one in (row.exchange for row in rows)
        ]
    }


@pytest.fixture(scope="module")
def rows() -> list[Labelled]:
    return mixed_rows(64, seed=9)


@pytest.fixture(scope="module")
def certified(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calibrated on disguised text alone, with the tiny student as its own teacher."""
    folder = tmp_path_factory.mktemp("certified")
    source = shutil.copytree(tiny_artifact, folder / "tiny" / "0.0.1")
    rng, lines = np.random.default_rng(5), []
    for row in tiny_rows(1200, seed=4):
        kind = "prompt" if row.response is None else "response"
        label = row.label if rng.random() > 0.1 else 1 - row.label
        line = {"prompt": hidden(f"read this {row.prompt}"), f"{kind}_label": label}
        lines.append(
            json.dumps(line | ({} if row.response is None else {"response": row.response}))
        )
    (folder / "labelled.jsonl").write_text("\n".join(lines))
    options = ("--teacher", str(source), "--version", "1.0", "--delta", "0.1")
    alphas = ("--alpha-miss", "0.1", "--alpha-false-alarm", "0.1")
    data = ("--data", str(folder / "labelled.jsonl"), "--artifact", str(source))
    done = postern("calibrate", *data, *options, *alphas)
    assert done.returncode == 0, done.stderr
    return folder / "tiny" / "1.0"


@pytest.fixture(scope="module")
def taught(certified: Path, tiny_artifact: Path, start_server: StartServer) -> ServerProcess:
    """Serves what was certified, with the teacher that was measured."""
    return start_server(artifact=certified, teacher_artifacts=tiny_artifact, **TAUGHT)


def test_the_decoded_reading_counts_or_where_that_is_a_guess_the_more_harmful_one(
    artifact: Artifact, rows: list[Labelled]
) -> None:
    plain = [
        Labelled(row.exchange if one is None else one.decoded, row.label)
        for row, one in zip(rows, disguises(rows), strict=True)
    ]
    nothing = [None] * len(rows)
    assert disguises(plain) == nothing
    raw, decoded = (
        score(artifact, rows, nothing, threads=1),
        score(artifact, plain, nothing, threads=1),
    )
    sure = [one for one in disguises(rows) if one is not None]
    assert all(one.certain for one in sure)
    assert score(artifact, rows, disguises(rows), threads=1) == pytest.approx(decoded, abs=1e-4)
    guessed = [None if one is None else replace(one, certain=False) for one in disguises(rows)]
    both = score(artifact, rows, guessed, threads=1)
    assert both == pytest.approx(np.maximum(raw, decoded), abs=1e-4)
    assert (both > raw + 1e-3).any()
    assert (both > decoded + 1e-3).any()
    # A teacher reads what it says, and that alone.
    told = opinion([artifact], rows, disguises(rows), threads=1)
    assert told == pytest.approx(opinion([artifact], plain, nothing, threads=1), abs=1e-4)


def test_a_student_alone_is_measured_as_it_is_served(
    artifact: Artifact, rows: list[Labelled], server: ServerProcess
) -> None:
    measured = score(artifact, rows, disguises(rows), threads=1)
    calibration = artifact.manifest.policy.calibration
    for row, margin, result in zip(
        rows, measured, server.classify(as_asked(rows)).json()["results"], strict=True
    ):
        (expected,) = harmful_probability(np.array([margin]), calibration[row.exchange.slice])
        assert result["probability"] == pytest.approx(expected, abs=1e-4)
        assert result["deferred"] is False


def test_student_and_teacher_are_measured_as_they_are_served(
    certified: Path, artifact: Artifact, rows: list[Labelled], taught: ServerProcess
) -> None:
    found = disguises(rows)
    student, policy = read_artifact(certified), read_artifact(certified).manifest.policy
    margins = score(student, rows, found, threads=1)
    told = opinion([artifact], rows, found, threads=1)
    results = np.array(taught.classify(as_asked(rows)).json()["results"])
    for slice_ in SLICES:
        here = np.array([row.exchange.slice == slice_ for row in rows])
        disguised = np.array([one is not None for one in found])[here]
        point = policy.operating_points["balanced"][slice_]
        probability = harmful_probability(margins[here], policy.calibration[slice_])
        asked = deferred(probability, disguised, point, has_teacher=True)
        harmful = outcomes(probability, told[here], asked, point, slice_=slice_, policy=policy)
        assert 0 < disguised.sum() < len(disguised)
        assert asked[disguised].all()
        for place, result in enumerate(results[here]):
            assert result["student_probability"] == pytest.approx(probability[place], abs=1e-4)
            assert not result["degraded"]
            if disguised[place]:
                assert result["deferred"]
            elif _clear(probability[place], point):
                assert result["deferred"] == asked[place]
            if result["deferred"]:
                assert result["teacher_probability"] == pytest.approx(told[here][place], abs=1e-4)
            if abs(result["probability"] - result["threshold"]) > 1e-3:
                assert result["harmful"] == harmful[place]


def _clear(probability: float, point: OperatingPoint) -> bool:
    """Not so near an edge that rounding decides."""
    return min(abs(probability - edge) for edge in point.deferral_band) > 1e-3


def test_the_certificate_counts_disguised_rows_as_deferred(certified: Path) -> None:
    certificate = read_artifact(certified).manifest.certificate
    assert certificate is not None
    assert "triggers" in certificate.assumptions
    assert "cap on deferrals" in (certified / "CERTIFICATE.md").read_text()
    assert set(certificate.slices) == set(SLICES)
    for found in certificate.slices.values():
        assert {one.deferral_rate.rate for one in found.end_to_end.values()} == {1.0}


def test_another_teacher_than_the_measured_one_is_logged_once(
    certified: Path, tiny_artifact: Path, taught: ServerProcess, start_server: StartServer
) -> None:
    other = start_server(artifact=certified, teacher_artifacts=certified, **TAUGHT)
    (line,) = [one for one in other.log_lines() if one["event"] == "teacher_not_certified"]
    assert (line["level"], line["certified"]) == ("warning", ["tiny/0.0.1"])
    assert line["served"] == ["tiny/1.0"]
    assert "teacher_not_certified" not in taught.stderr()
