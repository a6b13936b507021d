"""The output folder of a job: which shards are done, and the manifest at the end.

One process owns it. Workers write files into `attempts/` and nothing else; only the owner makes one
of them part of the output, by a rename, and then notes it. So a shard that two workers judged, as
when a lost node comes back, is in the output once.

    out/
    ├── part-000000.parquet …   verdicts, one file for each shard
    ├── manifest.json           when everything is done: the model, hashes, counts
    ├── progress.jsonl          until then: the job, and a line for each part
    └── attempts/               until then: what is not yet part of the output
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from postern.backlog.output import OutputInvalid, write_some
from postern.batch.part import Done
from postern.batch.plan import Count, Frozen, Input, Plan, Shard

PROGRESS: Final = "progress.jsonl"
MANIFEST: Final = "manifest.json"
ATTEMPTS: Final = "attempts"


class Part(Frozen):
    """A file of the output. row: the number of the first record of the shard in its input."""

    shard: Count
    file: str
    input: str
    row: Count
    rows: Count
    errors: Count
    bytes: Count
    sha256: str


class Head(Frozen):
    """What must be the same to continue. plan: hash of all shards."""

    job: dict[str, Any]
    plan: str


class Manifest(Frozen):
    """Names the input, the model and the output of a job.

    model: name, version and hash of the artifact.
    """

    model: dict[str, str]
    job: dict[str, Any]
    inputs: tuple[Input, ...]
    parts: tuple[Part, ...]
    rows: Count
    errors: Count


class Ledger:
    """Open it for one run. Raises OutputInvalid."""

    def __init__(self, folder: Path, job: dict[str, Any], plan: Plan, *, resume: bool) -> None:
        self._folder = folder
        self._plan = plan
        job = json.loads(json.dumps(job))  # as it will be read
        content = json.dumps([one.model_dump(exclude={"path"}) for one in plan.shards])
        self._head = Head(job=job, plan=hashlib.sha256(content.encode()).hexdigest())
        self._parts: dict[int, Part] = {}
        self._file: FileIO | None = None
        self.manifest: Manifest | None = None
        """If everything is done."""
        try:
            with self._explained():
                self._open(resume=resume)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def check_free(folder: Path, *, resume: bool) -> None:
        """Raises OutputInvalid if a job cannot begin or continue there, before any work."""
        if folder.exists() and not folder.is_dir():
            raise OutputInvalid(f"{folder}: is no folder")
        if not resume and folder.is_dir() and any(folder.iterdir()):
            raise OutputInvalid(f"{folder}: is not empty; --resume continues a job")

    @property
    def attempts(self) -> Path:
        """Where workers write."""
        return self._folder / ATTEMPTS

    @property
    def left(self) -> list[Shard]:
        """Shards that are not done, in order."""
        return [one for one in self._plan.shards if one.index not in self._parts]

    @property
    def done(self) -> list[Part]:
        return [self._parts[index] for index in sorted(self._parts)]

    def commit(self, done: Done) -> bool:
        """Make an attempt part of the output. False if the shard was done already.

        Raises OutputInvalid.
        """
        attempt = self.attempts / done.attempt
        with self._explained():
            if done.shard in self._parts:
                if done.attempt:
                    attempt.unlink(missing_ok=True)
                return False
            shard = self._plan.shards[done.shard]
            name = f"part-{shard.index:06d}.parquet" if done.attempt else ""
            if name:
                attempt.rename(self._folder / name)
                _sync(self._folder)
            part = Part(
                shard=shard.index,
                file=name,
                input=shard.file,
                row=shard.before + 1,
                rows=done.rows,
                errors=done.errors,
                bytes=done.bytes,
                sha256=done.sha256,
            )
            self._append(part.model_dump_json())
            self._parts[shard.index] = part
            return True

    def finish(self, model: dict[str, str]) -> Manifest:
        """Write the manifest, then remove what was only for continuing. Raises OutputInvalid."""
        parts = tuple(part for part in self.done if part.file)
        manifest = Manifest(
            model=model,
            job=self._head.job,
            inputs=self._plan.inputs,
            parts=parts,
            rows=sum(part.rows for part in parts),
            errors=sum(part.errors for part in parts),
        )
        with self._explained():
            beside = self._folder / f"{MANIFEST}.new"
            with beside.open("wb") as file:
                file.write(manifest.model_dump_json(indent=2).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            beside.rename(self._folder / MANIFEST)
            _sync(self._folder)
            shutil.rmtree(self.attempts)
            (self._folder / PROGRESS).unlink()
        self.manifest = manifest
        return manifest

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self, *, resume: bool) -> None:
        self.check_free(self._folder, resume=resume)
        if resume and (self._folder / MANIFEST).exists():
            self.manifest = self._finished()
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        progress = self._folder / PROGRESS
        if not progress.exists() and any(self._folder.glob("part-*")):
            raise OutputInvalid(f"{self._folder}: is of another program: it has no {PROGRESS}")
        number = os.open(progress, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        file = self._file = FileIO(number, "a+b")
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputInvalid(f"{self._folder}: another run is writing it") from None
        shutil.rmtree(self.attempts, ignore_errors=True)  # of workers that are gone
        self.attempts.mkdir()
        file.seek(0)
        content = file.readall() or b""
        whole = content.rfind(b"\n") + 1  # a kill may cut the last line
        file.truncate(whole)
        lines = content[:whole].splitlines()
        if not lines:
            self._append(self._head.model_dump_json())
        else:
            self._continue(lines)

    def _continue(self, lines: list[bytes]) -> None:
        try:
            head = Head.model_validate_json(lines[0])
            parts = [Part.model_validate_json(line) for line in lines[1:]]
        except ValidationError:
            raise OutputInvalid(f"{self._folder / PROGRESS}: cannot be read") from None
        self._must_be_same(head.job, head.plan)
        for part in parts:
            if part.file and not _is_whole(self._folder / part.file, part):
                raise OutputInvalid(
                    f"{self._folder / part.file}: was changed since the run stopped"
                )
            self._parts[part.shard] = part

    def _finished(self) -> Manifest:
        try:
            manifest = Manifest.model_validate_json((self._folder / MANIFEST).read_bytes())
        except ValidationError:
            raise OutputInvalid(f"{self._folder / MANIFEST}: cannot be read") from None
        same = self._head.plan if manifest.inputs == self._plan.inputs else ""
        self._must_be_same(manifest.job, same)
        return manifest

    def _must_be_same(self, job: dict[str, Any], plan: str) -> None:
        now = self._head.job
        other = sorted(name for name in {*now, *job} if now.get(name) != job.get(name))
        if plan != self._head.plan:
            other.append("input")
        if other:
            raise OutputInvalid(f"{self._folder}: was begun with another {', '.join(other)}")

    def _append(self, line: str) -> None:
        assert self._file is not None  # noqa: S101 - for the type checker
        left = bytearray(line.encode() + b"\n")
        while left:
            del left[: write_some(self._file, left)]
        os.fsync(self._file.fileno())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise OutputInvalid(
                f"{self._folder}: cannot be written ({exc.strerror or type(exc).__name__})"
            ) from exc


def _is_whole(path: Path, part: Part) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == part.sha256
    except FileNotFoundError:
        return False


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
