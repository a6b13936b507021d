"""Long texts: off the event loop, bounded, fair between callers, dropped when nobody waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from postern.contract.errors import DeadlineExceeded, TextWorkFull
from postern.judging.text_work import INLINE_CHARS, TextWork

from tests.fakes import ManualClock

LONG = INLINE_CHARS + 1
FAR = 1e9


def test_short_work_stays_where_it_is_and_long_work_leaves() -> None:
    async def run() -> tuple[int, int]:
        work = TextWork()
        here = await work.run(threading.get_ident, chars=5, caller=0, deadline=FAR)
        there = await work.run(threading.get_ident, chars=LONG, caller=0, deadline=FAR)
        return here, there

    here, there = asyncio.run(run())
    assert here == threading.get_ident() != there


def test_a_caller_with_much_does_not_delay_one_with_little() -> None:
    order: list[str] = []
    gate = threading.Event()

    def noting(name: str) -> Callable[[], None]:
        return lambda: order.append(name)

    async def run() -> None:
        work = TextWork(threads=1)
        async with asyncio.TaskGroup() as group:

            def add(make: Callable[[], object], caller: int) -> None:
                group.create_task(work.run(make, chars=LONG, caller=caller, deadline=FAR))

            add(lambda: gate.wait(60.0), 1)
            await asyncio.sleep(0.01)
            for number in range(10):
                add(noting(f"greedy {number}"), 1)
            add(noting("modest"), 2)
            await asyncio.sleep(0.01)
            gate.set()

    asyncio.run(run())
    assert order.index("modest") <= 1
    assert [name for name in order if name != "modest"] == [f"greedy {i}" for i in range(10)]


def test_what_waits_is_bounded_and_what_nobody_waits_for_is_not_done() -> None:
    clock = ManualClock()
    done: list[int] = []
    gate = threading.Event()

    async def run() -> None:
        work = TextWork(threads=1, waiting_chars=3 * LONG, clock=clock)
        first = asyncio.ensure_future(
            work.run(lambda: gate.wait(60.0), chars=LONG, caller=0, deadline=FAR)
        )
        await asyncio.sleep(0.01)
        waiting = [
            asyncio.ensure_future(
                work.run(lambda i=i: done.append(i), chars=LONG, caller=0, deadline=clock() + i)  # type: ignore[misc]
            )
            for i in (1, 50, 60)
        ]
        await asyncio.sleep(0.01)
        with pytest.raises(TextWorkFull) as full:
            await work.run(lambda: done.append(9), chars=LONG, caller=0, deadline=FAR)
        assert full.value.retry_after_s > 0
        waiting[1].cancel()
        clock.advance(5.0)
        gate.set()
        await first
        with pytest.raises(DeadlineExceeded):
            await waiting[0]
        await waiting[2]

    asyncio.run(run())
    assert done == [60]


def test_an_error_reaches_whoever_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(TextWork().run(lambda: 1 / 0, chars=LONG, caller=0, deadline=FAR))
