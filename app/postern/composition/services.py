"""Settings and a loaded student -> everything that the endpoints need. Nothing runs yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from postern import __version__
from postern.clock import now
from postern.composition import chat_guard, feedback, shadow, teacher
from postern.composition.student import Student, load_teachers
from postern.contract.audit import GUARDING, Outcome
from postern.contract.certificate import Certificate
from postern.contract.decision import Policy
from postern.contract.moderation import Identity
from postern.contract.text import segments
from postern.endpoints.classify_reply import ModelOut
from postern.endpoints.info import LanguageModelOut, info_reply
from postern.endpoints.services import Services
from postern.http.request import Keys
from postern.inference.batcher import Batcher, BatchLimits
from postern.inference.engine import engine_for, usable_cores
from postern.inference.entries import Model
from postern.inference.health import Health
from postern.inference.warm_up import SELF_TEST
from postern.judging.drift import Drift
from postern.judging.pipeline import OnJudged, Pipeline
from postern.judging.score_cache import ScoreCache
from postern.judging.scorer import InputLimits, Score, worth_keeping
from postern.judging.students import Serving
from postern.languages.reader import LanguageReader
from postern.metrics import Metrics
from postern.settings.settings import Settings
from postern.teacher.courtesy import Courtesy
from postern.teacher.desk import TeacherDesk
from postern.teacher.elsewhere import asked_teacher
from postern.teacher.local import Member


def build_services(
    settings: Settings, student: Student, *, on_trial: Member | None = None
) -> tuple[Services, Batcher]:
    """Put the parts together. on_trial: the student that judges in the shadow.

    Raises SettingsInvalid, and ArtifactInvalid for teachers.
    """
    artifact, metrics = student.artifact, Metrics()
    manifest = artifact.manifest
    identity = Identity(manifest.name, manifest.version, artifact.sha256)
    for each in (student, *student.further):
        served = each.artifact.manifest
        metrics.model_info.labels(served.name, served.version, each.artifact.sha256).set(1)
    courtesy = Courtesy(settings.teacher.beside_share, clock=now)
    courtesy_of_shadow = shadow.courtesy()
    batcher = _batcher(settings, student, metrics, (courtesy, courtesy_of_shadow))
    desk = _desk(settings, manifest.certificate, metrics, courtesy)
    policy = teacher.effective_policy(settings, manifest.policy)
    tried = shadow.build(settings, on_trial, policy, metrics=metrics, courtesy=courtesy_of_shadow)
    on_judged = None if tried is None else tried.offer
    pipeline = _pipeline(settings, student, batcher, policy, desk, metrics, on_judged=on_judged)
    guard = chat_guard.build(
        settings, pipeline, judged_by=f"{identity.name}/{identity.version}", metrics=metrics
    )
    _show_modes(settings, metrics)
    services = Services(
        settings=settings,
        pipeline=pipeline,
        health=Health(
            batcher,
            student.tokenizer.encode(segments(SELF_TEST[0])),
            stall_s=settings.server.stall_timeout_ms / 1000.0,
            clock=now,
        ),
        metrics=metrics,
        identity=identity,
        info=info_reply(
            manifest,
            identity=identity,
            engine=student.engine,
            categories=student.categories,
            limits=_shown_limits(settings),
            on_unsupported_language=settings.engine.on_unsupported_language,
            teacher=teacher.described(settings, policy, desk),
            server_version=__version__,
            shadow=shadow.described(settings, on_trial),
            language_models=_language_models(student),
            modes={route: settings.trial.mode_of(route) for route in GUARDING},
            feedback=feedback.described(settings),
        ),
        categories=student.categories,
        keys=Keys.of(settings.access.accepted_keys()),
        chat_guard=guard,
        shadow=tried,
        chat_audit=chat_guard.build_audit(settings, guard, metrics=metrics),
        feedback=feedback.build(settings, identity, metrics),
    )
    return services, batcher


def _show_modes(settings: Settings, metrics: Metrics) -> None:
    for route in GUARDING:
        audits = settings.trial.mode_of(route) == "audit"
        metrics.mode_state.labels(route).set(audits)
        for outcome in get_args(Outcome) if audits else ():
            metrics.audited.labels(route, outcome)  # from 0 on


def _batcher(
    settings: Settings, student: Student, metrics: Metrics, courtesies: Sequence[Courtesy]
) -> Batcher:
    """courtesies: of those that give way to the student."""

    def student_works(works: bool) -> None:
        for one in courtesies:
            one.student_works(works)

    engine = engine_for(settings.engine, usable_cores())
    return Batcher(
        student.session.run,
        run_alone=student.alone.run if student.alone else None,
        limits=BatchLimits(
            engine.max_batch_tokens, settings.engine.max_queue_tokens, engine.shares, ahead=1
        ),
        workers=engine.workers,
        metrics=metrics,
        clock=now,
        cost=student.cost,
        on_work=student_works,
        columns=student.columns.count,
        further=[
            Model(
                each.session.run,
                (each.alone or each.session).run,
                each.cost,
                each.columns.count,
            )
            for each in student.further
        ],
    )


def _desk(
    settings: Settings, certificate: Certificate | None, metrics: Metrics, courtesy: Courtesy
) -> TeacherDesk | None:
    desk = teacher.build_desk(
        settings, lambda: load_teachers(settings, certificate), metrics, courtesy
    )
    if settings.teacher.url is not None:
        teacher.warn_of_another(asked_teacher(settings.teacher), certificate)
    return desk


def _pipeline(
    settings: Settings,
    student: Student,
    batcher: Batcher,
    policy: Policy,
    desk: TeacherDesk | None,
    metrics: Metrics,
    *,
    on_judged: OnJudged | None,
) -> Pipeline:
    limits = settings.limits
    drift = Drift(student.artifact.manifest.probability_reference, clock=now)
    metrics.watch_drift(drift.watched, drift.index)
    cache: ScoreCache[Score] | None = None
    if settings.engine.cache_entries:
        cache = ScoreCache(
            entries=settings.engine.cache_entries,
            artifact_sha256="".join(one.artifact.sha256 for one in (student, *student.further)),
            metrics=metrics,
            kept=worth_keeping,
        )
    students = [
        _serving(student, policy),
        *(
            _serving(each, teacher.effective_policy(settings, each.artifact.manifest.policy))
            for each in student.further
        ),
    ]
    return Pipeline(
        students=students,
        batcher=batcher,
        limits=InputLimits(
            limits.max_items,
            limits.max_exchange_chars,
            limits.max_exchange_tokens,
            limits.max_body_bytes,
        ),
        metrics=metrics,
        cascade=teacher.build_cascade(settings, policy, desk, metrics),
        triggers=settings.teacher.triggers,
        drift=drift,
        clock=now,
        cache=cache,
        languages=LanguageReader(
            students[0].languages, further=frozenset().union(*(one.languages for one in students))
        ),
        on_judged=on_judged,
    )


def _language_models(first: Student) -> list[LanguageModelOut]:
    known = set(first.artifact.manifest.languages)
    found = []
    for student in first.further:
        languages = student.artifact.manifest.languages
        found.append(_language_model(student, [one for one in languages if one not in known]))
        known |= set(languages)
    return found


def _language_model(student: Student, reads: list[str]) -> LanguageModelOut:
    manifest = student.artifact.manifest
    return LanguageModelOut(
        model=ModelOut(
            name=manifest.name, version=manifest.version, sha256=student.artifact.sha256
        ),
        languages=list(manifest.languages),
        reads=reads,
        operating_points=manifest.policy.model_dump(mode="json")["operating_points"],
        engine=student.engine,
    )


def _serving(student: Student, policy: Policy) -> Serving:
    return Serving(
        student.name,
        policy,
        student.tokenizer,
        frozenset(student.artifact.manifest.languages),
        student.columns,
        student.categories,
    )


def _shown_limits(settings: Settings) -> dict[str, int]:
    """The limits that `/info` shows."""
    limits = settings.limits
    return {
        "max_body_bytes": limits.max_body_bytes,
        "max_items": limits.max_items,
        "max_exchange_chars": limits.max_exchange_chars,
        "max_exchange_tokens": limits.max_exchange_tokens,
        "request_timeout_ms": limits.request_timeout_ms,
    }
