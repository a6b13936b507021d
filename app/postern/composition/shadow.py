"""A loaded student -> the shadow beside the one that serves."""

from __future__ import annotations

from typing import Final

from postern.clock import now
from postern.contract.decision import Policy
from postern.endpoints.classify_reply import ModelOut
from postern.endpoints.info import ShadowOut
from postern.judging.shadow import Shadow, ShadowRules
from postern.metrics import Metrics
from postern.settings.settings import Settings
from postern.teacher.courtesy import Courtesy
from postern.teacher.local import Member

# Share of the student's working time during which the shadow may also run.
_BESIDE_SHARE: Final = 0.05


def courtesy() -> Courtesy:
    """How the shadow gives way. It must be told when the student works."""
    return Courtesy(_BESIDE_SHARE, clock=now)


def build(
    settings: Settings,
    member: Member | None,
    served: Policy,
    *,
    metrics: Metrics,
    courtesy: Courtesy,
) -> Shadow | None:
    """Build the shadow, or None if no artifact is on trial. served: the policy that decides."""
    if member is None:
        return None
    name, _, version = member.name.partition("/")
    metrics.shadow_info.labels(name, version, member.sha256).set(1)
    return Shadow(
        member,
        served,
        rules=ShadowRules(settings.trial.shadow_share, settings.limits.max_exchange_tokens),
        metrics=metrics,
        courtesy=courtesy,
    )


def described(settings: Settings, member: Member | None) -> ShadowOut | None:
    """The shadow for `/info`."""
    if member is None:
        return None
    name, _, version = member.name.partition("/")
    return ShadowOut(
        model=ModelOut(name=name, version=version, sha256=member.sha256),
        share=settings.trial.shadow_share,
    )
