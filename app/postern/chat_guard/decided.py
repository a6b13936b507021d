"""Which exchange decides a stage of a chat, told to whoever keeps it. No I/O.

A context variable carries the listener, like the caller and the policy: only the endpoint knows
the request, and only the judge knows its exchanges. It holds no text: connections that outlive the
request keep its context.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Final, NamedTuple

from postern.contract.audit import Stage
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged

Badness = tuple[bool, bool, bool, float]
OnDecided = Callable[[Stage, Exchange, Judged], None]


class Part(NamedTuple):
    """An exchange with its verdict. place: as in `Judgement.judged`."""

    place: int | None
    exchange: Exchange
    judged: Judged


class Decided:
    """Follows the judgements of one request.

    on_decided: told of the exchange that decides a stage, and again when another one does.
    """

    def __init__(self, on_decided: OnDecided) -> None:
        self._on_decided = on_decided
        self._worst: dict[Stage, tuple[int | None, Badness]] = {}

    def tell(self, stage: Stage, parts: Sequence[Part]) -> None:
        """Take one judgement. A later one of the same place counts instead of the earlier: more
        of a streamed answer was read."""
        worst = max(parts, key=lambda part: badness(part.place, part.judged), default=None)
        if worst is None:
            return
        found = badness(worst.place, worst.judged)
        if (before := self._worst.get(stage)) is not None:
            place, bad = before
            if place not in [part.place for part in parts] and found <= bad:
                return
        self._worst[stage] = worst.place, found
        self._on_decided(stage, worst.exchange, worst.judged)


_LISTENING: Final = ContextVar[Decided | None]("decided", default=None)


def listen(decided: Decided) -> None:
    """Tell it of all judgements of this request and of the tasks that it starts."""
    _LISTENING.set(decided)


def listening() -> Decided | None:
    """Who is told; None if nobody keeps what decides."""
    return _LISTENING.get()


def badness(place: int | None, judged: Judged) -> Badness:
    """Orders verdicts: the largest is the one that decides.

    A harmful verdict on one turn comes before one on several turns, because it names its turn.
    """
    harmful = judged.verdict.harmful
    return judged.blocks, harmful, harmful and place is not None, judged.verdict.probability
