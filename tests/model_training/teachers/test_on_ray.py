"""Labelling on Ray without a cluster; `tests/deploy/test_ray_label.py` has the rest."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from postern.batch.on_ray import Cluster, EngineEnded
from postern.contract.exchange import Exchange

from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import (
    ClassifierTeacher,
    GuardLocal,
    GuardServer,
    PosternTeacher,
)
from model_training.run.journal import Journal
from model_training.teachers import on_ray, shards
from model_training.teachers.labellers import open_teacher
from model_training.teachers.llm import Call, answer_all
from model_training.teachers.on_ray import Labeller, RayBackend
from tests.tiny_student import tiny_rows

EXCHANGES = [Exchange("\u200b"), *(row.exchange for row in tiny_rows(60, seed=6))]


def _config(folder: Path) -> ClassifierTeacher:
    return ClassifierTeacher.model_validate(
        {
            "kind": "classifier",
            "folders": [str(folder)],
            "format": "student",
            "window_tokens": 64,
            "overlap_tokens": 8,
        }
    )


def _backend(config: Any, folder: Path) -> RayBackend:
    return RayBackend(config, Cluster(), threads=1, log=folder / "ray.log")


class InThisProcess:
    """What `RayEngine` does, with sessions in this process, which share the items as it falls."""

    def __init__(self, sessions: int, *, lost: int = 0) -> None:
        self._sessions, self._lost = sessions, lost
        self.work: Any = None

    def answers(self, work: Any, items: list[str]) -> Any:
        rng = random.Random(1)
        self.work = json.loads(json.dumps(work))
        sessions = [Labeller(self.work) for _ in range(self._sessions)]
        shuffled = [*items, *rng.sample(items, 2)]  # some are answered twice
        rng.shuffle(shuffled)
        for item in shuffled[self._lost :]:
            yield json.loads(rng.choice(sessions).answers(item))


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_CALLS", 8)


@pytest.mark.usefixtures("small_shards")
def test_sessions_give_the_bits_of_this_process_whatever_order_and_number(
    tiny_student: Path, tmp_path: Path
) -> None:
    config = _config(tiny_student)
    teacher = open_teacher(config, temperature=1.0, threads=1)
    calls = [teacher.write(one) for one in EXCHANGES]
    with Journal(tmp_path / "local.jsonl") as journal:
        expected = answer_all(calls, teacher.backend, journal, what="label")
    assert (expected[0].refused, len({one.margin for one in expected}) > 30) == (422, True)
    backend = _backend(config, tmp_path)
    assert backend.asked == teacher.backend.asked
    path = tmp_path / "ray.jsonl"
    for engine, ends in ((InThisProcess(2, lost=5), True), (InThisProcess(3), False)):
        backend._engine = engine  # type: ignore[assignment]
        with Journal(path) as journal:
            if ends:  # a cluster that went away: what it answered is kept
                with pytest.raises(EngineEnded, match="shards were not labelled; the same command"):
                    answer_all(calls, backend, journal, what="label")
                assert 0 < len(journal) < 60
            else:
                assert answer_all(calls, backend, journal, what="label") == expected
    lines = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert len(lines) == len(set(lines)) == len({call.key for call in calls[1:]})


def test_a_worker_that_would_label_otherwise_is_refused(tiny_student: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_student, tmp_path / "teacher"))
    backend = _backend(_config(folder), tmp_path)
    call = Call(endpoint="classify", asked=backend.asked, body={"prompt": "bake a cake"})
    work = backend._work([call])
    assert json.loads(json.dumps(work))["teacher"]["folders"] == [str(folder)]
    Labeller(work)
    with pytest.raises(EngineEnded, match=r"^a worker has another version of torch$"):
        Labeller(work | {"versions": work["versions"] | {"torch": "0.1"}})
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"layer_norm_eps": 1e-3}))
    with pytest.raises(EngineEnded, match=r"^a worker has other weights of the teacher$"):
        Labeller(work)


def test_two_workers_that_compute_differently_end_the_stage(
    tiny_student: Path, tmp_path: Path
) -> None:
    class Differs(InThisProcess):
        def answers(self, work: Any, items: list[str]) -> Any:
            for number, found in enumerate(super().answers(work, items)):
                yield found | {"probes": {"a": number}}

    backend = _backend(_config(tiny_student), tmp_path)
    backend._engine = Differs(1)  # type: ignore[assignment]
    teacher = open_teacher(_config(tiny_student), temperature=1.0, backend=backend)
    calls = [teacher.write(Exchange(f"bake {n}")) for n in range(2 * shards.SHARD_CALLS)]
    with (
        Journal(tmp_path / "calls.jsonl") as journal,
        pytest.raises(EngineEnded, match="use machines of one kind"),
    ):
        answer_all(calls, backend, journal, what="label")


@pytest.mark.parametrize(
    "config",
    [
        GuardServer(kind="server", base_url="http://x", model="m", template="yes-no"),
        PosternTeacher(kind="postern", base_url="http://x", artifact="a 1"),
        GuardLocal(kind="local", model="m", template="yes-no"),
    ],
    ids=lambda config: config.kind,
)
def test_a_teacher_that_cannot_run_there_is_named(config: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid, match=rf"kind '{config.kind}' .*; use --engine local$"):
        _backend(config, tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_says_so_and_keeps_nothing(tiny_student: Path, tmp_path: Path) -> None:
    backend = _backend(_config(tiny_student), tmp_path)
    teacher = open_teacher(_config(tiny_student), temperature=1.0, backend=backend)
    with (
        Journal(tmp_path / "calls.jsonl") as journal,
        pytest.raises(EngineEnded, match="Ray is missing"),
    ):
        answer_all([teacher.write(EXCHANGES[1])], backend, journal, what="label")
    assert (tmp_path / "calls.jsonl").read_bytes() == b""
    assert on_ray.CLONE.joinpath("model_training").is_dir()
