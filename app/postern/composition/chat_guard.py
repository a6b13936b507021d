"""Settings -> the guarded proxy."""

from __future__ import annotations

from postern.chat_guard.bounds import ChatBudget
from postern.chat_guard.conversation import Reading
from postern.chat_guard.guard import (
    ChatGuard,
    GuardRules,
)
from postern.chat_guard.hold_back import Bounds
from postern.chat_guard.judge import Judge
from postern.chat_guard.judged_before import JudgedBefore
from postern.chat_guard.pacing import ScoreRule
from postern.chat_guard.replies import Refusals
from postern.dialects.openai_errors import openai_error_of
from postern.http.request import now
from postern.http.upstream import (
    Upstream,
    UpstreamLimits,
)
from postern.judging.pipeline import Pipeline
from postern.metrics import Metrics
from postern.settings.settings import Settings


def build(
    settings: Settings, pipeline: Pipeline, *, judged_by: str, metrics: Metrics
) -> ChatGuard | None:
    """None where no upstream is set. Raises UnknownOperatingPoint, SettingsInvalid."""
    if settings.upstream_url is None:
        return None
    key = settings.upstream_api_key
    upstream = Upstream(
        settings.upstream_url,
        api_key=None if key is None else key.get_secret_value(),
        limits=_limits(settings),
        ca_file=settings.upstream_ca_file,
        clock=now,
    )
    judge = Judge(
        pipeline,
        operating_point=settings.guard_operating_point,
        max_items=settings.max_items,
        slice_chars=settings.max_exchange_chars,
        budget=ChatBudget(settings.chat_max_exchanges, settings.chat_max_chars),
        before=JudgedBefore(entries=settings.chat_cache_entries),
        clock=now,
    )
    return ChatGuard(
        upstream,
        judge,
        rules=_rules(settings),
        refusals=Refusals(settings.refusal_text, judged_by),
        error_object=openai_error_of,
        metrics=metrics,
        clock=now,
    )


def _limits(settings: Settings) -> UpstreamLimits:
    return UpstreamLimits(
        connect_s=settings.upstream_connect_timeout_ms / 1000.0,
        idle_s=settings.upstream_idle_timeout_ms / 1000.0,
        total_s=settings.upstream_total_timeout_ms / 1000.0,
        max_response_bytes=settings.upstream_max_response_bytes,
        max_connections=settings.max_connections,
    )


def _rules(settings: Settings) -> GuardRules:
    return GuardRules(
        reading=Reading(
            instructions=settings.judge_instructions,
            pass_media=settings.on_media == "pass",
            max_exchange_chars=settings.max_exchange_chars,
        ),
        score=ScoreRule(
            settings.stream_score_at,
            settings.stream_score_tokens,
            settings.stream_tail_chars,
            settings.stream_doubt_tokens,
        ),
        bounds=Bounds(
            settings.max_exchange_chars,
            settings.upstream_max_response_bytes,
            settings.chat_max_chars,
        ),
        parallel=settings.upstream_parallel,
        block_as_error=settings.on_block == "error",
        max_response_bytes=settings.upstream_max_response_bytes,
    )
