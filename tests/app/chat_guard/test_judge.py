"""Every exchange of an answer is judged, because what is not found harmful may pass."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from postern.chat_guard.bounds import ChatBudget
from postern.chat_guard.judge import Judge, Stage
from postern.chat_guard.judged_before import JudgedBefore
from postern.contract.exchange import Exchange


class PlayedPipeline:
    """Calls everything harmful, and remembers what it was asked."""

    policy = SimpleNamespace(point=lambda *_, **__: None, default_operating_point="balanced")

    def __init__(self) -> None:
        self.asked: list[Exchange] = []

    async def moderate(self, exchanges: Sequence[Exchange], *_: Any, **__: Any) -> Any:
        self.asked += exchanges
        harmful = SimpleNamespace(harmful=True)
        judged = [SimpleNamespace(verdict=harmful, blocks=True, audited=False) for _ in exchanges]
        return SimpleNamespace(judged=judged, blocks=True)


@pytest.mark.parametrize(("stage", "judged"), [("prompt", 1), ("response", 3)])
def test_only_a_prompt_is_decided_by_its_first_harmful_part(stage: Stage, judged: int) -> None:
    pipeline = PlayedPipeline()
    judge = Judge(
        pipeline,  # type: ignore[arg-type]
        operating_point=None,
        max_items=8,
        slice_chars=100,  # so each part is asked about alone
        budget=ChatBudget(exchanges=8, chars=10_000),
        before=JudgedBefore(entries=8),
        clock=lambda: 0.0,
    )
    parts = [Exchange("p" * 60, f"{n}" * 50) for n in range(3)]
    found = asyncio.run(judge.judge(stage, [0, 1, None], parts, timeout_s=1.0))
    assert len(pipeline.asked) == len(found.judged) == judged
