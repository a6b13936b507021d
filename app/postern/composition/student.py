"""Settings -> the student, verified and warmed up, and the students that act as its teacher."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from postern.composition.teacher import warn_of_another
from postern.contract.artifact import Artifact, Manifest, read_artifact
from postern.contract.categories import CategoryHead
from postern.contract.certificate import Certificate
from postern.contract.columns import LOGITS_ALONE, Columns, columns_of
from postern.contract.errors import ArtifactInvalid, SettingsInvalid
from postern.inference.cost_model import CostModel
from postern.inference.engine import Engine, Runtime, engine_for, runtimes_for, usable_cores
from postern.inference.openvino_session import OpenVinoSession, is_installed
from postern.inference.processor import multiplies_int8_in_512_bits
from postern.inference.session import Device, OnnxSession, Session
from postern.inference.tokenizer import Tokenizer
from postern.inference.warm_up import (
    OTHER_ENGINE,
    SAME_ENGINE,
    check_self_test,
    measured_cost,
    warm_up,
)
from postern.logs import log
from postern.settings.settings import Settings
from postern.teacher.local import Member, made_in_the_lane


@dataclass(frozen=True)
class Student:
    """A loaded, warmed-up artifact, without the bytes of its files, which nothing needs any more.

    columns: of the session's output for each window.
    """

    artifact: Artifact
    tokenizer: Tokenizer
    session: Session
    cost: CostModel
    columns: Columns = LOGITS_ALONE
    alone: Session | None = None
    """Has the threads of all workers, for a batch that runs while no other does."""
    categories: CategoryHead | None = None
    """The artifact's, with the thresholds from the settings."""
    further: tuple[Student, ...] = ()
    """Students for other languages."""
    engine: Runtime = "onnxruntime"
    """What runs its sessions."""

    @property
    def name(self) -> str:
        """Name and version, as `name/version`."""
        return f"{self.artifact.manifest.name}/{self.artifact.manifest.version}"


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

    def onnx(self, threads: int, *, device: Device, columns: Columns = LOGITS_ALONE) -> OnnxSession:
        """Open a session. Raises ArtifactInvalid if the graph cannot run or fails the self-test."""
        session = OnnxSession(
            self.artifact.model,
            pad_id=self.artifact.manifest.pad_id,
            intra_op_threads=threads,
            device=device,
            extra=columns.extra,
        )
        self._check(session, columns, SAME_ENGINE)
        return session

    def openvino(self, threads: int, *, concurrent: int, columns: Columns) -> OpenVinoSession:
        """Open a session. Raises ArtifactInvalid as above, SettingsInvalid without OpenVINO."""
        session = OpenVinoSession(
            self.artifact.model,
            pad_id=self.artifact.manifest.pad_id,
            intra_op_threads=threads,
            concurrent=concurrent,
            extra=columns.extra,
        )
        self._check(session, columns, OTHER_ENGINE)
        return session

    def _check(self, session: Session, columns: Columns, tolerance: float) -> None:
        logits = warm_up(self.tokenizer, session, columns=columns.count)
        check_self_test(self.artifact.manifest, logits, tolerance=tolerance)


def load_student(settings: Settings) -> Student:
    """Read, verify and warm up the artifact and those for other languages.

    Raises ArtifactInvalid, SettingsInvalid.
    """
    first = _loaded(_Opener(settings.engine.artifact), settings, is_first=True)
    known = set(first.artifact.manifest.languages)
    further: list[Student] = []
    for folder in settings.engine.language_artifacts:
        student = _loaded(_Opener(folder), settings, is_first=False)
        _check_beside(student, first, known)
        known |= set(student.artifact.manifest.languages)
        further.append(student)
    return replace(first, further=tuple(further))


def _check_beside(student: Student, first: Student, known: set[str]) -> None:
    """Raises SettingsInvalid if it would never be asked, or could not be asked as the first is."""
    manifest = student.artifact.manifest
    if set(manifest.languages) <= known:
        raise SettingsInvalid(
            f"language_artifacts: {student.name} reads no language that another student does not"
        )
    points = first.artifact.manifest.policy.operating_points
    lacking = sorted(set(points) - set(manifest.policy.operating_points))
    if lacking:
        raise SettingsInvalid(
            f"language_artifacts: {student.name} has no operating point {lacking[0]!r}, "
            f"which {first.name} has"
        )


