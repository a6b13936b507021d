"""The headers of a reply in audit mode."""

from __future__ import annotations

from postern.contract.audit import WOULD_BLOCK, Audited
from postern.http.errors import problem_of


def audit_headers(audited: Audited) -> dict[str, str]:
    """The mode, the stages that would have been blocked, and the kind of a failure."""
    headers = {"X-Postern-Mode": "audit"}
    if audited.stages:
        headers[WOULD_BLOCK] = ", ".join(audited.stages)
    if audited.failure is not None:
        headers["X-Postern-Audit-Failed"] = problem_of(audited.failure).slug
    return headers
