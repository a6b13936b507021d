"""Latency is counted from the scheduled time, and every request has exactly one outcome."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from loadtests import closed_loop
from loadtests.client import BROKEN, UNANSWERED, Answer, Client, Target
from loadtests.driver import Load, Step, arrivals, run_step
from loadtests.scenarios import Request
from loadtests.watch import Watch
from tests.loadtests.stalling_server import StallingServer, stalling_server
from tests.server_process import HANG_S

REQUEST = Request(b"{}", 1)


def on_a_loop(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def step_against(server: StallingServer, load: Load, *, seed: int = 0) -> Step:
    return await run_step(
        Target(server.url), itertools.repeat(REQUEST), load, seed=seed, watch=Watch(None)
    )


@given(rate=st.floats(0.1, 1000.0), until=st.floats(0.0, 10.0), seed=st.integers(0, 1 << 32))
def test_arrivals_are_in_order_and_repeatable(rate: float, until: float, seed: int) -> None:
    times = list(itertools.islice(arrivals(rate, until, random.Random(seed)), 2000))
    assert times == sorted(times)
    assert all(0.0 <= at < until for at in times)
    again = list(itertools.islice(arrivals(rate, until, random.Random(seed)), 2000))
    assert times == again


def test_arrivals_are_poisson() -> None:
    """Gaps have the mean and the standard deviation of an exponential distribution."""
    times = list(arrivals(100.0, 1000.0, random.Random(7)))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.01, rel=0.02)
    assert deviation == pytest.approx(0.01, rel=0.03)


@pytest.mark.parametrize("connections", [2, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_a_stall_is_seen_by_every_request_that_was_due_meanwhile(
    connections: int, seed: int
) -> None:
    """Also where so few connections are open that most requests have not even been sent."""
    stall_after, stall_for = 0.3, 0.6

    async def stalled() -> tuple[Step, int]:
        async with stalling_server() as server:
            load = Load(100.0, measured_s=1.2, max_connections=connections, patience_s=HANG_S)
            stalling = asyncio.create_task(server.stall(stall_after, stall_for))
            step = await step_against(server, load, seed=seed)
            await stalling
            return step, server.served

    step, served = on_a_loop(stalled())
    assert served == step.scheduled == step.outcomes["200"] == step.latency.count
    # Half of the stall is waited at least by all that were due in its first half. The generator
    # starts a moment after the stall's clock, so not all of that half is claimed.
    due = list(arrivals(100.0, 1.2, random.Random(seed)))
    waited = sum(stall_after <= at < stall_after + stall_for / 2 - 0.1 for at in due)
    assert waited > 5
    late = step.latency.count - step.latency.within(stall_for / 2 - 0.1)
    assert late >= waited
    if connections == 2:
        # What a careless tool would have reported: only the requests on their way saw the stall.
        careless = step.service.count - step.service.within(stall_for / 2 - 0.1)
        assert careless < late
        assert step.peak_waiting > 0


def test_throughput_is_of_the_measured_time() -> None:
    """Replies that come after it are verdicts, but no throughput; too late ones no goodput."""

    async def late() -> Step:
        async with stalling_server() as server:
            load = Load(100.0, measured_s=0.6, deadline_s=0.2, patience_s=HANG_S)
            stalling = asyncio.create_task(server.stall(0.2, 1.0))
            step = await step_against(server, load)
            await stalling
            return step

    step = on_a_loop(late())
    assert step.texts_in_all == step.texts_metered == step.outcomes["200"] == step.scheduled
    due_before_the_stall = sum(at < 0.3 for at in arrivals(100.0, 0.6, random.Random(0)))
    assert step.texts_in_time <= step.texts_judged == step.replies <= due_before_the_stall


def test_what_is_never_answered_is_counted_as_such() -> None:
    async def hung() -> Step:
        async with stalling_server() as server:
            server.gate.clear()
            return await step_against(server, Load(50.0, measured_s=0.3, patience_s=0.2))

    step = on_a_loop(hung())
    assert step.scheduled > 0
    assert dict(step.outcomes) == {UNANSWERED: step.scheduled}
    assert step.latency.count == 0


def test_refusals_are_no_latencies() -> None:
    async def refused() -> Step:
        async with stalling_server() as server:
            server.status = 429
            return await step_against(server, Load(50.0, measured_s=0.3))

    step = on_a_loop(refused())
    assert dict(step.outcomes) == {"429": step.scheduled}
    assert (step.latency.count, step.texts_judged) == (0, 0)


def test_a_server_that_is_away_breaks_every_request() -> None:
    async def away() -> Step:
        async with stalling_server() as server:
            url = server.url
        gone = StallingServer()
        gone.url = url
        return await step_against(gone, Load(50.0, measured_s=0.3))

    step = on_a_loop(away())
    assert dict(step.outcomes) == {BROKEN: step.scheduled}


def test_the_warm_up_is_not_measured_but_counted() -> None:
    async def warmed() -> tuple[Step, int]:
        async with stalling_server() as server:
            step = await step_against(server, Load(100.0, measured_s=0.3, warm_up_s=0.3))
            return step, server.served

    step, served = on_a_loop(warmed())
    assert 0 < step.scheduled < served
    assert sum(step.outcomes_in_all.values()) == step.texts_in_all == served
    assert sum(step.outcomes.values()) == step.scheduled


def test_a_connection_that_the_server_closed_for_idleness_is_no_failure() -> None:
    """Every second request finds its connection closed, and is sent once more."""

    async def closed() -> list[Answer]:
        async with stalling_server() as server:
            server.close_after_reply = True
            client = Client(Target(server.url), max_connections=1)
            try:
                wire = client.target.post("/", b"{}")
                return [await client.ask(wire) for _ in range(6)]
            finally:
                await client.close()

    assert [answer.outcome for answer in on_a_loop(closed())] == ["200"] * 6


def test_a_hung_request_is_unanswered_and_the_next_has_its_own_connection() -> None:
    async def asked() -> tuple[Answer, Answer, int]:
        async with stalling_server() as server:
            client = Client(Target(server.url), max_connections=2)
            wire = client.target.post("/", b"{}")
            server.gate.clear()
            hung = await client.ask_patiently(wire, patience_s=0.2)
            asyncio.get_running_loop().call_later(0.2, server.gate.set)
            answered = await client.ask_patiently(wire, patience_s=HANG_S)
            peak = client.peak_connections
            await client.close()
            return hung, answered, peak

    hung, answered, peak = on_a_loop(asked())
    assert (hung.outcome, answered.outcome, peak) == (UNANSWERED, "200", 2)
    assert hung.came - hung.sent > 0.19  # the loop's clock is coarse


def test_a_closed_loop_survives_a_server_that_hangs() -> None:
    """Its clients give up on what never comes, and the step ends."""

    async def stalled() -> Step:
        async with stalling_server() as server:
            server.gate.clear()
            load = Load(1.0, measured_s=0.5, deadline_s=0.1, patience_s=0.1)
            return await closed_loop.run_step(
                Target(server.url), itertools.repeat(REQUEST), load, clients=3, watch=Watch(None)
            )

    step = on_a_loop(stalled())
    assert set(step.outcomes) == {UNANSWERED}
    assert step.outcomes[UNANSWERED] == step.scheduled >= 3
    assert step.latency.count == 0
