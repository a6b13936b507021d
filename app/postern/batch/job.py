"""A whole job: plan, let an engine judge what is left, commit each shard, write the manifest.

An engine is whatever runs `Worker.judge` somewhere: Ray, or this process in tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from postern.backlog.records import record_limit
from postern.batch.judge import Judge
from postern.batch.ledger import Ledger, Manifest
from postern.batch.on_ray import EngineEnded
from postern.batch.part import Done, judge_shard
from postern.batch.plan import Frozen, Reading, Shard, found_files, planned
from postern.contract.errors import PosternError


class WorkerDiffers(PosternError):
    """A worker would judge differently than the job says."""


class Work(Frozen):
    """What a worker must know; plain JSON. folder: where attempts are written.

    job: what verdicts must depend on. settings: of `read_settings`, before those of the
    environment.
    """

    reading: Reading
    folder: str
    job: dict[str, Any]
    operating_point: str | None = None
    threshold: float | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class Worker:
    """One session, on any machine that sees the input and the output."""

    def __init__(self, work: Work) -> None:
        """Raises WorkerDiffers, and what `Judge` raises."""
        self._work = work
        self._judge = _judge(work)
        here, wanted = self._judge.what_decides, work.job
        other = sorted(name for name in here if here[name] != wanted.get(name))
        if other:
            self._judge.close()
            raise WorkerDiffers(f"a worker has another {', '.join(other)}")

    def judge(self, shard: Shard) -> Done:
        """Raises what `judge_shard` raises."""
        return judge_shard(self._judge, shard, self._work.reading, Path(self._work.folder))

    def close(self) -> None:
        self._judge.close()


def _judge(work: Work) -> Judge:
    return Judge(
        work.reading.columns,
        operating_point=work.operating_point,
        threshold=work.threshold,
        **work.settings,
    )


Engine = Callable[[Work, Sequence[Shard]], Iterable[Done]]
"""Judges shards in any order. It may give a shard twice; the second is dropped."""


@dataclass(frozen=True)
class Asked:
    """What a person asked for. Fields as in `Reading` and `Work`."""

    inputs: Sequence[Path]
    output: Path
    prompt: str = "prompt"
    response: str | None = None
    prefix: str = ""
    keep: tuple[str, ...] = ()
    operating_point: str | None = None
    threshold: float | None = None
    shard_records: int = 5000
    resume: bool = False


def run_job(
    asked: Asked,
    engine: Engine,
    *,
    settings: dict[str, Any],
    show: Callable[[int, int, int], None] = lambda done, of, errors: None,
) -> Manifest:
    """Judge what is left, and return the manifest.

    show: called with the records that are done, all records, and the rows with an error. Raises
    InputInvalid, InputChanged, ColumnsInvalid, OutputInvalid, EngineEnded, and what `Judge` and
    the engine raise.
    """
    files = found_files(asked.inputs)
    Ledger.check_free(asked.output, resume=asked.resume)
    given = (asked.operating_point, asked.threshold)
    with Judge(operating_point=given[0], threshold=given[1], **settings) as judge:
        model, job = judge.identity, judge.what_decides
        limit = record_limit(judge.settings.limits.max_exchange_chars)
    reading = Reading(
        prompt=asked.prompt,
        response=asked.response,
        prefix=asked.prefix,
        keep=asked.keep,
        limit_bytes=limit,
    )
    plan = planned(files, reading, shard_records=asked.shard_records)
    columns = {"columns": reading.model_dump(mode="json")}
    with closing(Ledger(asked.output, job | columns, plan, resume=asked.resume)) as ledger:
        if ledger.manifest is not None:
            return ledger.manifest
        work = Work(
            reading=reading,
            folder=str(ledger.attempts.absolute()),
            job=job,
            operating_point=given[0],
            threshold=given[1],
            settings=settings,
        )
        sizes = {one.index: one.records for one in plan.shards}
        done = sum(sizes[part.shard] for part in ledger.done)
        errors = sum(part.errors for part in ledger.done)
        show(done, plan.records, errors)
        for one in _of(engine, work, ledger.left):
            if ledger.commit(one):
                done, errors = done + sizes[one.shard], errors + one.errors
                show(done, plan.records, errors)
        if ledger.left:
            raise EngineEnded(f"{len(ledger.left)} shards were not judged")
        return ledger.finish(model)


def _of(engine: Engine, work: Work, left: Sequence[Shard]) -> Iterator[Done]:
    """Nothing is started where nothing is left."""
    if left:
        yield from engine(work, left)
