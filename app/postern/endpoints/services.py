"""The parts of the server that the endpoints need, put together in `composition/services.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import Request

from postern.chat_guard.audit import ChatAudit
from postern.chat_guard.guard import ChatGuard
from postern.chat_guard.shape import Reading
from postern.contract.categories import CategoryHead
from postern.contract.moderation import Identity
from postern.endpoints.info import InfoOut
from postern.feedback.feedback import Feedback
from postern.http.request import Keys
from postern.inference.health import Health
from postern.judging.in_parts import Budget
from postern.judging.pipeline import Pipeline
from postern.judging.shadow import Shadow
from postern.metrics import Metrics
from postern.policies.book import PolicyBook
from postern.policies.current import own_max_chars, own_max_items
from postern.settings.settings import Settings

JSON: Final = "application/json"


@dataclass(frozen=True)
class Services:
    """The parts of a running server."""

    settings: Settings
    pipeline: Pipeline
    health: Health
    metrics: Metrics
    identity: Identity
    info: InfoOut
    keys: Keys
    categories: CategoryHead | None = None
    """Those of the artifact, with the thresholds that count."""
    chat_guard: ChatGuard | None = None
    """The guarded proxy, if an upstream is set."""
    chat_audit: ChatAudit | None = None
    """The same, for its routes in audit mode."""
    feedback: Feedback | None = None
    """Takes corrections of verdicts, if the operator named a file for them."""
    shadow: Shadow | None = None
    """The student on trial, if there is one."""
    policies: PolicyBook | None = None
    """The operator's policies, if a file is named."""


def budget_of(settings: Settings) -> Budget:
    """Limits of one request that is judged in parts, under the policy in force."""
    return Budget(
        own_max_items(settings.limits.max_items),
        settings.guard.chat_max_exchanges,
        settings.guard.chat_max_chars,
    )


def reading_of(settings: Settings) -> Reading:
    """Which parts of a chat are read, under the policy in force."""
    return Reading(
        instructions=settings.guard.judge_instructions,
        pass_media=settings.guard.on_media == "pass",
        max_exchange_chars=own_max_chars(settings.limits.max_exchange_chars),
    )


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services
