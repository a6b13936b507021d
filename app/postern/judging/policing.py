"""The caller's policy on the path of a request: its lists are read, and it rules on verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from postern.contract.categories import CategoryHead
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged, ListHit
from postern.contract.text import segments, uncut
from postern.disguises.triggers import Disguise
from postern.judging.cascade import Decided
from postern.judging.scorer import Scorer
from postern.metrics import Metrics
from postern.policies.deciding import (
    NO_MATCH,
    Matched,
    Ruling,
    hits_of,
    match_lists,
    rule,
)
from postern.policies.records import CallerPolicy, PolicyList


async def match_all(
    policy: CallerPolicy,
    scorer: Scorer,
    exchanges: Sequence[Exchange],
    disguises: Sequence[Disguise | None],
    *,
    deadline: float,
) -> Sequence[Matched]:
    """The lists that each exchange matches. The exchanges were scored, so they have text."""
    if not policy.lists:
        return [NO_MATCH] * len(exchanges)

    def match() -> list[Matched]:
        return [_match(policy, *both) for both in zip(exchanges, disguises, strict=True)]

    return await scorer.off_the_loop(match, exchanges, deadline)


def _match(policy: CallerPolicy, exchange: Exchange, disguise: Disguise | None) -> Matched:
    return match_lists(policy.lists, exchange.slice, *_readings(exchange, disguise))


def _readings(exchange: Exchange, disguise: Disguise | None) -> tuple[str, str | None]:
    """The judged part as it came, and without its disguise. Raises EmptyPrompt.

    Long runs are whole, so that no phrase is cut in two.
    """
    # The last part is the one that is judged: the response, if there is one.
    text = segments(exchange, uncut)[-1]
    decoded = None if disguise is None else segments(disguise.decoded, uncut)[-1]
    return text, None if decoded == text else decoded


async def hits(
    lists: Sequence[PolicyList],
    scorer: Scorer,
    exchange: Exchange,
    disguise: Disguise | None,
    *,
    deadline: float,
) -> tuple[ListHit, ...]:
    """All that an exchange matches in some lists. Raises EmptyPrompt."""
    return await scorer.off_the_loop(
        lambda: hits_of(lists, *_readings(exchange, disguise)), (exchange,), deadline
    )


def ruling(
    policy: CallerPolicy,
    exchange: Exchange,
    decided: Decided,
    matched: Matched,
    *,
    head: CategoryHead | None,
    given_harm: Sequence[float],
) -> Ruling:
    """head: the artifact's. given_harm: of each of its labels."""
    return rule(
        policy,
        slice_=exchange.slice,
        verdict=decided.verdict,
        block_reason=decided.block_reason,
        matched=matched,
        head=policy.categories or head,
        given_harm=given_harm,
    )


def count(policy: CallerPolicy, judged: Judged, overruled: str | None, metrics: Metrics) -> None:
    """Count the list that decided, or that was overruled."""
    if judged.list_match is not None:
        match = judged.list_match
        metrics.list_matches.labels(policy.name, match.name, match.action).inc()
    if overruled is not None:
        metrics.list_matches.labels(policy.name, overruled, "overruled").inc()
