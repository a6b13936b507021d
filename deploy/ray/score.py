"""Judges Parquet, JSON Lines or CSV with Ray Data, on one machine or a cluster.

    python deploy/ray/score.py chats/*.parquet --output verdicts/ --resume

Needs `pip install postern pyarrow "ray[data]"`, on every machine of a cluster. All of them must see
the input and the output under the same path. The output is a folder of Parquet files, one for each
shard, and `manifest.json`. The guide *Judge billions of rows with Ray* has the rest.

This process plans, commits and reports. It starts itself once more to speak with Ray: when a
cluster goes away, Ray ends the process that spoke with it, without an exception.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from postern.batch.job import Asked, EngineEnded, Work, Worker, run_job
from postern.batch.part import Done
from postern.batch.plan import Shard
from postern.contract.errors import PosternError
from pydantic import ValidationError
from tqdm import tqdm

CONTINUES = "the same command with --resume continues"
_ENDS_WITHIN_S = 20.0


def main() -> int:
    """0; 2 if rows could not be judged or the job failed; 130 after Ctrl-C."""
    if sys.argv[1:] == ["--speak-with-ray"]:
        return speak_with_ray()
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

        engine = RayEngine(arguments.output / "ray.log", arguments.address, arguments.workers)
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


class RayEngine:
    """Asks a process of its own, which speaks with Ray. What Ray says goes to a log file."""

    def __init__(self, log: Path, address: str | None, workers: int | None) -> None:
        self._log = log
        self._start = {"address": address, "workers": workers}

    def __call__(self, work: Work, shards: Sequence[Shard]) -> Iterator[Done]:
        """Raises EngineEnded."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, os.path.abspath(__file__), "--speak-with-ray"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this process alone
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            asked = self._start | {"work": work.model_dump(), "shards": len(shards)}
            with contextlib.suppress(BrokenPipeError):  # it ended, and says why below
                process.stdin.write(json.dumps(asked).encode() + b"\n")
                for shard in shards:
                    process.stdin.write(shard.model_dump_json().encode() + b"\n")
                process.stdin.flush()
            for line in process.stdout:
                yield self._read(line)
            if process.wait() != 0:
                raise EngineEnded(f"Ray or its cluster went away (see {self._log}); {CONTINUES}")
        finally:
            self._end(process)

    def _read(self, line: bytes) -> Done:
        try:
            found = json.loads(line)
            if "failure" in found:
                raise EngineEnded(str(found["failure"]))
            return Done.model_validate(found)
        except (ValueError, ValidationError):
            raise EngineEnded(f"Ray's process said something else (see {self._log})") from None

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """It stops Ray when nobody listens any more."""
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        try:
            process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- the process that speaks with Ray -----------------------------------------------------------


class Session:
    """An actor of the pool: one session, which judges one shard after the other."""

    def __init__(self, work: Mapping[str, Any]) -> None:
        # An exception here would make Ray try again for ever.
        self._failure: str | None = None
        try:
            self._worker = Worker(Work.model_validate(work))
        except PosternError as exc:
            self._failure = str(exc)

    def __call__(self, batch: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """A batch of one shard -> what became of it."""
        (shard,) = batch["shard"]
        if self._failure is not None:
            return {"said": [json.dumps({"failure": self._failure})]}
        try:
            done = self._worker.judge(Shard.model_validate_json(str(shard)))
        except PosternError as exc:
            return {"said": [json.dumps({"failure": str(exc)})]}
        return {"said": [done.model_dump_json()]}


def speak_with_ray() -> int:
    """Read the work from standard input; write what became of each shard to standard output."""
    # Ray, too, prints to standard output.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.buffer.readline())
    shards = [sys.stdin.buffer.readline().decode() for _ in range(asked["shards"])]
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        for line in _judged(asked, shards):
            print(line, file=answers, flush=True)
    except BrokenPipeError:
        return 1
    return 0


def _end_with_the_parent() -> None:
    while os.read(0, 1):  # not through a buffer, whose lock would outlive this thread
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _judged(asked: Mapping[str, Any], shards: Sequence[str]) -> Iterator[str]:
    try:
        import ray
        import ray.data
    except ImportError:
        yield json.dumps({"failure": 'Ray is missing: pip install "ray[data]"'})
        return
    ray.init(
        address=asked["address"] or "local",
        include_dashboard=None if asked["address"] else False,
        num_cpus=None if asked["address"] else asked["workers"],
        log_to_driver=False,
        logging_level="WARNING",
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel("WARNING")
    workers = asked["workers"] or max(1, int(ray.cluster_resources()["CPU"]))
    workers = min(workers, len(shards))
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers)
    items = ray.data.from_items([{"shard": one} for one in shards], override_num_blocks=len(shards))
    judged = items.map_batches(
        Session,
        fn_constructor_args=(asked["work"],),
        batch_size=1,
        batch_format="numpy",
        compute=pool,
        num_cpus=1,
    )
    for row in judged.iter_rows():
        yield row["said"]
    ray.shutdown()


if __name__ == "__main__":
    sys.exit(main())
