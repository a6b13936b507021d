"""More exchanges than one request of the pipeline takes: part by part, within one deadline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from postern.contract.errors import ExchangeTooLong, PosternError
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged, Moderation, Options, Timings
from postern.judging.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Budget:
    """part: exchanges at once. exchanges, chars: of all parts together."""

    part: int
    exchanges: int
    chars: int


async def moderate_in_parts(
    pipeline: Pipeline,
    exchanges: Sequence[Exchange],
    options: Options,
    *,
    deadline: float,
    budget: Budget,
) -> Moderation:
    """Like `Pipeline.moderate`. Raises ExchangeTooLong if there is more than the budget allows."""
    if len(exchanges) > max(budget.exchanges, budget.part):
        raise ExchangeTooLong(what="exchanges", limit=max(budget.exchanges, budget.part))
    if len(exchanges) > budget.part and sum(map(_chars, exchanges)) > budget.chars:
        raise ExchangeTooLong(what="characters", limit=budget.chars)
    judged: list[Judged] = []
    timings: list[Timings] = []
    name = ""
    for start, part in _parts(exchanges, budget.part):
        try:
            moderation = await pipeline.moderate(part, options, deadline=deadline)
        except PosternError as exc:
            if exc.index is not None:
                exc.index += start
            elif len(part) == 1 and isinstance(exc, ExchangeTooLong):
                exc.index = start if start else None
            raise
        judged += moderation.judged
        timings.append(moderation.timings)
        name = moderation.operating_point
    return Moderation(tuple(judged), name, _together(timings))


def _parts(exchanges: Sequence[Exchange], size: int) -> Iterator[tuple[int, Sequence[Exchange]]]:
    for start in range(0, len(exchanges), size):
        yield start, exchanges[start : start + size]


def _chars(exchange: Exchange) -> int:
    return len(exchange.prompt) + len(exchange.response or "")


def _together(timings: Sequence[Timings]) -> Timings:
    """The timings of parts judged one after the other. One part alone keeps its own timings."""
    return Timings(
        **{one.name: sum(getattr(each, one.name) for each in timings) for one in fields(Timings)}
    )
