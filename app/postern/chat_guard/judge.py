"""Exchanges of one chat -> one judgement: the worst of them counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from postern.contract.exchange import Exchange
from postern.contract.moderation import (
    Judged,
    Options,
)
from postern.judging.pipeline import Pipeline

Stage = Literal["prompt", "response"]


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
    def degraded(self) -> bool:
        return any(one.verdict.degraded for _, one in self.judged)

    @property
    def worst(self) -> tuple[int | None, Judged] | None:
        """What decided; None where there was nothing to judge."""
        return max(
            self.judged,
            key=lambda item: (item[1].verdict.harmful, item[1].verdict.probability),
            default=None,
        )

    def of(self, place: int) -> Judgement:
        own = tuple(item for item in self.judged if item[0] == place)
        return Judgement(self.stage, own, self.operating_point)


class Judge:
    """Asks the pipeline, as much at once as it takes."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        operating_point: str | None,
        max_items: int,
        clock: Callable[[], float],
    ) -> None:
        """Raises UnknownOperatingPoint."""
        pipeline.policy.point("prompt", operating_point=operating_point, threshold=None)
        self._pipeline = pipeline
        self._options = Options(operating_point=operating_point)
        self._name = operating_point or pipeline.policy.default_operating_point
        self._max_items = max_items
        self._clock = clock

    async def judge(
        self,
        stage: Stage,
        places: Sequence[int | None],
        exchanges: Sequence[Exchange],
        *,
        timeout_s: float,
    ) -> Judgement:
        """Raises whatever `Pipeline.moderate` raises; there is no partial judgement.

        timeout_s: for each call of the pipeline. A long conversation takes several.
        """
        judged: list[Judged] = []
        for start in range(0, len(exchanges), self._max_items):
            moderation = await self._pipeline.moderate(
                exchanges[start : start + self._max_items],
                self._options,
                deadline=self._clock() + timeout_s,
            )
            judged += moderation.judged
            if moderation.harmful:
                break  # it is decided
        return Judgement(stage, tuple(zip(places, judged, strict=False)), self._name)
