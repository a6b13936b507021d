"""The policy in force for a request.

A context variable carries it, like the caller: every door checks the key, and only judging and the
replies need to know the policy. So a request keeps one policy, even if the file is replaced
meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from postern.contract.audit import Stage
from postern.contract.moderation import Judged
from postern.policies.records import PLAIN, CallerPolicy

OnAudited = Callable[[Stage, Judged, str], None]


@dataclass(frozen=True, slots=True)
class InForce:
    """on_audited: told, with its stage and the name of its operating point, of an exchange that
    passes only because its categories are audited."""

    policy: CallerPolicy
    on_audited: OnAudited | None = None


_NONE: Final = InForce(PLAIN)
_IN_FORCE: Final = ContextVar("policy", default=_NONE)


def put_in_force(in_force: InForce) -> None:
    """Set the policy for the rest of this request and for the tasks that it starts."""
    _IN_FORCE.set(in_force)


def current_policy() -> CallerPolicy:
    return _IN_FORCE.get().policy


def own_max_items(limit: int) -> int:
    """The server's limit of exchanges at once, or that of the policy in force, if it is lower."""
    return min(limit, current_policy().limits.max_items or limit)


def own_max_chars(limit: int) -> int:
    """The same for the characters of an exchange."""
    return min(limit, current_policy().limits.max_exchange_chars or limit)


def tell_audited(stage: Stage, judged: Judged, operating_point: str) -> None:
    """Tell of an exchange that a route lets pass although it is harmful."""
    report = _IN_FORCE.get().on_audited
    if report is not None and judged.audited:
        report(stage, judged, operating_point)
