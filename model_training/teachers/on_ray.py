"""Classifiers that label on a Ray cluster: the same shards, and the same bits.

This process plans and keeps the answers; sessions on the cluster hold the weights. Answers to a
shard are kept when they come, whole, so a session, a machine or this process may end at any time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from postern.batch.on_ray import Cluster, EngineEnded, RayEngine
from pydantic import TypeAdapter, ValidationError

from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import ClassifierTeacher, EnsembleTeacher, TeacherConfig
from model_training.run.journal import Journal
from model_training.teachers.labellers import asked_of, open_classifiers
from model_training.teachers.llm import Call, Finished, Reply
from model_training.teachers.shards import planned, reads_of

CLONE: Final = Path(__file__).resolve().parents[2]
CONTINUES: Final = "the same command continues"
_PROBES: Final = 8
_LIBRARIES: Final = ("numpy", "onnxruntime", "scikit-learn", "tokenizers", "torch", "transformers")
_Classifiers: TypeAdapter[ClassifierTeacher | EnsembleTeacher] = TypeAdapter(
    ClassifierTeacher | EnsembleTeacher
)


class RayBackend:
    """Answers as `open_classifiers` does, from many machines.

    threads: of each session, which reserves as many cores. Raises RecipeInvalid if the teacher is
    of a kind that cannot run there.
    """

    def __init__(self, config: TeacherConfig, cluster: Cluster, *, threads: int, log: Path) -> None:
        self._config = _classifiers(config)
        self._asked = asked_of(config)
        self._threads = threads
        self._log = log
        self._engine = RayEngine(
            [sys.executable, "-m", "model_training.teachers.ray_process"],
            cluster,
            log=log,
            continues=CONTINUES,
            folder=CLONE,
        )

    @property
    def asked(self) -> str:
        return self._asked

    def require_continuation(self, journal: Journal) -> None:
        raise RecipeInvalid("a classifier writes no text")

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        """Pass on a shard's replies at a time. Raises EngineEnded, OSError."""
        plan = planned(calls, reads_of(self._config))
        left = {number: {call.key for call in shard} for number, shard in enumerate(plan.shards)}
        if left:
            every = [call for shard in plan.shards for call in shard]
            probes = every[:: -(-len(every) // _PROBES)]
            items = [_item(number, shard) for number, shard in enumerate(plan.shards)]
            numbers: Any = None
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._engine.answers(self._work(probes), items)) as answers:
                for found in answers:
                    shard, replies, probed = self._read(found)
                    numbers = numbers or probed
                    if probed != numbers:
                        raise EngineEnded(
                            "two workers compute different soft labels; use machines of one kind"
                        )
                    if shard not in left:
                        continue  # Ray asked twice
                    if replies.keys() != left.pop(shard):
                        raise self._nonsense()
                    finished(replies)
        if left:
            raise EngineEnded(f"{len(left)} shards were not labelled; {CONTINUES}")
        if plan.refused:
            finished(plan.refused)
        self._log.unlink(missing_ok=True)

    def _work(self, probes: Sequence[Call]) -> dict[str, Any]:
        return {
            "teacher": _plain(self._config),
            "asked": self._asked,
            "threads": self._threads,
            "versions": _libraries(),
            "probes": [call.model_dump() for call in probes],
        }

    def _read(self, found: Mapping[str, Any]) -> tuple[int, dict[str, Reply], Any]:
        try:
            replies = {key: Reply.model_validate(one) for key, one in found["replies"].items()}
            return int(found["shard"]), replies, found["probes"]
        except (KeyError, TypeError, ValueError, AttributeError, ValidationError):
            raise self._nonsense() from None

    def _nonsense(self) -> EngineEnded:
        return EngineEnded(f"Ray's process said something else (see {self._log})")


class Labeller:
    """A session: the weights, on any machine that has them. Raises RecipeInvalid, EngineEnded."""

    def __init__(self, work: Mapping[str, Any]) -> None:
        here, wanted = _libraries(), work["versions"]
        other = sorted(name for name in wanted if here.get(name) != wanted[name])
        if other:
            raise EngineEnded(f"a worker has another version of {', '.join(other)}")
        config = _Classifiers.validate_python(work["teacher"])
        self._backend = open_classifiers(config, threads=work["threads"])
        if self._backend.asked != work["asked"]:
            raise EngineEnded("a worker has other weights of the teacher")
        self._probes = _replies(self._backend, [Call(**one) for one in work["probes"]])

    def answers(self, item: str) -> str:
        """The replies to the calls of a shard."""
        asked = json.loads(item)
        replies = _replies(self._backend, [Call(**one) for one in asked["calls"]])
        return json.dumps({"shard": asked["shard"], "replies": replies, "probes": self._probes})


def _item(number: int, shard: Sequence[Call]) -> str:
    return json.dumps({"shard": number, "calls": [call.model_dump() for call in shard]})


def _replies(backend: Any, calls: Sequence[Call]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    backend.answer(
        calls,
        lambda replies: found.update(
            {key: one.model_dump(exclude_defaults=True) for key, one in replies.items()}
        ),
    )
    return found


def _classifiers(config: TeacherConfig) -> ClassifierTeacher | EnsembleTeacher:
    if isinstance(config, ClassifierTeacher | EnsembleTeacher):
        return config
    why = (
        "forms its batches from all texts at once"
        if config.kind == "local"
        else "is asked over HTTP, and its server does the work"
    )
    raise RecipeInvalid(
        f"label.teacher: a teacher of kind {config.kind!r} {why}; use --engine local"
    )


def _plain(config: ClassifierTeacher | EnsembleTeacher) -> dict[str, Any]:
    """All fields, folders whole: a published recipe would hide where they are."""
    fields = {name: getattr(config, name) for name in type(config).model_fields}
    if isinstance(config, ClassifierTeacher):
        return fields | {"folders": [_absolute(one) for one in config.folders]}
    return fields | {"folder": None if config.folder is None else _absolute(config.folder)}


def _absolute(name: str) -> str:
    """A hub id stays what it is."""
    return str(Path(name).absolute()) if Path(name).is_dir() else name


def _libraries() -> dict[str, str]:
    """What computes soft labels: other versions may round otherwise."""
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
