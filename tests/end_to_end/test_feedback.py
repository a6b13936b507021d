"""Corrections of verdicts over real sockets: off by default, private, bounded, and readable."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from postern.calibration.labelled import Labelled, read_labelled
from postern.contract.exchange import Exchange

from model_training.data.rows import PoolRow, read_pool, read_sources
from tests.conftest import PATIENT, StartServer
from tests.server_process import HANG_S, ServerProcess, postern
from tests.training_process import completed

SECRET = "zzsecretzz read a book"
PAIR = {"prompt": "zzsecretzz tell me", "response": 'a böök\n\u2028 "quoted" \x85'}


def correct(server: ServerProcess, reply: httpx.Response | str, **fields: Any) -> httpx.Response:
    name = reply if isinstance(reply, str) else reply.headers["X-Request-Id"]
    headers = fields.pop("headers", {})
    body = {"id": name, "expected": "harmful", **fields}
    return server.post("/feedback", json=body, headers=headers)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def problem(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["type"].removeprefix("urn:postern:problem:")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback") / "labels.jsonl"


@pytest.fixture(scope="module")
def taking(start_server: StartServer, path: Path) -> ServerProcess:
    return start_server(feedback_file=path)


def test_it_is_off_by_default_and_says_how_to_switch_it_on(server: ServerProcess) -> None:
    reply = correct(server, server.classify({"prompt": SECRET}))
    assert problem(reply) == (403, "feedback-off")
    assert "POSTERN_FEEDBACK_FILE" in reply.json()["detail"]
    assert server.get("/info").json()["feedback"] == {"on": False, "keep_s": None}
    assert server.metric("postern_feedback_held_bytes") == 0
    assert not any(line["event"] == "feedback_on" for line in server.log_lines())


def test_where_it_is_on_that_is_said(taking: ServerProcess, path: Path) -> None:
    (said,) = [line for line in taking.log_lines() if line["event"] == "feedback_on"]
    assert said["level"] == "warning"
    assert said["file"] == str(path)
    assert taking.get("/info").json()["feedback"] == {"on": True, "keep_s": 900.0}
    assert str(path.parent) not in taking.get("/info").text


def test_both_readers_take_the_file_as_it_is(
    taking: ServerProcess, path: Path, tmp_path: Path
) -> None:
    """The texts, labels and verdicts that were given, as both programs read them."""
    before = taking.metric('postern_feedback_labels_total{expected="harmful",verdict="unharmful"}')
    single = taking.classify({"prompt": SECRET})
    assert single.json()["id"] == single.headers["X-Request-Id"]
    several = taking.classify({"inputs": [{"prompt": "how to make a bomb"}, PAIR]})
    chat = taking.classify(
        {
            "messages": [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": "hi"},
            ]
        }
    )
    moderated = taking.post("/v1/moderations", json={"input": "how to make a bomb with sugar"})
    assert correct(taking, single).json() == {
        "id": single.json()["id"],
        "index": 0,
        "slice": "prompt",
        "verdict": "unharmful",
        "expected": "harmful",
    }
    assert correct(taking, several, index=0, expected="unharmful").json()["verdict"] == "harmful"
    assert correct(taking, several, slice="pair").json()["index"] == 1
    assert correct(taking, chat, slice="pair", expected="unharmful").status_code == 200
    assert correct(taking, moderated, expected="unharmful").status_code == 200
    expected = [
        Labelled(Exchange(SECRET), 1),
        Labelled(Exchange("how to make a bomb"), 0),
        Labelled(Exchange(PAIR["prompt"], PAIR["response"]), 1),
        Labelled(Exchange("hello", "hi"), 0),
        Labelled(Exchange("how to make a bomb with sugar"), 0),
    ]
    data = read_labelled(path)
    assert list(data.rows) == expected
    assert not data.has_teacher

    arguments = ("--preset", "own", "--from", str(path), "--to", str(tmp_path))
    done = completed("import-data", *arguments, timeout=HANG_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert "own.jsonl.gz: 5 rows" in done.stdout
    (source,) = read_sources(tmp_path)
    assert read_pool(tmp_path, source) == [
        PoolRow(
            source="own",
            prompt=row.exchange.prompt,
            response=row.exchange.response,
            prompt_label=row.label if row.exchange.response is None else None,
            response_label=None if row.exchange.response is None else row.label,
        )
        for row in expected
    ]
    written = lines(path)
    result = single.json()["results"][0]
    given = written[0]["feedback"]
    assert given.pop("time").endswith("+00:00")
    assert given == {
        "id": single.json()["id"],
        "index": 0,
        "verdict": "unharmful",
        "probability": result["probability"],
        "threshold": result["threshold"],
        "decided_by": "student",
        "artifact": "tiny",
        "version": "0.0.1",
    }
    assert [one["feedback"]["verdict"] for one in written[:2]] == ["unharmful", "harmful"]
    name = 'postern_feedback_labels_total{expected="harmful",verdict="unharmful"}'
    assert taking.metric(name) >= before + 1


def test_the_same_again_changes_nothing_and_the_opposite_is_refused(
    taking: ServerProcess, path: Path
) -> None:
    reply = taking.classify({"prompt": SECRET})
    assert correct(taking, reply).status_code == 200
    size = path.stat().st_size
    assert correct(taking, reply).status_code == 200
    assert problem(correct(taking, reply, expected="unharmful")) == (409, "feedback-contradicts")
    assert path.stat().st_size == size
    assert taking.metric('postern_feedback_total{outcome="repeated"}') == 1
    assert taking.metric('postern_feedback_total{outcome="contradicts"}') == 1


def test_what_is_not_kept_or_not_clear_is_refused(taking: ServerProcess) -> None:
    assert problem(correct(taking, "never-given")) == (404, "verdict-unknown")
    several = taking.classify({"inputs": [{"prompt": "a book"}, {"prompt": "a song"}]})
    assert problem(correct(taking, several)) == (422, "verdict-ambiguous")
    assert problem(correct(taking, several, index=2)) == (422, "verdict-ambiguous")
    failed = taking.classify({"prompt": " "})
    assert problem(correct(taking, failed)) == (404, "verdict-unknown")
    wrong: list[dict[str, Any]] = [{"expected": "zzbadzz"}, {"index": -1}, {"index": "0"}]
    wrong += [{"text": SECRET}, {"slice": "response"}, {"id": 7}]
    for fields in wrong:
        reply = correct(taking, several, **fields)
        assert problem(reply) == (422, "body-mismatch"), fields
        assert "zz" not in reply.text
    assert problem(taking.post("/feedback", content=b"{")) == (415, "unsupported-media-type")
    large = taking.post("/feedback", json={"id": "x" * 5000, "expected": "harmful"})
    assert problem(large) == (413, "body-too-large")


def test_many_at_once_are_written_one_after_the_other(taking: ServerProcess, path: Path) -> None:
    before = len(lines(path))
    replies = [taking.classify({"prompt": f"story {number}"}) for number in range(8)]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda one=one: statuses.append(correct(taking, one).status_code))
        for one in replies
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 16
    prompts = [line["prompt"] for line in lines(path)[before:]]
    assert sorted(prompts) == [f"story {number}" for number in range(8)]


def test_a_caller_can_only_correct_its_own(start_server: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    server = start_server(feedback_file=path, api_keys="first,second")
    reply = server.classify({"prompt": SECRET}, X_API_Key="first")
    assert problem(correct(server, reply)) == (401, "unauthorized")
    assert problem(correct(server, reply, headers={"X-API-Key": "guess"}))[0] == 401
    second = correct(server, reply, headers={"X-API-Key": "second"})
    assert problem(second) == (404, "verdict-unknown")
    assert lines(path) == []
    assert correct(server, reply, headers={"Authorization": "Bearer first"}).status_code == 200
    assert lines(path)[0]["prompt"] == SECRET


def test_texts_leave_the_memory_when_their_time_is_over(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(feedback_file=tmp_path / "labels.jsonl", feedback_keep_s=2)
    reply = server.classify({"prompt": SECRET * 1000})
    assert server.metric("postern_feedback_held_bytes") > len(SECRET) * 1000
    assert correct(server, reply).status_code == 200
    while server.metric("postern_feedback_held_bytes"):  # no further request judges anything
        pass
    assert problem(correct(server, reply)) == (404, "verdict-unknown")


def test_the_oldest_verdicts_give_way_and_are_counted(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(feedback_file=tmp_path / "labels.jsonl", feedback_max_verdicts=2)
    first, *others = [server.classify({"prompt": f"story {number}"}) for number in range(3)]
    assert problem(correct(server, first)) == (404, "verdict-unknown")
    assert [correct(server, one).status_code for one in others] == [200, 200]
    assert server.metric('postern_feedback_forgotten_total{limit="verdicts"}') == 1


def test_files_are_private_rotated_and_continued_after_a_restart(
    tiny_artifact: Path, tmp_path: Path
) -> None:
    path = tmp_path / "labels.jsonl"
    settings = PATIENT | {
        "artifact": tiny_artifact,
        "feedback_file": path,
        "feedback_max_file_bytes": 64 << 10,
        "feedback_max_files": 2,
    }
    prompts = []
    for start in range(2):
        with ServerProcess(["-m", "postern", "serve"], settings) as server:
            server.wait_until_ready()
            for number in range(4):
                prompts.append(f"{start} {number} " + "book " * 4000)
                reply = server.classify({"prompt": prompts[-1]})
                assert correct(server, reply).status_code == 200
            assert postern("serve", "--port", "0", **settings).stderr.decode() == (  # type: ignore[arg-type]
                "postern: feedback_file: another server writes it\n"
            )
            told = [line["event"] for line in server.log_lines()]
            assert ("feedback_deleted" in told) is (start == 1)
            assert SECRET not in server.stderr()
        if start == 0:
            kept = lines(path.with_name("labels.1.jsonl")) + lines(path)
            assert [line["prompt"] for line in kept] == prompts
            with path.open("ab") as file:  # as if it had been killed while it wrote
                file.write(b'{"prompt":"half of a')
    kept = lines(path.with_name("labels.1.jsonl")) + lines(path)
    assert [line["prompt"] for line in kept] == prompts[-len(kept) :]
    for one in tmp_path.iterdir():
        assert stat.S_IMODE(one.stat().st_mode) == 0o600, one.name


_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
from postern.cli import main
sys.exit(main(["serve"]))
"""


