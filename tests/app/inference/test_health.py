"""Ready means that a forward pass went through the real queue; alive means that none is stuck."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from postern.contract.errors import NotReady
from postern.inference.batcher import Batcher, BatchLimits
from postern.inference.health import Health
from postern.metrics import Metrics

from tests.fakes import FakeSession, ManualClock, encoding_of, window_of

CANARY = encoding_of(window_of(7, 8))


def run(case: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(180.0):
            await case

    asyncio.run(bounded())


def parts(session: FakeSession) -> tuple[Health, Batcher, ManualClock]:
    clock = ManualClock()
    batcher = Batcher(
        session.run,
        limits=BatchLimits(256, 100),
        workers=1,
        metrics=Metrics(),
        clock=clock,
    )
    return Health(batcher, CANARY, stall_s=10.0, clock=clock), batcher, clock


def test_a_probe_sends_a_canary_only_where_no_traffic_is_proof() -> None:
    session = FakeSession()

    async def case() -> None:
        health, batcher, clock = parts(session)
        batcher.start()
        await health.check_ready()
        assert session.seen_ids == [7]
        await health.check_ready()
        assert session.seen_ids == [7]  # just now is proof enough
        clock.advance(2.0)
        await health.check_ready()
        assert session.seen_ids == [7, 7]
        clock.advance(2.0)
        await batcher.submit([encoding_of(window_of(9, 8))], deadline=clock() + 60.0)
        await health.check_ready()
        assert session.seen_ids == [7, 7, 9]
        await batcher.close()

    run(case())


def test_a_model_that_fails_or_a_signal_makes_it_unready() -> None:
    session = FakeSession(raise_for=[7])

    async def case() -> None:
        health, batcher, _ = parts(session)
        batcher.start()
        with pytest.raises(NotReady):
            await health.check_ready()
        health.check_alive()
        health.unready = True
        with pytest.raises(NotReady, match="shutting down"):
            await health.check_ready()
        await batcher.close()

    run(case())


def test_a_signal_makes_it_unready_though_all_works() -> None:
    async def case() -> None:
        health, batcher, _ = parts(FakeSession())
        batcher.start()
        await health.check_ready()
        health.unready = True
        with pytest.raises(NotReady):
            await health.check_ready()
        await batcher.close()

    run(case())


def test_a_full_queue_that_moves_is_ready_and_one_that_stands_is_not() -> None:
    gate = threading.Event()
    session = FakeSession(gate=gate)

    async def case() -> None:
        health, batcher, clock = parts(session)
        batcher.start()
        gate.set()
        await health.check_ready()
        gate.clear()
        session.entered.clear()
        far = clock() + 1e6
        busy = asyncio.create_task(batcher.submit([encoding_of(window_of(8, 50))], deadline=far))
        assert await asyncio.to_thread(session.entered.wait, 180.0)
        full = asyncio.create_task(batcher.submit([encoding_of(window_of(9, 95))], deadline=far))
        await asyncio.sleep(0)
        clock.advance(3.0)
        await health.check_ready()  # the canary is refused, but work went through 3 s ago
        health.check_alive()
        clock.advance(8.0)
        with pytest.raises(NotReady):
            await health.check_ready()
        with pytest.raises(NotReady, match="no progress"):
            health.check_alive()
        gate.set()
        await asyncio.gather(busy, full)
        health.check_alive()
        await health.check_ready()
        await batcher.close()

    run(case())
