"""Mode `value` on the real server: the teacher gets what the head asks for, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.errors import ArtifactInvalid
from postern.contract.exchange import Exchange
from postern.contract.probability import harmful_margin, harmful_probability
from postern.contract.text import segments
from postern.contract.value import VALUE_OUTPUT, Chance, ValueHead
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer

from model_training.studies.value_graph import POOLED, with_head, with_pooled
from model_training.studies.value_version import write
from tests.conftest import StartServer
from tests.end_to_end.test_teacher import TAUGHT
from tests.server_process import ServerProcess, postern
from tests.tiny_student import tiny_rows

WORTH_IT, POINTLESS = Exchange("cat dog cake"), Exchange("train plane book")
THRESHOLD = 0.5
LONG = "read a book " * 100
ANSWER: dict[str, Any] = TAUGHT | {"teacher_mode": "value", "teacher_max_share": 1.0}


def deciding(artifact: Artifact, exchange: Exchange, *, extra: str) -> np.ndarray:
    """Logits and what `extra` gives, of the most harmful window."""
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    session = OnnxSession(
        artifact.model, pad_id=manifest.pad_id, intra_op_threads=1, extra={extra: None}
    )
    rows = [session.run([w])[0] for w in tokenizer.encode(segments(exchange)).windows]
    return max(rows, key=lambda row: float(row[1] - row[0]))


@pytest.fixture(scope="module")
def headed(
    tiny_artifact: Path, artifact: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A head drawn by hand: along the line between the states of two harmless texts."""
    opened = Artifact(artifact.manifest, "", with_pooled(artifact.model), artifact.tokenizer)
    state = POOLED
    worth, pointless = (
        deciding(opened, exchange, extra=state)[2:].astype(np.float64)
        for exchange in (WORTH_IT, POINTLESS)
    )
    line = worth - pointless
    line /= line @ line
    middle = line @ (worth + pointless) / 2.0
    # 1/2 at `worth` and -1/2 at `pointless`; nothing is expected to be spoilt.
    weights = np.stack([8 * line, 8 * line, 0 * line, 0 * line], axis=1)
    model = with_head(artifact.model, weights, np.array([-8 * middle, -8 * middle, -30.0, -30.0]))
    flat = Chance(bias=(0.0, 0.0), slope=(-0.1, -0.3))
    head = ValueHead(repair=flat, harm=flat, threshold=THRESHOLD)
    policy = artifact.manifest.policy.model_copy(update={"value": {"prompt": head}})
    manifest = artifact.manifest.model_copy(update={"policy": policy, "version": "0.0.2"})
    target = tmp_path_factory.mktemp("headed") / "tiny" / "0.0.2"
    write(tiny_artifact, manifest, model, target)
    return target


@pytest.fixture(scope="module")
def valued(start_server: StartServer, headed: Path, tiny_artifact: Path) -> ServerProcess:
    return start_server(artifact=headed, teacher_artifacts=tiny_artifact, **ANSWER)


def gain_of(artifact: Artifact, exchange: Exchange, threshold: float | None = None) -> float:
    policy = artifact.manifest.policy
    row = deciding(artifact, exchange, extra=VALUE_OUTPUT)
    probability = harmful_probability(harmful_margin(row[None]), policy.calibration["prompt"])
    limit = policy.operating_points["balanced"]["prompt"].threshold
    limits = np.array([limit if threshold is None else threshold])
    return float(policy.value["prompt"].gains(row[None, 2:], probability, limits)[0])


def texts() -> list[str]:
    words = [row.prompt for row in tiny_rows(60, seed=77) if row.response is None]
    return [*words, WORTH_IT.prompt, POINTLESS.prompt, LONG + WORTH_IT.prompt, LONG + "bomb"]


def test_the_teacher_gets_what_the_head_asks_for_and_nothing_else(
    valued: ServerProcess, headed: Path
) -> None:
    artifact = read_artifact(headed)
    label = 'postern_deferrals_total{outcome="answered",reason="value"}'
    before = valued.metric(label)
    bodies = [{"prompt": text} for text in texts()]
    together = valued.classify({"inputs": bodies}).json()["results"]
    asked = 0
    for body, found in zip(bodies, together, strict=True):
        (alone,) = valued.classify(body).json()["results"]
        gain = gain_of(artifact, Exchange(body["prompt"]))
        assert alone["deferred"] == (alone.get("deferral_reason") == "value")
        if abs(gain - THRESHOLD) > 1e-3:  # nearer, a processor's last bits decide
            assert found["deferred"] == alone["deferred"] == (gain >= THRESHOLD), body
        assert alone["decided_by"] == ("fused" if alone["deferred"] else "student")
        asked += found["deferred"] + alone["deferred"]
    assert 2 <= asked < 2 * len(bodies)
    assert valued.metric(label) - before == asked
    assert valued.metric('postern_deferrals_total{outcome="answered",reason="band"}') == 0