def _loaded(opener: _Opener, settings: Settings, *, is_first: bool) -> Student:
    """Raises ArtifactInvalid, SettingsInvalid."""
    manifest = opener.artifact.manifest
    engine = engine_for(settings.engine, usable_cores())
    columns = columns_of(manifest)
    categories = effective_categories(settings, manifest) if is_first else manifest.categories

    runtime, session, alone = _sessions(opener, settings, engine, columns, is_first=is_first)
    cost = measured_cost(opener.tokenizer, session, max_batch_tokens=engine.max_batch_tokens)
    artifact = replace(opener.artifact, model=b"", tokenizer=b"")
    return Student(
        artifact, opener.tokenizer, session, cost, columns, alone, categories, engine=runtime
    )


def _sessions(
    opener: _Opener, settings: Settings, engine: Engine, columns: Columns, *, is_first: bool
) -> tuple[Runtime, Session, Session | None]:
    """What runs the student, its session for the workers, and the one for a batch alone.

    Raises ArtifactInvalid, SettingsInvalid.
    """

    def opened(runtime: Runtime, threads: int, concurrent: int) -> Session:
        if runtime == "openvino":
            return opener.openvino(threads, concurrent=concurrent, columns=columns)
        return opener.onnx(threads, device=settings.engine.device, columns=columns)

    def both(runtime: Runtime) -> tuple[Runtime, Session, Session | None]:
        session = opened(runtime, engine.threads, engine.workers)
        if engine.threads_alone == engine.threads:
            return runtime, session, None
        return runtime, session, opened(runtime, engine.threads_alone, 1)

    *better, last = runtimes_for(
        settings.engine,
        installed=is_installed(),
        wide=multiplies_int8_in_512_bits(),
        promised=opener.artifact.manifest.certificate is not None or settings.server.serve_artifact,
        is_first=is_first,
    )
    for runtime in better:
        try:
            return both(runtime)
        except (ArtifactInvalid, SettingsInvalid) as exc:
            # Nobody asked for this one, and the other is good for every graph.
            log("engine_passed_over", level=logging.WARNING, engine=runtime, reason=str(exc))
    return both(last)


def effective_categories(settings: Settings, manifest: Manifest) -> CategoryHead | None:
    """The artifact's categories with the thresholds from the settings. Raises SettingsInvalid."""
    head, thresholds = manifest.categories, settings.engine.category_thresholds
    if not thresholds:
        return head
    if head is None:
        raise SettingsInvalid("category_thresholds: the artifact has no categories")
    try:
        return head.moved_to(thresholds)
    except KeyError:
        raise SettingsInvalid(
            "category_thresholds: names a category that the artifact does not have; it has "
            + ", ".join(head.names)
        ) from None


def load_shadow(settings: Settings) -> Member | None:
    """Load the student that judges in the shadow, verified in the same way, or None.

    It has one thread of a CPU, so that priorities hold and its time can be told. Raises
    ArtifactInvalid.
    """
    folder = settings.trial.shadow_artifact
    if folder is None:
        return None
    (member,) = made_in_the_lane(lambda one: _member(one, 1, device="cpu"), [folder])
    return member


def _member(folder: Path, threads: int, *, device: Device) -> Member:
    opener = _Opener(folder)
    manifest = opener.artifact.manifest
    return Member(
        f"{manifest.name}/{manifest.version}",
        opener.artifact.sha256,
        manifest.policy,
        opener.tokenizer,
        opener.onnx(threads, device=device),
        frozenset(manifest.languages),
    )


def load_teachers(settings: Settings, certificate: Certificate | None) -> tuple[Member, ...]:
    """Load the students that act as teacher in this process, verified in the same way.

    Each gets all threads of the teacher, because its lane runs one batch at a time. Only the logits
    of a member are used. certificate: that of the student they teach. Raises ArtifactInvalid.
    """

    def load(folder: Path) -> Member:
        return _member(folder, settings.teacher.threads, device=settings.engine.device)

    members = made_in_the_lane(load, settings.teacher.artifacts)
    warn_of_another(members, certificate)
    return members
