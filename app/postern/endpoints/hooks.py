"""The hooks of gateways: each asks whether something may pass, and obeys the answer.

A hook enforces or audits. In audit mode it blocks nothing, whatever is judged and whatever fails,
because a gateway may block on an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fastapi import Request, Response

from postern.contract.audit import WOULD_BLOCK, Audited, Finding, Stage
from postern.contract.errors import PosternError
from postern.contract.exchange import Exchange
from postern.contract.moderation import Moderation
from postern.endpoints import door
from postern.endpoints.auditing import audits, reporter
from postern.endpoints.door import Received
from postern.endpoints.services import services_of
from postern.http.audit_headers import audit_headers
from postern.http.request import ClientLeft
from postern.policies.current import tell_audited


class Handed(Protocol):
    """What a gateway handed over."""

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """None if there is nothing to judge."""

    @property
    def stage(self) -> Stage: ...


Asked = TypeVar("Asked", bound=Handed)


@dataclass(slots=True)
class Known(Generic[Asked]):
    """What is known of a request so far. asked: None if it could not be read. moderation: None if
    there is no verdict."""

    asked: Asked | None = None
    moderation: Moderation | None = None


class Hook(Protocol[Asked]):
    """One gateway's hook. route: its name in settings and metrics."""

    @property
    def route(self) -> str: ...

    async def hear(self, request: Request) -> tuple[Received, Asked]:
        """Read and parse the request."""

    def unjudged(self, request: Request, asked: Asked) -> PosternError | None:
        """Why enforcing would hold it back whatever the verdict; None if it would not."""

    def reply(self, request: Request, asked: Asked, moderation: Moderation | None) -> Response:
        """Whether it may pass."""

    def audited_reply(self, known: Known[Asked], audited: Audited) -> Response:
        """It passes, whatever was found."""


async def answered(request: Request, hook: Hook[Asked]) -> Response:
    """The answer to a gateway. Raises whatever reading and judging raise, unless it audits."""
    known: Known[Asked] = Known()
    if not audits(request, hook.route):
        asked = await _judged(request, hook, known)
        response = hook.reply(request, asked, known.moderation)
        _tell_audited(response, asked, known.moderation)
        return response
    request.state.log["mode"] = "audit"
    report = reporter(services_of(request), hook.route, request_id=request.state.request_id)
    failure: PosternError | None = None
    try:
        asked = await _judged(request, hook, known)
        failure = hook.unjudged(request, asked)
    except PosternError as exc:
        failure = exc
    except ClientLeft:
        report(Audited(left=True))
        raise
    audited = Audited(_findings(known), failure)
    report(audited)
    response = hook.audited_reply(known, audited)
    response.headers.update(audit_headers(audited))
    return response


def _tell_audited(response: Response, asked: Handed, moderation: Moderation | None) -> None:
    """Tell what passes only because its categories are audited."""
    if moderation is None or moderation.blocks or not moderation.harmful:
        return
    for one in moderation.judged:
        tell_audited(asked.stage, one, moderation.operating_point)
    response.headers[WOULD_BLOCK] = asked.stage


async def _judged(request: Request, hook: Hook[Asked], known: Known[Asked]) -> Asked:
    received, asked = await hook.hear(request)
    known.asked = asked
    if asked.exchanges:
        known.moderation = await door.judge(request, received, asked.exchanges, in_parts=True)
    return asked


def _findings(known: Known[Asked]) -> tuple[Finding, ...]:
    if known.asked is None or known.moderation is None:
        return ()
    harmful = [one.verdict for one in known.moderation.judged if one.verdict.harmful]
    worst = max(harmful, key=lambda verdict: verdict.probability, default=None)
    if worst is None:
        return ()
    return (Finding(known.asked.stage, worst, known.moderation.operating_point),)
