"""`postern calibrate --teacher configured`: the teacher of serving, asked over real sockets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postern.calibration.calibrate import disguises, opinion
from postern.calibration.labelled import read_labelled
from postern.calibration.parts import taught
from postern.contract.artifact import Manifest, read_artifact
from postern.contract.certificate import AskedTeacher, Certificate
from postern.contract.exchange import SLICES, Exchange
from postern.contract.teacher_text import TEMPLATES

from tests.conftest import StartServer
from tests.end_to_end.test_calibrate import ASKED, labelled
from tests.scripted_teacher import says, verdict
from tests.scripted_upstream import Seen, Step, StubUpstream, whole
from tests.server_process import postern

GUARD = TEMPLATES["llama-guard-3"]
SECRET = "zzsecretzz"
AT_ONCE = 3


class KnowingTeacher:
    """Says of each text of a file what stands there; counts, and may fail after so many."""

    def __init__(self, data: Path) -> None:
        self.told: dict[str, float] = {}
        for line in map(json.loads, data.read_text().splitlines()):
            exchange = Exchange(line["prompt"], line.get("response"))
            self.told[GUARD.prompt(exchange)] = line["teacher_probability"]
        self.asked: list[str] = []
        self.most_at_once = 0
        self.fails_after: int | None = None
        self.cannot_tell_every: int | None = None
        self._at_once = 0
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> list[Step]:
        prompt = seen.json["prompt"]
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            number = len(self.asked)
            if self.fails_after is not None and number >= self.fails_after:
                self._at_once -= 1
                return whole({"error": SECRET}, status=503)
            self.asked.append(prompt)
        time.sleep(0.002)
        with self._lock:
            self._at_once -= 1
        if self.cannot_tell_every and number % self.cannot_tell_every == 0:
            return whole(verdict({"Sure": 0.9, ",": 0.1}))
        return says(self.told[prompt])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("asked") / "labelled.jsonl", size=600, teacher=True)


@pytest.fixture
def teacher(data: Path) -> Iterator[tuple[KnowingTeacher, StubUpstream]]:
    knows = KnowingTeacher(data)
    with StubUpstream(knows) as stub:
        yield knows, stub


def calibrated(
    data: Path, artifact: Path, output: Path, *options: object, **settings: object
) -> Manifest:
    done = run(data, artifact, output, *options, **settings)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr) == 0
    (folder,) = (output / "tiny").iterdir()
    return read_artifact(folder).manifest


def run(data: Path, artifact: Path, output: Path, *options: object, **settings: Any) -> Any:
    arguments = ("--data", data, "--artifact", artifact, "--output", output, *ASKED, *options)
    return postern("calibrate", *map(str, arguments), **settings)


def openai(stub: StubUpstream, **changes: object) -> dict[str, object]:
    return {
        "teacher_url": stub.url,
        "teacher_model": "guard",
        "teacher_concurrency": AT_ONCE,
        "teacher_timeout_ms": 60_000,
        "teacher_connect_timeout_ms": 60_000,
    } | changes


def certificate_of(manifest: Manifest) -> Certificate:
    assert manifest.certificate is not None
    return manifest.certificate


def asked_of(manifest: Manifest) -> AskedTeacher:
    taught_by = certificate_of(manifest).teacher
    assert isinstance(taught_by, AskedTeacher)
    return taught_by


@pytest.mark.slow
def test_what_a_server_says_counts_as_the_same_column_would(
    data: Path,
    tiny_artifact: Path,
    tmp_path: Path,
    teacher: tuple[KnowingTeacher, StubUpstream],
    start_server: StartServer,
) -> None:
    knows, stub = teacher
    key = tmp_path / "key"
    key.write_text(SECRET)
    book = tmp_path / "opinions"
    asked = calibrated(
        data,
        tiny_artifact,
        tmp_path / "asked",
        *("--teacher", "configured", "--opinions", book),
        **openai(stub, teacher_api_key_file=key),
    )
    by_column = calibrated(data, tiny_artifact, tmp_path / "column")
    assert certificate_of(asked).slices == certificate_of(by_column).slices
    assert asked.policy.operating_points == by_column.policy.operating_points
    assert asked.policy.fusion.keys() == by_column.policy.fusion.keys() == {"prompt", "pair"}
    for slice_, fusion in asked.policy.fusion.items():
        other = by_column.policy.fusion[slice_].model_dump()
        assert fusion.model_dump() == pytest.approx(other, abs=1e-4)

    # About each text that counts, once, and no more at a time than a server asks.
    assert len(set(knows.asked)) == len(knows.asked)
    assert 0.3 * len(knows.told) < len(knows.asked) < 0.5 * len(knows.told)
    assert 1 < knows.most_at_once <= AT_ONCE
    assert asked_of(asked) == AskedTeacher(
        kind="openai",
        model="guard",
        template="llama-guard-3",
        endpoint="completions",
        temperature=1.0,
        outcomes={"answered": len(knows.asked)},
    )
    assert stub.seen[0].headers["authorization"] == f"Bearer {SECRET}"

    # No text, no key and no address stays behind.
    kept = book.read_text()
    assert len(kept.splitlines()) == len(knows.asked)
    written = kept + asked.model_dump_json()
    for secret in (SECRET, stub.url.partition("//")[2], "cake", "bomb"):
        assert secret not in written, secret

    # The server that asks another than was measured says so; the one that asks the same does not.
    (folder,) = (tmp_path / "asked" / "tiny").iterdir()
    for model, warned in (("guard", False), ("another", True)):
        server = start_server(artifact=folder, **openai(stub, teacher_model=model))
        events = [line["event"] for line in server.log_lines()]
        assert ("teacher_not_certified" in events) is warned


@pytest.mark.slow
def test_a_teacher_that_goes_away_stops_it_and_the_same_command_goes_on(
    data: Path, tiny_artifact: Path, tmp_path: Path, teacher: tuple[KnowingTeacher, StubUpstream]
) -> None:
    knows, stub = teacher
    knows.fails_after = 40
    book = tmp_path / "opinions"
    options = ("--teacher", "configured", "--opinions", book)
    stopped = run(data, tiny_artifact, tmp_path / "out", *options, **openai(stub))
    assert stopped.returncode == 2
    assert b"the teacher is away (failed); 40 answers are kept" in stopped.stderr
    assert stopped.stderr.count(b"\n") == 1
    assert SECRET.encode() not in stopped.stderr
    assert not (tmp_path / "out").exists()
    with book.open("a") as cut:  # as a kill in the middle of a line leaves it
        cut.write('{"key": "12')
    knows.fails_after = None
    manifest = calibrated(data, tiny_artifact, tmp_path / "out", *options, **openai(stub))
    assert len(set(knows.asked)) == len(knows.asked)  # none of the forty again
    assert asked_of(manifest).outcomes == {"answered": len(knows.asked)}
    again = len(knows.asked)
    calibrated(data, tiny_artifact, tmp_path / "again", *options, **openai(stub))
    assert len(knows.asked) == again  # all of it was kept
    other = openai(stub, teacher_model="another")
    calibrated(data, tiny_artifact, tmp_path / "other", *options, **other)
    assert len(knows.asked) == 2 * again  # of another model, nothing


def test_what_it_cannot_tell_is_counted_and_is_no_opinion(
    data: Path, tiny_artifact: Path, tmp_path: Path, teacher: tuple[KnowingTeacher, StubUpstream]
) -> None:
    knows, stub = teacher
    knows.cannot_tell_every = 10
    options = ("--teacher", "configured", "--opinions", tmp_path / "opinions")
    done = run(data, tiny_artifact, tmp_path / "out", *options, **openai(stub))
    assert done.returncode == 0, done.stderr
    untold = -(-len(knows.asked) // 10)
    ended = f"answered {len(knows.asked) - untold}, cannot_tell {untold}"
    expected = f"- teacher: openai guard (template llama-guard-3); its answers: {ended}"
    assert expected.encode() in done.stdout
    again = len(knows.asked)
    run(data, tiny_artifact, tmp_path / "again", *options, **openai(stub))
    assert len(knows.asked) == again  # that it cannot tell is an answer, too


def test_another_postern_is_asked_as_its_artifact_would_answer(
    data: Path, tiny_artifact: Path, tmp_path: Path, start_server: StartServer
) -> None:
    elsewhere = start_server()
    options = ("--teacher", "configured", "--opinions", tmp_path / "opinions")
    settings = {
        "teacher_url": elsewhere.url,
        "teacher_kind": "postern",
        "teacher_timeout_ms": 60_000,
        "teacher_connect_timeout_ms": 60_000,
    }
    asked = calibrated(data, tiny_artifact, tmp_path / "asked", *options, **settings)
    here = ("--teacher", "configured")
    local = calibrated(
        data, tiny_artifact, tmp_path / "local", *here, teacher_artifacts=tiny_artifact
    )
    (outcome,) = asked_of(asked).outcomes.items()
    assert outcome[0] == "answered"
    assert elsewhere.metric('postern_requests_total{route="/classify",status="200"}') == outcome[1]
    assert isinstance(certificate_of(local).teacher, tuple)
    rows = read_labelled(data).rows
    used = [
        row
        for slice_ in SLICES
        for in_slice in [[row for row in rows if row.exchange.slice == slice_]]
        for row, is_used in zip(in_slice, taught(in_slice), strict=True)
        if is_used
    ]
    artifact = read_artifact(tiny_artifact)
    opinions = opinion([artifact], used, disguises(used), threads=1).tolist()
    expected = dict(zip([row.exchange for row in used], opinions, strict=True)).values()
    lines = (tmp_path / "opinions").read_text().splitlines()
    told = [json.loads(line)["probability"] for line in lines]
    assert sorted(told) == pytest.approx(sorted(expected), abs=1e-4)
    for slice_, one in certificate_of(asked).slices.items():
        same = certificate_of(local).slices[slice_]
        assert (one.low, one.high, one.rows) == (same.low, same.high, same.rows)


@pytest.mark.parametrize(
    ("options", "settings", "says"),
    [
        (("--teacher", "configured"), {}, "set POSTERN_TEACHER_URL"),
        (
            ("--teacher", "configured", "--teacher", "artifacts/x/1"),
            {"teacher_url": "http://127.0.0.1:9/v1", "teacher_model": "m"},
            "cannot be combined",
        ),
        (
            ("--teacher", "configured", "--opinions", "/nonexistent/opinions"),
            {"teacher_url": "http://127.0.0.1:9/v1", "teacher_model": "m"},
            "/nonexistent/opinions: cannot be used",
        ),
        (
            ("--teacher", "configured", "--opinions", "pyproject.toml"),
            {"teacher_url": "http://127.0.0.1:9/v1", "teacher_model": "m"},
            "pyproject.toml:1: not an answer of a teacher",
        ),
        (("--teacher", "configured"), {"teacher_url": "http://127.0.0.1:9/v1"}, "teacher_model"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(
    options: tuple[str, ...],
    settings: dict[str, object],
    says: str,
    data: Path,
    tiny_artifact: Path,
    tmp_path: Path,
) -> None:
    done = run(data, tiny_artifact, tmp_path, *options, **settings)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
