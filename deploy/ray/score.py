"""Judges Parquet, JSON Lines or CSV with Ray Data, on one machine or a cluster.

    python deploy/ray/score.py chats/*.parquet --output verdicts/ --resume

Needs Postern with its extra `batch`, and `ray[data]`, on every machine of a cluster. All of them
must see the input and the output under the same path. The output is a folder of Parquet files, one
for each shard, and `manifest.json`. The guide *Judge billions of rows with Ray* has the rest.

This process plans, commits and reports. It starts itself once more to speak with Ray: when a
cluster goes away, Ray ends the process that spoke with it, without an exception.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from postern.batch.job import Asked, Work, Worker, run_job
from postern.batch.on_ray import Answers, Cluster, EngineEnded, RayEngine, speak_with_ray
from postern.batch.part import Done
from postern.batch.plan import Shard
from postern.contract.errors import PosternError
from pydantic import ValidationError
from tqdm import tqdm

CONTINUES: Final = "the same command with --resume continues"
SPEAK: Final = "--speak-with-ray"


def main() -> int:
    """0; 2 if rows could not be judged or the job failed; 130 after Ctrl-C."""
    if sys.argv[1:] == [SPEAK]:
        return speak_with_ray(open_worker)
    arguments = parser().parse_args()
    asked = Asked(
        inputs=arguments.input,
        output=arguments.output,
        prompt=arguments.prompt_column,
        response=arguments.response_column,
        prefix=arguments.column_prefix,
        keep=tuple(arguments.keep),
        operating_point=arguments.operating_point,
        threshold=arguments.threshold,
        shard_records=arguments.shard_rows,
        resume=arguments.resume,
    )
    # One core for each session. Ray counts cores, and runs as many sessions as there are.
    settings: dict[str, Any] = {"workers": 1, "intra_op_threads": 1}
    if arguments.artifact is not None:
        settings["artifact"] = str(arguments.artifact.absolute())
    signal.signal(signal.SIGTERM, _interrupt)
    with tqdm(
        unit=" rows", disable=None if arguments.progress is None else not arguments.progress
    ) as bar:

        def show(done: int, of: int, errors: int) -> None:
            if bar.total is None:
                bar.total, bar.initial = of, done
                bar.n = done
            bar.set_postfix_str(f"{errors} errors", refresh=False)
            bar.update(done - bar.n)

        engine = RayScorer(arguments.output / "ray.log", arguments.address, arguments.workers)
        try:
            manifest = run_job(asked, engine, settings=settings, show=show)
        except PosternError as exc:
            bar.close()
            return _complain(str(exc), 2)
        except KeyboardInterrupt:
            bar.close()
            return _complain(f"interrupted; {CONTINUES}", 130)
    with contextlib.suppress(FileNotFoundError):
        (arguments.output / "ray.log").unlink()
    if manifest.errors:
        return _complain(f"{manifest.errors} rows could not be judged", 2)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Judge files with Ray Data.")
    add = made.add_argument
    add("input", nargs="+", type=Path, help="files, or folders of files, all of one form")
    add("--output", required=True, type=Path, help="folder for the verdicts")
    add("--resume", action="store_true", help="continue a job; begin if there is none")
    add("--address", help="of a Ray cluster; without it, Ray is started on this machine")
    add("--workers", type=_positive, help="sessions, each on one core; default: all cores")
    add("--shard-rows", type=_positive, default=5000, help="rows of one shard; default 5000")
    add("--prompt-column", default="prompt", help="default prompt")
    add("--response-column", help="default response, if there is one")
    add("--column-prefix", default="", help="stands before the names of the verdict's columns")
    add("--keep", action="append", default=[], metavar="COLUMN", help="copy it to the output")
    add("--artifact", type=Path, help="folder of the student; default: the one that ships")
    add("--operating-point", help="name of an operating point of the artifact")
    add("--threshold", type=float, help="probability from which a verdict is harmful, 0 to 1")
    add(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show it on standard error; default: if that is a terminal",
    )
    return made


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _complain(text: str, code: int) -> int:
    print(f"score.py: {text}", file=sys.stderr)
    return code


class RayScorer:
    """An engine of `run_job`: shards to sessions on Ray, and back what became of each."""

    def __init__(self, log: Path, address: str | None, workers: int | None) -> None:
        command = [sys.executable, os.path.abspath(__file__), SPEAK]
        cluster = Cluster(address=address, sessions=workers)
        self._log = log
        self._engine = RayEngine(command, cluster, log=log, continues=CONTINUES)

    def __call__(self, work: Work, shards: Sequence[Shard]) -> Iterator[Done]:
        """Raises EngineEnded."""
        items = [one.model_dump_json() for one in shards]
        with closing(self._engine.answers(work.model_dump(), items)) as answers:
            for found in answers:
                try:
                    yield Done.model_validate(found)
                except ValidationError:
                    raise EngineEnded(
                        f"Ray's process said something else (see {self._log})"
                    ) from None


def open_worker(work: Mapping[str, Any]) -> Answers:
    """A session, which judges one shard after the other. Raises what `Worker` raises."""
    worker = Worker(Work.model_validate(work))
    return lambda shard: worker.judge(Shard.model_validate_json(shard)).model_dump_json()


if __name__ == "__main__":
    sys.exit(main())
