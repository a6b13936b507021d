"""Audit mode: what would have been blocked is counted and logged, without any text."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import Request

from postern.contract.audit import GUARDING, Audited
from postern.endpoints.services import Services, services_of
from postern.http.errors import problem_of
from postern.logs import log
from postern.policies.current import current_policy


def audits(request: Request, route: str) -> bool:
    """Whether the route only audits for this caller. Its policy comes before the settings."""
    mode = current_policy().mode or services_of(request).settings.trial.mode_of(route)
    return mode == "audit"


def audits_for(services: Services, path: str, caller: int) -> bool:
    """The same before the policy of the caller is in force. False for paths that cannot block."""
    if path not in GUARDING:
        return False
    own = None if services.policies is None else services.policies.of(caller).mode
    return (own or services.settings.trial.mode_of(path)) == "audit"


def reporter(services: Services, route: str, *, request_id: str) -> Callable[[Audited], None]:
    """Counts and logs what is found about one request, once."""

    def report(audited: Audited) -> None:
        metrics = services.metrics
        metrics.audited.labels(route, audited.outcome).inc()
        if audited.stages:
            # The first decides: enforcing would have stopped there.
            first = audited.findings[0]
            log(
                "would_block",
                request_id=request_id,
                route=route,
                stages=list(audited.stages),
                probability=round(first.verdict.probability, 6),
                threshold=round(first.verdict.threshold, 6),
                operating_point=first.operating_point,
                decided_by=first.verdict.decided_by,
                degraded=first.verdict.degraded,
            )
        if audited.failure is not None:
            slug = problem_of(audited.failure).slug
            metrics.audit_failures.labels(route, slug).inc()
            log(
                "audit_failed",
                level=logging.WARNING,
                request_id=request_id,
                route=route,
                problem=slug,
                detail=str(audited.failure),
            )

    return report