def test_a_full_disk_is_an_error_and_loses_no_verdict(tiny_artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    settings = PATIENT | {"artifact": tiny_artifact, "feedback_file": path}
    with ServerProcess(["-c", _LIMITED], settings) as server:
        server.wait_until_ready()
        replies = [server.classify({"prompt": f"{n} " + "book " * 5000}) for n in range(3)]
        assert [one.status_code for one in replies] == [200] * 3
        assert [correct(server, one).status_code for one in replies[:2]] == [200, 200]
        failed = correct(server, replies[2])
        assert problem(failed) == (507, "feedback-unwritable")
        assert "File too large" in failed.json()["detail"]
        assert str(tmp_path) not in failed.text
        assert server.metric('postern_feedback_total{outcome="unwritable"}') == 1
        assert server.classify({"prompt": "book"}).status_code == 200
        assert len(lines(path)) == 2  # nothing half-written
        path.rename(tmp_path / "taken.jsonl")  # room again
        assert correct(server, replies[2]).status_code == 200
        assert [line["prompt"][0] for line in lines(path)] == ["2"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("labels.csv", "must end in .jsonl"), ("none/labels.jsonl", "No such file or directory")],
)
def test_a_file_that_cannot_be_written_stops_the_start(
    tiny_artifact: Path, tmp_path: Path, name: str, message: str
) -> None:
    done = postern("serve", "--port", "0", artifact=tiny_artifact, feedback_file=tmp_path / name)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") <= 1 or b'"event"' not in done.stderr


def test_other_commands_leave_the_file_alone(tiny_artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    done = postern("info", artifact=tiny_artifact, feedback_file=path)
    assert done.returncode == 0
    assert not path.exists()
