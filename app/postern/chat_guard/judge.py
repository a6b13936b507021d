"""Exchanges of one chat -> one judgement: the worst of them counts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from postern.chat_guard.bounds import ChatBudget
from postern.chat_guard.decided import Part, badness, listening
from postern.chat_guard.judged_before import JudgedBefore
from postern.contract.audit import Stage as Stage
from postern.contract.callers import current_caller
from postern.contract.errors import ExchangeTooLong
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged, Options
from postern.judging.pipeline import Pipeline
from postern.policies.current import current_policy, own_max_items, tell_audited
from postern.policies.deciding import point_name


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one stage of a chat.

    judged: by place: the turn of a message, or the index of a choice; None: another field.
    """

    stage: Stage
    judged: tuple[tuple[int | None, Judged], ...]
    operating_point: str

    @property
    def harmful(self) -> bool:
        return any(one.verdict.harmful for _, one in self.judged)

    @property
    def blocks(self) -> bool:
        """Whether what was judged must not pass."""
        return any(one.blocks for _, one in self.judged)

    @property
    def would_block(self) -> bool:
        """Whether something harmful passes, since the policy only audits its categories."""
        return not self.blocks and any(one.audited for _, one in self.judged)

    @property
    def degraded(self) -> bool:
        return any(one.verdict.degraded for _, one in self.judged)

    @property
    def unsupported_language(self) -> str | None:
        """One that was read and that the student was not measured for."""
        found = (one.reading for _, one in self.judged)
        return next((one.language for one in found if not one.supported), None)

    @property
    def worst(self) -> tuple[int | None, Judged] | None:
        """The verdict that decided; None if there was nothing to judge."""
        return max(
            self.judged,
            key=lambda item: badness(*item),
            default=None,
        )

    def of(self, place: int) -> Judgement:
        own = tuple(item for item in self.judged if item[0] == place)
        return Judgement(self.stage, own, self.operating_point)


class Judge:
    """Asks the pipeline about everything that was not judged before, as much at once as it
    accepts."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        operating_point: str | None,
        max_items: int,
        slice_chars: int,
        budget: ChatBudget,
        before: JudgedBefore,
        clock: Callable[[], float],
    ) -> None:
        """slice_chars: of exchanges that wait at once. Raises UnknownOperatingPoint."""
        pipeline.policy.point("prompt", operating_point=operating_point, threshold=None)
        self._pipeline = pipeline
        self._options = Options(default_operating_point=operating_point)
        self._max_items = max_items
        self._slice_chars = slice_chars
        self._budget = budget
        self._before = before
        self._clock = clock

    async def judge(
        self,
        stage: Stage,
        places: Sequence[int | None],
        exchanges: Sequence[Exchange],
        *,
        timeout_s: float,
        remember: bool = True,
        decides: bool = True,
    ) -> Judgement:
        """Judge exchanges. There is no partial judgement.

        timeout_s: for all of them together. remember: they will come again, with the next turn.
        decides: if not, a verdict that blocks is doubted, and more is read before one counts.
        Raises ExchangeTooLong if there is more than the budget allows, and whatever
        `Pipeline.moderate` raises.
        """
        deadline = self._clock() + timeout_s
        caller = current_caller()
        policy = current_policy()
        keys = [
            self._before.key(one, caller=caller, policy=policy.fingerprint) for one in exchanges
        ]
        known: dict[bytes, Judged] = {}
        new: dict[bytes, Exchange] = {}
        for key, exchange in zip(keys, exchanges, strict=True):
            if (found := self._before.find(key)) is not None:
                known[key] = found
            else:
                new[key] = exchange
        self._check_budget(new.values())
        for some in self._slices(new):
            moderation = await self._pipeline.moderate(
                [new[key] for key in some], self._options, deadline=deadline
            )
            known.update(zip(some, moderation.judged, strict=True))
            # One harmful part decides a prompt. The rest of an answer may pass, so it is judged.
            if moderation.blocks and stage == "prompt":
                break
        if remember:
            for key in new.keys() & known.keys():
                self._before.keep(key, known[key])
        judged = [
            (place, known[key]) for place, key in zip(places, keys, strict=True) if key in known
        ]
        name = point_name(policy, self._pipeline.policy, self._options)
        for _, one in judged:
            tell_audited(stage, one, name)
        judgement = Judgement(stage, tuple(judged), name)
        decided = listening()
        if decided is not None and (decides or not judgement.blocks):
            told = zip(places, exchanges, keys, strict=True)
            decided.tell(
                stage, [Part(place, one, known[key]) for place, one, key in told if key in known]
            )
        return judgement

    def _check_budget(self, new: Collection[Exchange]) -> None:
        if len(new) > self._budget.exchanges:
            raise ExchangeTooLong(what="turns that are new", limit=self._budget.exchanges)
        if sum(map(_chars, new)) > self._budget.chars:
            raise ExchangeTooLong(what="characters that are new", limit=self._budget.chars)

    def _slices(self, new: dict[bytes, Exchange]) -> Iterator[list[bytes]]:
        """As many exchanges as one call accepts, and no more text than may wait."""
        some: list[bytes] = []
        chars, most = 0, own_max_items(self._max_items)
        for key, exchange in new.items():
            size = _chars(exchange)
            if some and (len(some) >= most or chars + size > self._slice_chars):
                yield some
                some, chars = [], 0
            some.append(key)
            chars += size
        if some:
            yield some


def _chars(exchange: Exchange) -> int:
    return len(exchange.prompt) + len(exchange.response or "")
