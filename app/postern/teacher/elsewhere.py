"""Settings -> the teacher at `teacher.url`, for serving and for `postern calibrate`."""

from __future__ import annotations

from typing import Final

from postern.clock import now
from postern.contract.certificate import AskedTeacher
from postern.contract.errors import SettingsInvalid
from postern.contract.teacher_text import TEMPLATES
from postern.http.key_file import read_key
from postern.http.upstream import Upstream, UpstreamLimits
from postern.settings.teacher import TeacherSettings
from postern.teacher.opinion import Teacher
from postern.teacher.remote import POSTERN_DIALECT, RemoteTeacher, openai_dialect
from postern.tracing.names import Step

_MAX_REPLY_BYTES: Final = 1 << 20


def asked_teacher(settings: TeacherSettings) -> AskedTeacher:
    """The teacher at `teacher_url`, as a certificate names it."""
    if settings.kind == "postern":
        return AskedTeacher(kind="postern")
    return AskedTeacher(
        kind="openai",
        model=settings.model,
        template=settings.template,
        endpoint=settings.endpoint,
        temperature=settings.temperature,
    )


def build_remote(settings: TeacherSettings) -> Teacher:
    """Build the teacher at `teacher_url`. Raises SettingsInvalid."""
    url, timeout_s = settings.url, settings.timeout_ms / 1000.0
    assert url is not None  # noqa: S101 - for the type checker
    limits = UpstreamLimits(
        connect_s=min(timeout_s, settings.connect_timeout_ms / 1000.0),
        idle_s=timeout_s,
        total_s=timeout_s,
        max_response_bytes=_MAX_REPLY_BYTES,
        max_connections=settings.concurrency,
    )
    api_key = _api_key(settings)
    try:
        upstream = Upstream(
            url,
            api_key=api_key,
            limits=limits,
            ca_file=settings.ca_file,
            clock=now,
            step=Step.TEACHER_CALL,
        )
    except SettingsInvalid as exc:
        raise SettingsInvalid("teacher_ca_file cannot be read") from exc
    if settings.kind == "postern":
        return RemoteTeacher(upstream, POSTERN_DIALECT, languages=settings.languages)
    dialect = openai_dialect(
        TEMPLATES[settings.template],
        model=settings.model or "",
        endpoint=settings.endpoint,
        temperature=settings.temperature,
    )
    return RemoteTeacher(upstream, dialect, languages=settings.languages)


def _api_key(settings: TeacherSettings) -> str | None:
    if settings.api_key_file is None:
        return None
    return read_key(settings.api_key_file, setting="teacher_api_key_file")
