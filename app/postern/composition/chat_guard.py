"""Settings -> the guarded proxy."""

from __future__ import annotations

from postern.chat_guard.audit import ChatAudit
from postern.chat_guard.bounds import ChatBudget
from postern.chat_guard.guard import ChatGuard, GuardRules
from postern.chat_guard.hold_back import Bounds
from postern.chat_guard.judge import Judge
from postern.chat_guard.judged_before import JudgedBefore
from postern.chat_guard.pacing import ScoreRule
from postern.chat_guard.passed_ids import PassedIds
from postern.chat_guard.replies import Refusals
from postern.clock import now
from postern.http.key_file import read_key
from postern.http.upstream import Upstream, UpstreamLimits
from postern.judging.pipeline import Pipeline
from postern.metrics import Metrics
from postern.settings.settings import Settings
from postern.settings.upstream import UpstreamSettings


def build(
    settings: Settings, pipeline: Pipeline, *, judged_by: str, metrics: Metrics
) -> ChatGuard | None:
    """Build the guarded proxy, or None if no upstream is set.

    Raises UnknownOperatingPoint, SettingsInvalid.
    """
    if settings.upstream.url is None:
        return None
    upstream = Upstream(
        settings.upstream.url,
        api_key=_api_key(settings.upstream),
        limits=_limits(settings),
        ca_file=settings.upstream.ca_file,
        clock=now,
    )
    judge = Judge(
        pipeline,
        operating_point=settings.guard.guard_operating_point,
        max_items=settings.limits.max_items,
        slice_chars=settings.limits.max_exchange_chars,
        budget=ChatBudget(settings.guard.chat_max_exchanges, settings.guard.chat_max_chars),
        before=JudgedBefore(entries=settings.guard.chat_cache_entries),
        clock=now,
    )
    return ChatGuard(
        upstream,
        judge,
        rules=_rules(settings),
        refusals=Refusals(settings.guard.refusal_text, judged_by),
        passed_ids=PassedIds(entries=settings.guard.chat_passed_ids),
        metrics=metrics,
        clock=now,
    )


def _api_key(settings: UpstreamSettings) -> str | None:
    """Raises SettingsInvalid."""
    if settings.api_key_file is not None:
        return read_key(settings.api_key_file, setting="upstream_api_key_file")
    return None if settings.api_key is None else settings.api_key.get_secret_value()


def build_audit(
    settings: Settings, guard: ChatGuard | None, *, metrics: Metrics
) -> ChatAudit | None:
    """Build what routes of the guarded proxy in audit mode use, or None if there is no proxy."""
    if guard is None:
        return None
    return ChatAudit(
        guard,
        wait_s=settings.trial.audit_wait_ms / 1000.0,
        max_bytes=settings.upstream.max_response_bytes,
        count=lambda outcome: metrics.proxied.labels(outcome).inc(),
    )


def _limits(settings: Settings) -> UpstreamLimits:
    return UpstreamLimits(
        connect_s=settings.upstream.connect_timeout_ms / 1000.0,
        idle_s=settings.upstream.idle_timeout_ms / 1000.0,
        total_s=settings.upstream.total_timeout_ms / 1000.0,
        max_response_bytes=settings.upstream.max_response_bytes,
        max_connections=settings.server.max_connections,
    )


def _rules(settings: Settings) -> GuardRules:
    guard = settings.guard
    return GuardRules(
        pass_media=guard.on_media == "pass",
        score=ScoreRule(
            guard.stream_score_at,
            guard.stream_score_tokens,
            guard.stream_tail_chars,
            guard.stream_doubt_tokens,
        ),
        bounds=Bounds(
            settings.limits.max_exchange_chars,
            settings.upstream.max_response_bytes,
            guard.chat_max_chars,
        ),
        parallel=settings.upstream.parallel,
        block_as_error=guard.on_block == "error",
        max_response_bytes=settings.upstream.max_response_bytes,
    )
