"""Settings -> the desk before the teacher, and the cascade behind the student."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from postern.contract.certificate import (
    ArtifactId,
    AskedTeacher,
    Certificate,
)
from postern.contract.decision import Policy
from postern.contract.errors import SettingsInvalid
from postern.contract.teacher_text import TEMPLATES
from postern.contract.value import VALUE_OUTPUT
from postern.http.request import now
from postern.http.upstream import (
    Upstream,
    UpstreamLimits,
)
from postern.inference.batcher import BatchLimits
from postern.inference.engine import batch_tokens
from postern.judging.cascade import (
    Cascade,
    CascadeRules,
)
from postern.logs import log
from postern.metrics import Metrics
from postern.settings.settings import Settings
from postern.teacher.breaker import Breaker
from postern.teacher.courtesy import Courtesy
from postern.teacher.desk import (
    DeskRules,
    TeacherDesk,
)
from postern.teacher.local import (
    LocalTeacher,
    Member,
)
from postern.teacher.opinion import Teacher
from postern.teacher.remote import (
    POSTERN_DIALECT,
    RemoteTeacher,
    openai_dialect,
)
from postern.teacher.shares import (
    NearestShare,
    RetryBudget,
    SlidingShare,
)

_MAX_REPLY_BYTES = 1 << 20


def effective_policy(settings: Settings, policy: Policy) -> Policy:
    """The artifact's, less what a setting overrides."""
    if settings.teacher_on_failure is None:
        return policy
    return policy.model_copy(update={"on_teacher_failure": settings.teacher_on_failure})


def extra_output(settings: Settings, policy: Policy) -> str | None:
    """What the student's graph is asked for beside its logits. Raises SettingsInvalid."""
    if settings.teacher_mode != "value":
        return None
    if not policy.value:
        raise SettingsInvalid(
            "teacher_mode=value: the artifact has no value head; "
            "`python -m model_training fit-value` makes a version that has one"
        )
    return VALUE_OUTPUT


def build_desk(
    settings: Settings,
    members: Callable[[], Sequence[Member]],
    metrics: Metrics,
    courtesy: Courtesy | None = None,
) -> TeacherDesk | None:
    """None where no teacher is set. members: loads those of `teacher_artifacts`.

    courtesy: of these towards the student.

    Raises SettingsInvalid, and ArtifactInvalid for members.
    """
    if not settings.has_teacher:
        return None
    teacher = (
        build_remote(settings) if settings.teacher_url else _local(settings, members(), courtesy)
    )
    return TeacherDesk(
        teacher,
        rules=DeskRules(
            timeout_s=settings.teacher_timeout_ms / 1000.0,
            at_once=settings.teacher_concurrency,
            may_wait=settings.teacher_queue,
            max_chars=settings.teacher_max_chars,
        ),
        breaker=Breaker(
            failures=settings.teacher_breaker_failures,
            calls=settings.teacher_breaker_calls,
            open_s=settings.teacher_breaker_open_ms / 1000.0,
            clock=now,
        ),
        cap=SlidingShare(
            share=settings.teacher_max_share,
            window_s=settings.teacher_share_window_s,
            at_least=settings.teacher_free_questions,
            clock=now,
        ),
        retries=RetryBudget(settings.teacher_retry_share),
        metrics=metrics,
        clock=now,
    )


def asked_teacher(settings: Settings) -> AskedTeacher:
    """Who is asked at `teacher_url`, as a certificate names it."""
    if settings.teacher_kind == "postern":
        return AskedTeacher(kind="postern")
    return AskedTeacher(
        kind="openai",
        model=settings.teacher_model,
        template=settings.teacher_template,
        endpoint=settings.teacher_endpoint,
        temperature=settings.teacher_temperature,
    )


