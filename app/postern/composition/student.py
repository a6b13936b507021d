"""Settings -> the student, verified and warmed up, and the students that act as its teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from postern.composition.teacher import extra_output, warn_of_another
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.certificate import Certificate
from postern.contract.value import VALUE_COLUMNS
from postern.inference.cost_model import CostModel
from postern.inference.engine import engine_for, usable_cores
from postern.inference.session import Device, OnnxSession, Session
from postern.inference.tokenizer import Tokenizer
from postern.inference.warm_up import check_self_test, measured_cost, warm_up
from postern.settings.settings import Settings
from postern.teacher.local import Member, made_in_the_lane

_LOGIT_COLUMNS: Final = 2


@dataclass(frozen=True)
class Student:
    """A loaded, warmed-up artifact. columns: output columns of the session for each window."""

    artifact: Artifact
    tokenizer: Tokenizer
    session: Session
    cost: CostModel
    columns: int = _LOGIT_COLUMNS
    alone: Session | None = None
    """Has the threads of all workers, for a batch that runs while no other does."""


class _Opener:
    """Opens sessions on one verified artifact, each warmed up and self-tested."""

    def __init__(self, folder: Path) -> None:
        """Raises ArtifactInvalid."""
        self.artifact = read_artifact(folder)
        manifest = self.artifact.manifest
        self.tokenizer = Tokenizer(
            self.artifact.tokenizer,
            window_tokens=manifest.window_tokens,
            overlap_tokens=manifest.overlap_tokens,
        )

    def session(
        self,
        threads: int,
        *,
        device: Device,
        extra: str | None = None,
        columns: int = _LOGIT_COLUMNS,
    ) -> OnnxSession:
        """Open a session. Raises ArtifactInvalid if the graph cannot run or fails the self-test."""
        manifest = self.artifact.manifest
        session = OnnxSession(
            self.artifact.model,
            pad_id=manifest.pad_id,
            intra_op_threads=threads,
            device=device,
            extra=extra,
        )
        check_self_test(manifest, warm_up(self.tokenizer, session, columns=columns))
        return session


def load_student(settings: Settings) -> Student:
    """Read, verify and warm up the artifact. Raises ArtifactInvalid, SettingsInvalid."""
    opener = _Opener(settings.engine.artifact)
    engine = engine_for(settings.engine, usable_cores())
    extra = extra_output(settings, opener.artifact.manifest.policy)
    columns = _LOGIT_COLUMNS if extra is None else _LOGIT_COLUMNS + VALUE_COLUMNS

    def opened(threads: int) -> OnnxSession:
        return opener.session(threads, device=settings.engine.device, extra=extra, columns=columns)

    session = opened(engine.threads)
    alone = opened(engine.threads_alone) if engine.threads_alone != engine.threads else None
    cost = measured_cost(opener.tokenizer, session, max_batch_tokens=engine.max_batch_tokens)
    return Student(opener.artifact, opener.tokenizer, session, cost, columns, alone)


def load_teachers(settings: Settings, certificate: Certificate | None) -> tuple[Member, ...]:
    """Load the students that act as teacher in this process, verified in the same way.

    Each gets all threads of the teacher, because its lane runs one batch at a time. Only the logits
    of a member are used. certificate: that of the student they teach. Raises ArtifactInvalid.
    """

    def load(folder: Path) -> Member:
        opener = _Opener(folder)
        manifest = opener.artifact.manifest
        return Member(
            f"{manifest.name}/{manifest.version}",
            opener.artifact.sha256,
            manifest.policy,
            opener.tokenizer,
            opener.session(settings.teacher.threads, device=settings.engine.device),
        )

    members = made_in_the_lane(load, settings.teacher.artifacts)
    warn_of_another(members, certificate)
    return members