def test_the_two_texts_it_was_drawn_for(valued: ServerProcess, headed: Path) -> None:
    artifact = read_artifact(headed)
    worth, pointless = (
        valued.classify({"prompt": exchange.prompt}).json()["results"][0]
        for exchange in (WORTH_IT, POINTLESS)
    )
    assert gain_of(artifact, WORTH_IT) > THRESHOLD > gain_of(artifact, POINTLESS)
    assert (worth["deferred"], worth["deferral_reason"]) == (True, "value")
    assert not pointless["deferred"]
    assert "deferral_reason" not in pointless
    # Far from the threshold, where no band would have asked.
    low, high = worth["deferral_band"]
    assert not low <= worth["student_probability"] <= high
    never = {"prompt": WORTH_IT.prompt, "fallback": "never"}
    assert not valued.classify(never).json()["results"][0]["deferred"]
    always = {"prompt": POINTLESS.prompt, "fallback": "always"}
    assert valued.classify(always).json()["results"][0]["deferral_reason"] == "always"


def test_the_band_is_not_asked_about_unless_a_slice_has_no_head(valued: ServerProcess) -> None:
    probability = valued.classify({"prompt": POINTLESS.prompt}).json()["results"][0]["probability"]
    near = {"prompt": POINTLESS.prompt, "threshold": probability}
    assert not valued.classify(near).json()["results"][0]["deferred"]
    pair = {"prompt": "read a book", "response": POINTLESS.prompt}
    (found,) = valued.classify(pair).json()["results"]
    (close,) = valued.classify(pair | {"threshold": found["probability"]}).json()["results"]
    assert (found["deferred"], close["deferral_reason"]) == (False, "band")


def test_info_names_the_mode(valued: ServerProcess) -> None:
    shown = valued.get("/info").json()["teacher"]
    assert (shown["mode"], shown["value_thresholds"]) == ("value", {"prompt": THRESHOLD})


def test_an_artifact_with_a_head_serves_the_other_modes_as_before(
    start_server: StartServer, headed: Path, server: ServerProcess
) -> None:
    for found, expected in zip(
        start_server(artifact=headed)
        .classify({"inputs": [{"prompt": t} for t in texts()]})
        .json()["results"],
        server.classify({"inputs": [{"prompt": t} for t in texts()]}).json()["results"],
        strict=True,
    ):
        assert found == expected


def test_a_cached_score_keeps_its_value(
    start_server: StartServer, headed: Path, tiny_artifact: Path
) -> None:
    settings = ANSWER | {"cache_entries": 10, "teacher_artifacts": tiny_artifact}
    server = start_server(artifact=headed, **settings)
    first, again = (server.classify({"prompt": WORTH_IT.prompt}).json() for _ in range(2))
    assert first["results"][0]["deferral_reason"] == "value"
    assert first["results"] == again["results"]
    assert server.metric('postern_cache_lookups_total{outcome="hit"}') == 1


def test_an_artifact_without_a_head_stops_the_start_with_one_line(tiny_artifact: Path) -> None:
    done = postern("serve", artifact=tiny_artifact, teacher_mode="value")
    assert done.returncode == 2
    assert b"no value head" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_mode_is_refused(tiny_artifact: Path) -> None:
    done = postern("serve", artifact=tiny_artifact, teacher_mode="worth")
    assert done.returncode == 2
    assert b"POSTERN_TEACHER_MODE" in done.stderr


def test_a_policy_with_a_head_that_the_graph_lacks_is_not_published(
    headed: Path, tiny_artifact: Path, artifact: Artifact, tmp_path: Path
) -> None:
    manifest = read_artifact(headed).manifest
    with pytest.raises(ArtifactInvalid, match="no output 'value'"):
        write(tiny_artifact, manifest, artifact.model, tmp_path / "tiny" / "0.0.3")
    assert not (tmp_path / "tiny" / "0.0.3").exists()
