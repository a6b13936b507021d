"""The parts of the server that the endpoints need, put together in `composition/services.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import Request

from postern.chat_guard.guard import ChatGuard
from postern.contract.moderation import Identity
from postern.endpoints.info import InfoOut
from postern.http.request import Keys
from postern.inference.health import Health
from postern.judging.in_parts import Budget
from postern.judging.pipeline import Pipeline
from postern.metrics import Metrics
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
    chat_guard: ChatGuard | None = None
    """The guarded proxy, if an upstream is set."""


def budget_of(settings: Settings) -> Budget:
    """Of one request that is judged in parts."""
    return Budget(
        settings.limits.max_items, settings.guard.chat_max_exchanges, settings.guard.chat_max_chars
    )


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services
