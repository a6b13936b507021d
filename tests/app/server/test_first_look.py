"""What is refused by its headers would be refused by the queue anyway."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from postern.contract.errors import DeadlineUnreachable, Overloaded
from postern.endpoints.verdicts import PATHS
from postern.http.request import Keys
from postern.inference.batcher import Batcher, BatchLimits
from postern.inference.cost_model import CostModel
from postern.metrics import Metrics
from postern.server.first_look import FirstLook, _length_of

from tests.fakes import FakeSession, ManualClock, encoding_of, window_of

_TIMEOUT_MS = 10_000
_MAX_BODY_BYTES = 100_000


def scope(clock: ManualClock, length: int | None, **changes: Any) -> dict[str, Any]:
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    asked = {"path": "/classify", "method": "POST", "headers": headers}
    return asked | {"state": {"arrived": clock()}} | changes


def test_it_guesses_tokens_from_bytes() -> None:
    """A second of work waits for each 10 tokens; requests have ten seconds."""
    clock = ManualClock()
    cost = CostModel()
    for length in (16, 32, 64):
        cost.observe(length, 1, 0.1 * length)
    batcher = Batcher(
        FakeSession().run,
        limits=BatchLimits(10_000, 10_000),
        workers=1,
        metrics=Metrics(),
        clock=clock,
        cost=cost,
    )
    turn_s = 0.0
    look = FirstLook(
        batcher,
        paths=PATHS,
        keys=Keys.of(()),
        timeout_ms=_TIMEOUT_MS,
        max_body_bytes=_MAX_BODY_BYTES,
        window_tokens=512,
        turn_s=lambda: turn_s,
        clock=clock,
    )

    async def case() -> None:
        nonlocal turn_s
        assert look.refusal(scope(clock, 4000)) is None  # an idle server tries everything
        waiting = asyncio.create_task(
            batcher.submit([encoding_of(window_of(1, 30))], deadline=clock() + 600.0)
        )
        await asyncio.sleep(0)  # it waits, because no worker has been started
        assert look.refusal(scope(clock, 4000)) is None  # nothing is known of bytes yet
        for _ in range(1000):
            look.learn(400, 100)
        assert look.refusal(scope(clock, 100)) is None  # 25 tokens after 30: 6.6 of 9.5 seconds
        assert isinstance(look.refusal(scope(clock, 400)), DeadlineUnreachable)
        assert isinstance(look.refusal(scope(clock, _MAX_BODY_BYTES)), Overloaded)
        # It would be refused at any other time, too: no 429, after which clients try again.
        assert look.refusal(scope(clock, _MAX_BODY_BYTES + 1)) is None
        for length in (None, 0):
            assert look.refusal(scope(clock, length)) is None
        for changes in ({"path": "/v1/chat/completions"}, {"method": "GET"}):
            assert look.refusal(scope(clock, 400, **changes)) is None
        turn_s = 9.0  # the loop is that late: the answer would be, too
        assert isinstance(look.refusal(scope(clock, 100)), DeadlineUnreachable)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(case())


@pytest.mark.parametrize("length", ["\u00b2", "1e3", "-1", ""])
def test_a_strange_length_is_none(length: str) -> None:
    clock = ManualClock()
    strange = scope(clock, None, headers=[(b"content-length", length.encode("latin-1"))])
    batcher = Batcher(
        FakeSession().run, limits=BatchLimits(100, 1000), workers=1, metrics=Metrics()
    )
    look = FirstLook(
        batcher,
        paths=PATHS,
        keys=Keys.of(()),
        timeout_ms=_TIMEOUT_MS,
        max_body_bytes=_MAX_BODY_BYTES,
        window_tokens=512,
        turn_s=lambda: 0.0,
        clock=clock,
    )
    look.learn(400, 100)
    assert look._tokens_of(_length_of(strange)) == 1
