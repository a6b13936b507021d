"""Settings -> the operator's policies, read from their file at the start and on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from postern.clock import now
from postern.contract.policy_errors import PoliciesInvalid
from postern.endpoints.services import Services
from postern.logs import log
from postern.metrics import Metrics
from postern.policies.binding import Ground, bind
from postern.policies.book import PolicyBook
from postern.policies.records import Policies
from postern.settings.settings import Settings

_MOST_BYTES: Final = 4 << 20


def with_policies(settings: Settings, services: Services) -> Services:
    """The services with the policies of the file, if one is named. Raises PoliciesInvalid."""
    path = settings.policies.policies
    if path is None:
        return services
    policies = _read(path, _ground(settings, services))
    _told(policies, services.metrics)
    return replace(services, policies=PolicyBook(policies, clock=now))


def reloader(settings: Settings, services: Services) -> Callable[[], Awaitable[None]] | None:
    """What reads the file again, and replaces the policies or keeps them. It never raises.

    None if no file is named.
    """
    path, book = settings.policies.policies, services.policies
    if path is None or book is None:
        return None
    ground = _ground(settings, services)
    turn = asyncio.Lock()

    async def reload() -> None:
        async with turn:
            try:
                # Compiling many expressions takes seconds, during which requests go on.
                policies = await asyncio.to_thread(_read, path, ground)
            except PoliciesInvalid as exc:
                services.metrics.policy_reloads.labels("rejected").inc()
                log(
                    "policies_rejected",
                    level=logging.ERROR,
                    reason=str(exc),
                    kept_sha256=book.policies.sha256,
                )
                return
            book.policies = policies
            services.metrics.policy_reloads.labels("loaded").inc()
            _told(policies, services.metrics)

    return reload


def _ground(settings: Settings, services: Services) -> Ground:
    limits = settings.limits
    return Ground(
        services.pipeline.policy,
        services.categories,
        services.keys.digests,
        {
            "max_items": limits.max_items,
            "max_exchange_chars": limits.max_exchange_chars,
            "request_timeout_ms": limits.request_timeout_ms,
        },
    )


def _read(path: Path, ground: Ground) -> Policies:
    try:
        if not path.is_file():  # a pipe would be waited for, for ever
            raise PoliciesInvalid(f"{path}: is no file")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as exc:
        raise PoliciesInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    if len(content) > _MOST_BYTES:
        raise PoliciesInvalid(f"{path}: has more than {_MOST_BYTES} bytes")
    try:
        return bind(content, ground)
    except PoliciesInvalid as exc:
        raise PoliciesInvalid(f"{path}: {exc}") from None


def _told(policies: Policies, metrics: Metrics) -> None:
    """Log and show what is in force. On the event loop, where metrics are also read: no scrape
    sees a part."""
    metrics.policy_mode_state.clear()
    for name, policy in policies.by_name.items():
        if policy.mode is not None:
            metrics.policy_mode_state.labels(name, "").set(policy.mode == "audit")
        for category in policy.audited_categories:
            metrics.policy_mode_state.labels(name, category).set(1)
    log("policies_loaded", policies=sorted(policies.by_name), sha256=policies.sha256)