def warn_of_another(
    teachers: Sequence[Member] | AskedTeacher, certificate: Certificate | None
) -> None:
    """Logs where others teach than those whose opinions the certificate weighed and measured.

    Of a column of opinions nobody can tell whose they were.
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
    """What must agree between a certificate and who teaches."""
    if isinstance(teachers, AskedTeacher):
        return [teachers.model_dump_json(exclude={"outcomes"})]
    return sorted(one.sha256 for one in teachers)


def build_cascade(
    settings: Settings, policy: Policy, desk: TeacherDesk | None, metrics: Metrics
) -> Cascade:
    budget = settings.teacher_mode == "budget"
    return Cascade(
        policy,
        desk,
        metrics=metrics,
        rules=CascadeRules(
            NearestShare(settings.teacher_budget_share) if budget and desk else None,
            settings.teacher_audit_share,
            by_value=settings.teacher_mode == "value",
        ),
        clock=now,
    )


def described(settings: Settings, policy: Policy, desk: TeacherDesk | None) -> dict[str, Any]:
    """For `/info`: no secret, no path, no address."""
    common = {"configured": desk is not None, "on_teacher_failure": policy.on_teacher_failure}
    if desk is None:
        return common
    budget, value = (settings.teacher_mode == mode for mode in ("budget", "value"))
    thresholds = {name: head.threshold for name, head in policy.value.items()}
    return common | {
        **desk.described,
        "mode": settings.teacher_mode,
        **({"budget_share": settings.teacher_budget_share} if budget else {}),
        **({"value_thresholds": thresholds} if value else {}),
        "max_share": settings.teacher_max_share,
        "audit_share": settings.teacher_audit_share,
        "triggers": settings.teacher_triggers,
        "timeout_ms": settings.teacher_timeout_ms,
        "max_chars": settings.teacher_max_chars,
        "fusion": {name: one.model_dump(mode="json") for name, one in policy.fusion.items()},
    }


def _local(settings: Settings, members: Sequence[Member], courtesy: Courtesy | None) -> Teacher:
    return LocalTeacher(
        members,
        limits=BatchLimits(batch_tokens(settings), settings.max_queue_tokens),
        max_tokens=settings.max_exchange_tokens,
        clock=now,
        courtesy=courtesy,
    )


def build_remote(settings: Settings) -> Teacher:
    """The teacher at `teacher_url`. Raises SettingsInvalid."""
    url, timeout_s = settings.teacher_url, settings.teacher_timeout_ms / 1000.0
    assert url is not None  # noqa: S101 - for the type checker
    limits = UpstreamLimits(
        connect_s=min(timeout_s, settings.teacher_connect_timeout_ms / 1000.0),
        idle_s=timeout_s,
        total_s=timeout_s,
        max_response_bytes=_MAX_REPLY_BYTES,
        max_connections=settings.teacher_concurrency,
    )
    api_key = _api_key(settings)
    try:
        upstream = Upstream(
            url,
            api_key=api_key,
            limits=limits,
            ca_file=settings.teacher_ca_file,
            clock=now,
        )
    except SettingsInvalid as exc:
        raise SettingsInvalid("teacher_ca_file cannot be read") from exc
    if settings.teacher_kind == "postern":
        return RemoteTeacher(upstream, POSTERN_DIALECT)
    dialect = openai_dialect(
        TEMPLATES[settings.teacher_template],
        model=settings.teacher_model or "",
        endpoint=settings.teacher_endpoint,
        temperature=settings.teacher_temperature,
    )
    return RemoteTeacher(upstream, dialect)


def _api_key(settings: Settings) -> str | None:
    """Raises SettingsInvalid: a key that is expected and not there is no key."""
    if settings.teacher_api_key_file is None:
        return None
    try:
        key = settings.teacher_api_key_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsInvalid("teacher_api_key_file cannot be read") from exc
    if not key or not (key.isascii() and key.isprintable()) or " " in key:
        raise SettingsInvalid("teacher_api_key_file must hold one line of printable ASCII")
    return key
