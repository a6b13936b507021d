"""Work on a Ray cluster: one process plans and commits, and another one speaks with Ray.

When a cluster goes away, Ray ends the process that spoke with it, without an exception. So a script
starts itself once more, and that process answers line by line. It needs `ray[data]`; nothing else
here does.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from postern.contract.errors import PosternError

_ENDS_WITHIN_S: Final = 20.0

Answers = Callable[[str], str]
"""What a session says of an item: a JSON object."""
Opens = Callable[[Mapping[str, Any]], Answers]
"""Opens a session for some work. It may raise PosternError."""


class EngineEnded(PosternError):
    """The engine ended before everything was judged."""


@dataclass(frozen=True)
class Cluster:
    """Where sessions run. address: of a cluster; without it, Ray is started on this machine.

    sessions: at most so many; None: as many as there is room for. cores: of each session. gpu:
    whether a session takes a GPU, if the cluster has any.
    """

    address: str | None = None
    sessions: int | None = None
    cores: int = 1
    gpu: bool = False


class RayEngine:
    """Asks a process of its own, which speaks with Ray. What Ray says goes to a log file.

    command: starts a process that calls `speak_with_ray`. folder: where it starts; workers import
    from there, too. continues: how a person goes on after a failure.
    """

    def __init__(
        self,
        command: Sequence[str],
        cluster: Cluster,
        *,
        log: Path,
        continues: str,
        folder: Path | None = None,
    ) -> None:
        self._command, self._cluster = list(command), cluster
        self._log, self._continues, self._folder = log, continues, folder

    def answers(
        self, work: Mapping[str, Any], items: Sequence[str]
    ) -> Generator[dict[str, Any], None, None]:
        """What sessions say of the items, in any order. Raises EngineEnded.

        work: what `Opens` gets; JSON. items: without line breaks.
        """
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - the script that asks, once more
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C is for this process alone
            )
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101
        try:
            asked = {"cluster": asdict(self._cluster), "work": work, "items": len(items)}
            with contextlib.suppress(BrokenPipeError):  # it ended, and says why below
                process.stdin.write(json.dumps(asked).encode() + b"\n")
                for item in items:
                    process.stdin.write(item.encode() + b"\n")
                process.stdin.flush()
            for line in process.stdout:
                yield self._read(line)
            if process.wait() != 0:
                raise EngineEnded(
                    f"Ray or its cluster went away (see {self._log}); {self._continues}"
                )
        finally:
            self._end(process)

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise EngineEnded(f"Ray's process said something else (see {self._log})")
        if "failure" in found:
            raise EngineEnded(str(found["failure"]))
        return found

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
    """An actor of the pool, which answers one item after the other."""

    def __init__(self, opens: Opens, work: Mapping[str, Any]) -> None:
        # An exception here would make Ray try again for ever.
        self._failure: str | None = None
        try:
            self._answers = opens(work)
        except PosternError as exc:
            self._failure = str(exc)
        except ModuleNotFoundError as exc:
            self._failure = f"a worker lacks the package {exc.name!r}"

    def __call__(self, batch: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """A batch of one item -> what is said of it."""
        (item,) = batch["item"]
        if self._failure is not None:
            return {"said": [_failure(self._failure)]}
        try:
            return {"said": [self._answers(str(item))]}
        except PosternError as exc:
            return {"said": [_failure(str(exc))]}


def speak_with_ray(opens: Opens) -> int:
    """Read work and items from standard input; write what is said of each to standard output.

    opens: of the script that was started, so Ray sends it to the workers whole.
    """
    # Ray, too, prints to standard output.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.buffer.readline())
    items = [sys.stdin.buffer.readline().decode() for _ in range(asked["items"])]
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        for line in _answered(Cluster(**asked["cluster"]), opens, asked["work"], items):
            print(line, file=answers, flush=True)
    except BrokenPipeError:
        return 1
    return 0


def _end_with_the_parent() -> None:
    while os.read(0, 1):  # not through a buffer, whose lock would outlive this thread
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _answered(
    cluster: Cluster, opens: Opens, work: Mapping[str, Any], items: Sequence[str]
) -> Iterator[str]:
    try:
        import ray
        import ray.data
    except ImportError:
        yield _failure('Ray is missing: pip install "ray[data]"')
        return
    local = cluster.address is None
    ray.init(
        address=cluster.address or "local",
        include_dashboard=False if local else None,
        num_cpus=cluster.sessions * cluster.cores if local and cluster.sessions else None,
        log_to_driver=False,
        logging_level="WARNING",
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel("WARNING")
    machines = [one["Resources"] for one in ray.nodes() if one["Alive"]]
    gpus = int(sum(one.get("GPU", 0) for one in machines)) if cluster.gpu else 0
    room = sum(int(one.get("CPU", 0)) // cluster.cores for one in machines)
    if not room:  # Ray would wait for such a machine for ever
        yield _failure(f"no machine of the cluster has {cluster.cores} cores for a session")
        return
    sessions = min(cluster.sessions or room, gpus or room, len(items))
    judged = ray.data.from_items(
        [{"item": one} for one in items], override_num_blocks=len(items)
    ).map_batches(
        Session,
        fn_constructor_args=(opens, work),
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=sessions, initial_size=sessions),
        num_cpus=cluster.cores,
        num_gpus=1 if gpus else None,
    )
    for row in judged.iter_rows():
        yield row["said"]
    ray.shutdown()


def _failure(said: str) -> str:
    return json.dumps({"failure": said})
