"""Batches that wait for a thread: what is handed out ahead of time, and what still leaves it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest
from postern.contract.errors import DeadlineExceeded
from postern.contract.windows import Window
from postern.inference.batcher import Batcher
from postern.inference.entries import Scored
from postern.metrics import Metrics

from tests.app.inference.test_batcher import FAR, new_batcher, queue_tokens, run, ticks, until
from tests.fakes import FakeSession, ManualClock, encoding_of, fingerprint, window_of

BATCH = 128
Case = Callable[[Batcher, Metrics, ManualClock], Awaitable[None]]


def _submit(
    batcher: Batcher, number: int, length: int = 64, *, deadline: float = FAR
) -> asyncio.Task[list[Scored]]:
    encodings = [encoding_of(window_of(number, length))]
    return asyncio.create_task(batcher.submit(encodings, deadline=deadline))


def _behind_a_busy_model(case: Case, session: FakeSession, gate: threading.Event) -> None:
    """Run `case` while entry 99 keeps the only worker busy, until the case opens the gate."""
    clock = ManualClock()

    async def whole() -> None:
        batcher, metrics = new_batcher(session, batch_tokens=BATCH, clock=clock, ahead=1)
        batcher.start()
        first = _submit(batcher, 99)
        await until(session.entered)
        try:
            await case(batcher, metrics, clock)
        finally:
            gate.set()
        np.testing.assert_array_equal((await first)[0].logits, fingerprint([window_of(99, 64)]))
        await batcher.close()
        assert queue_tokens(metrics) == 0.0

    run(whole())


def _gated() -> tuple[FakeSession, threading.Event]:
    gate = threading.Event()
    return FakeSession(gate=gate), gate


def test_one_batch_for_each_worker_waits_for_its_thread() -> None:
    session, gate = _gated()

    async def case(batcher: Batcher, metrics: Metrics, clock: ManualClock) -> None:
        tasks = [_submit(batcher, 100 + index) for index in range(6)]
        await ticks()
        assert queue_tokens(metrics) == 6 * 64.0  # what waits for a thread still waits
        gate.set()
        for index, task in enumerate(tasks):
            (scored,) = await task
            np.testing.assert_array_equal(scored.logits, fingerprint([window_of(100 + index, 64)]))

    _behind_a_busy_model(case, session, gate)
    assert [len(batch) for batch in session.seen] == [1, 2, 2, 2]


def test_a_small_backlog_stays_where_later_arrivals_can_join_it() -> None:
    session, gate = _gated()

    async def case(batcher: Batcher, metrics: Metrics, clock: ManualClock) -> None:
        tasks = [_submit(batcher, 100)]
        await ticks()
        assert queue_tokens(metrics) == 64.0
        tasks.append(_submit(batcher, 101, 60))
        await ticks()
        assert queue_tokens(metrics) == 124.0
        gate.set()
        await asyncio.gather(*tasks)

    _behind_a_busy_model(case, session, gate)
    assert [len(batch) for batch in session.seen] == [1, 2]


def test_who_leaves_a_batch_that_waits_does_not_reach_the_model() -> None:
    session, gate = _gated()

    async def case(batcher: Batcher, metrics: Metrics, clock: ManualClock) -> None:
        left, late, stays = (
            _submit(batcher, 100, 40),
            _submit(batcher, 101, 40, deadline=clock() + 500.0),
            _submit(batcher, 102, 40),
        )
        more = _submit(batcher, 103, 40)
        await ticks()
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        clock.advance(1000.0)
        gate.set()
        with pytest.raises(DeadlineExceeded):
            await late
        (scored,) = await stays
        np.testing.assert_array_equal(scored.logits, fingerprint([window_of(102, 40)]))
        await more

    _behind_a_busy_model(case, session, gate)
    assert sorted(session.seen_ids) == [99, 102, 103]


def test_a_batch_that_everybody_has_left_runs_nothing_and_proves_nothing() -> None:
    session, gate = _gated()

    async def case(batcher: Batcher, metrics: Metrics, clock: ManualClock) -> None:
        tasks = [_submit(batcher, 100 + index) for index in range(2)]
        await ticks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gate.set()

    _behind_a_busy_model(case, session, gate)
    assert session.seen_ids == [99]


def test_waiting_for_a_thread_is_queueing_and_no_stall() -> None:
    gate = threading.Event()
    clocks: list[ManualClock] = []

    def slow(windows: Sequence[Window]) -> np.ndarray:
        if clocks:
            clocks[0].advance(3.0)
        return fingerprint(windows)

    session = FakeSession(slow, gate=gate)

    async def case(batcher: Batcher, metrics: Metrics, clock: ManualClock) -> None:
        tasks = [_submit(batcher, 100 + index) for index in range(2)]
        await ticks()
        clock.advance(7.0)
        assert batcher.stalled_s() == 7.0  # of the batch that runs; the other waits since now
        clocks.append(clock)
        gate.set()
        for task in tasks:
            (scored,) = await task
            assert scored.queue_s == pytest.approx(10.0)
            assert scored.inference_s == pytest.approx(3.0)

    _behind_a_busy_model(case, session, gate)


def test_poison_in_a_batch_that_waited_answers_for_itself_alone() -> None:
    gate = threading.Event()
    session = FakeSession(raise_for=[1], gate=gate)

    async def case(batcher: Batcher, metrics: Metrics, clock: ManualClock) -> None:
        poison = window_of(100, 64)
        poison.ids[-1] = 1
        bad = asyncio.create_task(batcher.submit([encoding_of(poison)], deadline=FAR))
        good = _submit(batcher, 101)
        await ticks()
        gate.set()
        (failure,) = await asyncio.gather(bad, return_exceptions=True)
        assert type(failure).__name__ == "InferenceFailed"
        np.testing.assert_array_equal((await good)[0].logits, fingerprint([window_of(101, 64)]))

    _behind_a_busy_model(case, session, gate)
