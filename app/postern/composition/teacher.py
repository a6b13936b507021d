"""Settings -> the teacher's desk, and the cascade behind the student."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from postern.clock import now
from postern.contract.certificate import ArtifactId, AskedTeacher, Certificate
from postern.contract.decision import Policy
from postern.inference.batcher import BatchLimits
from postern.inference.engine import batch_tokens
from postern.judging.cascade import Cascade, CascadeRules
from postern.logs import log
from postern.metrics import Metrics
from postern.settings.settings import Settings
from postern.teacher.breaker import Breaker
from postern.teacher.courtesy import Courtesy
from postern.teacher.desk import DeskRules, TeacherDesk
from postern.teacher.elsewhere import build_remote
from postern.teacher.local import LocalTeacher, Member
from postern.teacher.opinion import Teacher
from postern.teacher.shares import NearestShare, RetryBudget, SlidingShare


def effective_policy(settings: Settings, policy: Policy) -> Policy:
    """The artifact's policy with the overrides from the settings."""
    if settings.teacher.on_failure is None:
        return policy
    return policy.model_copy(update={"on_teacher_failure": settings.teacher.on_failure})


def build_desk(
    settings: Settings,
    members: Callable[[], Sequence[Member]],
    metrics: Metrics,
    courtesy: Courtesy | None = None,
) -> TeacherDesk | None:
    """Build the teacher's desk, or None if no teacher is set.

    members: loads those of `teacher_artifacts`. courtesy: how these give way to the student.

    Raises SettingsInvalid, and ArtifactInvalid for members.
    """
    if not settings.teacher.is_set:
        return None
    teacher = (
        build_remote(settings.teacher)
        if settings.teacher.url
        else _local(settings, members(), courtesy)
    )
    return TeacherDesk(
        teacher,
        rules=DeskRules(
            timeout_s=settings.teacher.timeout_ms / 1000.0,
            at_once=settings.teacher.concurrency,
            may_wait=settings.teacher.queue,
            max_chars=settings.teacher.max_chars,
        ),
        breaker=Breaker(
            failures=settings.teacher.breaker_failures,
            calls=settings.teacher.breaker_calls,
            open_s=settings.teacher.breaker_open_ms / 1000.0,
            clock=now,
        ),
        cap=SlidingShare(
            share=settings.teacher.max_share,
            window_s=settings.teacher.share_window_s,
            at_least=settings.teacher.free_questions,
            clock=now,
        ),
        retries=RetryBudget(settings.teacher.retry_share),
        metrics=metrics,
        clock=now,
    )


def warn_of_another(
    teachers: Sequence[Member] | AskedTeacher, certificate: Certificate | None
) -> None:
    """Log a warning if the teacher differs from the one that the certificate measured.

    A column of opinions does not say whose they were.
    """
    if certificate is None or certificate.teacher == "column":
        return
    measured = certificate.teacher or ()
    if _identities(measured) != _identities(teachers):
        log(
            "teacher_not_certified",
            level=logging.WARNING,
            certified=[measured.name]
            if isinstance(measured, AskedTeacher)
            else [f"{one.name}/{one.version}" for one in measured],
            served=[teachers.name]
            if isinstance(teachers, AskedTeacher)
            else [one.name for one in teachers],
        )


def _identities(teachers: Sequence[Member | ArtifactId] | AskedTeacher) -> list[str]:
    """The identities that certificate and served teacher must share."""
    if isinstance(teachers, AskedTeacher):
        return [teachers.model_dump_json(exclude={"outcomes"})]
    return sorted(one.sha256 for one in teachers)


def build_cascade(
    settings: Settings, policy: Policy, desk: TeacherDesk | None, metrics: Metrics
) -> Cascade:
    budget = settings.teacher.mode == "budget"
    return Cascade(
        policy,
        desk,
        metrics=metrics,
        rules=CascadeRules(
            NearestShare(settings.teacher.budget_share) if budget and desk else None,
            settings.teacher.audit_share,
            on_unsupported_language=settings.engine.on_unsupported_language,
            teacher_languages=frozenset() if desk is None else desk.languages,
        ),
        clock=now,
    )


def described(settings: Settings, policy: Policy, desk: TeacherDesk | None) -> dict[str, Any]:
    """The teacher for `/info`: no secret, no path, no address."""
    common = {"configured": desk is not None, "on_teacher_failure": policy.on_teacher_failure}
    if desk is None:
        return common
    budget = settings.teacher.mode == "budget"
    return common | {
        **desk.described,
        "mode": settings.teacher.mode,
        **({"budget_share": settings.teacher.budget_share} if budget else {}),
        "max_share": settings.teacher.max_share,
        "audit_share": settings.teacher.audit_share,
        "triggers": settings.teacher.triggers,
        "languages": sorted(desk.languages),
        "timeout_ms": settings.teacher.timeout_ms,
        "max_chars": settings.teacher.max_chars,
        "fusion": {name: one.model_dump(mode="json") for name, one in policy.fusion.items()},
    }


def _local(settings: Settings, members: Sequence[Member], courtesy: Courtesy | None) -> Teacher:
    return LocalTeacher(
        members,
        limits=BatchLimits(batch_tokens(settings.engine), settings.engine.max_queue_tokens),
        max_tokens=settings.limits.max_exchange_tokens,
        clock=now,
        courtesy=courtesy,
    )
