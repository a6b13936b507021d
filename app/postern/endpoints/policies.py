"""The caller's policy on the path of a request: put in force, named in the reply, told in logs."""

from __future__ import annotations

from fastapi import Request

from postern.contract.audit import Stage, guarding_route
from postern.contract.callers import current_caller
from postern.contract.moderation import Judged
from postern.endpoints.auditing import audits_for
from postern.endpoints.services import Services, services_of
from postern.http.request import has_body
from postern.logs import log
from postern.policies.current import InForce, OnAudited, current_policy, put_in_force
from postern.policies.records import CallerPolicy


def enforce_policy(request: Request) -> None:
    """Put the caller's policy in force for the rest of the request. Raises RateExceeded.

    Call after the key was checked.
    """
    services = services_of(request)
    book = services.policies
    if book is None:
        return
    caller = current_caller()
    policy = book.of(caller)
    # `server/observe.py` names it in a header.
    request.state.policy = policy.name
    request.state.log["policy"] = policy.name
    # Envoy's clients choose the method of what is judged.
    if request.method == "POST" or has_body(request.scope):
        book.admit(caller, policy)
    # A route that only audits tells of all that it lets pass by itself.
    audits = audits_for(services, guarding_route(request.scope["route"].path), caller)
    put_in_force(InForce(policy, None if audits else _reporter(services, request, policy)))


def timeout_ms_of(services: Services) -> int:
    """The longest deadline of a request of this caller."""
    own = current_policy().limits.request_timeout_ms
    server = services.settings.limits.request_timeout_ms
    return server if own is None else min(server, own)


def _reporter(services: Services, request: Request, policy: CallerPolicy) -> OnAudited:
    """Counts and logs, without text, what passes since its categories are audited: each stage of a
    request once."""
    seen: set[Stage] = set()
    request_id, route = request.state.request_id, request.scope["route"].path

    def report(stage: Stage, judged: Judged, operating_point: str) -> None:
        if stage in seen:
            return
        seen.add(stage)
        applying = [one.name for one in judged.categories or () if one.applies]
        for name in applying:
            services.metrics.category_audits.labels(policy.name, name).inc()
        log(
            "would_block",
            request_id=request_id,
            route=route,
            policy=policy.name,
            stages=[stage],
            categories=applying,
            probability=round(judged.verdict.probability, 6),
            threshold=round(judged.verdict.threshold, 6),
            operating_point=operating_point,
            decided_by=judged.verdict.decided_by,
            degraded=judged.verdict.degraded,
        )

    return report
