"""A job without Ray: stopped anywhere and resumed, each shard once, and nothing of another job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from postern.backlog.output import OutputInvalid
from postern.batch.job import Asked, Work, Worker, WorkerDiffers, run_job
from postern.batch.judge import Judge
from postern.batch.ledger import Ledger
from postern.batch.on_ray import EngineEnded
from postern.batch.part import Done, PartUnwritable, judge_shard
from postern.batch.plan import Reading, Shard, planned
from postern.contract.errors import (
    ArtifactInvalid,
    NotReady,
    SettingsInvalid,
    UnknownOperatingPoint,
)

from tests.end_to_end.test_backlog import texts
from tests.server_process import ServerProcess

MARKER = "zzmarkerzz"


@pytest.fixture(scope="module")
def settings(tiny_artifact: Path) -> dict[str, Any]:
    return {"artifact": str(tiny_artifact), "workers": 1, "intra_op_threads": 1}


def here(work: Work, shards: Sequence[Shard]) -> Iterator[Done]:
    """An engine in this process; the last shard comes first."""
    worker = Worker(work)
    try:
        for shard in reversed(shards):
            yield worker.judge(shard)
    finally:
        worker.close()


def stopping(after: int) -> Callable[[Work, Sequence[Shard]], Iterable[Done]]:
    """One that is killed."""

    def engine(work: Work, shards: Sequence[Shard]) -> Iterator[Done]:
        for number, done in enumerate(here(work, shards)):
            if number == after:
                raise KeyboardInterrupt
            yield done

    return engine


def asked(tmp_path: Path, **other: Any) -> Asked:
    source = tmp_path / "in.jsonl"
    if not source.exists():
        lines = [json.dumps({"prompt": text}) for text in texts(40)]
        source.write_text("\n".join([*lines, f'{{"{MARKER}": 1}}', ""]))
    made = Asked(inputs=[source], output=tmp_path / "out", shard_records=7, resume=True)
    return replace(made, **other)


def numbers(output: Path) -> list[int]:
    parts = sorted(output.glob("part-*"))
    return list(pa.concat_tables([pq.read_table(one) for one in parts]).column("row").to_pylist())


def test_the_judge_gives_the_servers_verdicts_to_the_last_bit(
    server: ServerProcess, settings: dict[str, Any]
) -> None:
    prompts = texts(30)
    with Judge(**settings) as judge:
        table = judge(pa.table({"id": range(30), "prompt": prompts}))
        assert judge(pa.record_batch({"prompt": prompts})).num_rows == 30
        assert judge(table.slice(0, 0).select(["prompt"])).num_rows == 0
    assert table.column("id").to_pylist() == list(range(30))
    results = [server.classify({"prompt": one}).json()["results"][0] for one in prompts]
    for row, alone in zip(table.to_pylist(), results, strict=True):
        shared = row.keys() & alone.keys()
        assert len(shared) >= 10
        assert {name: row[name] for name in shared} == {name: alone[name] for name in shared}
    with pytest.raises(NotReady, match="closed"):
        judge(table.select(["prompt"]))
    judge.close()


def test_a_judge_that_cannot_start_says_why(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsInvalid, match="threshold"):
        Judge(threshold=1.5, **settings)
    with pytest.raises(UnknownOperatingPoint):
        Judge(operating_point=MARKER, **settings)
    with pytest.raises(ArtifactInvalid):
        Judge(artifact=str(tmp_path))


def test_a_stopped_job_goes_on_and_repeats_nothing(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    job, output = asked(tmp_path), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_job(job, stopping(2), settings=settings)
    kept = {one: one.stat().st_mtime_ns for one in output.glob("part-*")}
    assert len(kept) == 2
    with (output / "progress.jsonl").open("a") as file:
        file.write('{"shard": 0, "file":')  # a kill within a line
    (output / "attempts" / "000000-of-a-lost-node.parquet").touch()
    seen: list[tuple[int, int, int]] = []
    show = lambda *counts: seen.append(counts)  # noqa: E731
    manifest = run_job(job, here, settings=settings, show=show)
    assert {one: one.stat().st_mtime_ns for one in kept} == kept
    assert numbers(output) == list(range(1, 42))
    assert (manifest.rows, manifest.errors) == (41, 1)
    assert [one.row for one in manifest.parts] == [1, 8, 15, 22, 29, 36]
    assert (seen[0], seen[-1]) == ((13, 41, 1), (41, 41, 1))
    left = sorted(one.name for one in output.iterdir())
    assert left == ["manifest.json", *(f"part-{n:06d}.parquet" for n in range(6))]
    assert MARKER not in (output / "manifest.json").read_text()
    metadata = pq.read_schema(output / "part-000000.parquet").metadata
    assert metadata[b"postern.sha256"].decode() == manifest.model["sha256"]

    def nobody(work: Work, shards: Sequence[Shard]) -> Iterator[Done]:
        raise AssertionError("there is nothing left to judge")

    assert run_job(job, nobody, settings=settings) == manifest


def test_a_shard_that_comes_twice_is_kept_once(tmp_path: Path, settings: dict[str, Any]) -> None:
    def twice(work: Work, shards: Sequence[Shard]) -> Iterator[Done]:
        worker = Worker(work)
        for shard in shards:
            yield worker.judge(shard)
            yield worker.judge(shard)
        worker.close()

    assert run_job(asked(tmp_path), twice, settings=settings).rows == 41
    assert numbers(tmp_path / "out") == list(range(1, 42))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"threshold": 0.25}, "with another threshold$"),
        ({"operating_point": "strict"}, "with another operating point$"),
        ({"shard_records": 8}, "with another input$"),
        ({"prefix": "a_"}, "with another columns$"),
        ({"resume": False}, "is not empty; --resume continues a job"),
    ],
    ids=str,
)
def test_another_job_does_not_go_on(
    tmp_path: Path, settings: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    job = asked(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_job(job, stopping(1), settings=settings)
    before = {one.name for one in (tmp_path / "out").iterdir()}
    with pytest.raises(OutputInvalid, match=says):
        run_job(replace(job, **change), here, settings=settings)
    assert {one.name for one in (tmp_path / "out").iterdir()} == before


def test_a_changed_input_or_part_is_told(tmp_path: Path, settings: dict[str, Any]) -> None:
    job, output = asked(tmp_path), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_job(job, stopping(1), settings=settings)
    source = tmp_path / "in.jsonl"
    original = source.read_text()
    source.write_text(original.replace(MARKER, "other"))
    with pytest.raises(OutputInvalid, match="another input"):
        run_job(job, here, settings=settings)
    source.write_text(original)
    (part,) = output.glob("part-*")
    content = part.read_bytes()
    part.write_bytes(content[:-9])
    with pytest.raises(OutputInvalid, match="was changed since the run stopped"):
        run_job(job, here, settings=settings)
    part.write_bytes(content)
    assert run_job(job, here, settings=settings).rows == 41
    source.write_text(original + "\n")
    with pytest.raises(OutputInvalid, match="another input"):
        run_job(job, here, settings=settings)


def test_two_runs_do_not_write_one_output(tmp_path: Path, settings: dict[str, Any]) -> None:
    def meanwhile(work: Work, shards: Sequence[Shard]) -> Iterator[Done]:
        with pytest.raises(OutputInvalid, match="another run is writing it"):
            run_job(asked(tmp_path), here, settings=settings)
        yield from here(work, shards)

    assert run_job(asked(tmp_path), meanwhile, settings=settings).rows == 41


def test_an_engine_that_ends_early_and_a_folder_of_others_are_told(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(EngineEnded, match="6 shards were not judged"):
        run_job(asked(tmp_path), lambda work, shards: (), settings=settings)
    other = tmp_path / "other"
    other.mkdir()
    (other / "part-0.parquet").touch()
    with pytest.raises(OutputInvalid, match="of another program"):
        run_job(asked(tmp_path, output=other), here, settings=settings)
    with pytest.raises(OutputInvalid, match="is no folder"):
        run_job(asked(tmp_path, output=other / "part-0.parquet"), here, settings=settings)


def test_a_worker_with_another_artifact_refuses(tmp_path: Path, settings: dict[str, Any]) -> None:
    def elsewhere(work: Work, shards: Sequence[Shard]) -> Iterator[Done]:
        Worker(work.model_copy(update={"settings": settings | {"max_exchange_chars": 900}}))
        yield from ()

    with pytest.raises(WorkerDiffers, match="a worker has another limits"):
        run_job(asked(tmp_path), elsewhere, settings=settings)


def test_a_part_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    asked(tmp_path)
    reading = Reading(limit_bytes=1000)
    plan = planned([tmp_path / "in.jsonl"], reading, shard_records=99)
    with Judge(**settings) as judge, pytest.raises(PartUnwritable, match="cannot be written"):
        judge_shard(judge, plan.shards[0], reading, tmp_path / "gone")


def test_empty_input_is_an_empty_output(tmp_path: Path, settings: dict[str, Any]) -> None:
    (tmp_path / "in.jsonl").write_text("\n\n")
    manifest = run_job(asked(tmp_path), here, settings=settings)
    assert (manifest.rows, manifest.parts) == (0, ())
    assert manifest.inputs[0].records == 2
    Ledger.check_free(tmp_path / "out", resume=True)
