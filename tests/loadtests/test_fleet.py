"""The simulated fleet is the server's own admission in virtual time, and balancers balance."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from loadtests.driver import arrivals
from loadtests.fleet import haproxy
from loadtests.fleet.__main__ import SHARES, SIZES, main
from loadtests.fleet.balancers import BALANCERS
from loadtests.fleet.events import Events
from loadtests.fleet.handover import mean_handover_s, read_notes
from loadtests.fleet.service import (
    OVERLAP_TOKENS,
    WINDOW_TOKENS,
    Batch,
    ServiceTimes,
    encoding,
    load,
    prompt,
)
from loadtests.fleet.simulation import Fleet, capacity, run
from tests.loadtests.virtual import Stuck, open_loop, simulate
from tests.server_process import ROOT


def steady(seconds_per_token: float = 0.001) -> ServiceTimes:
    """No noise and no overhead."""
    shapes = ((1, 16), (2, 16), (1, 64), (4, 64), (1, 192), (2, 192))
    return ServiceTimes([Batch(n, length, n * length * seconds_per_token) for n, length in shapes])


def test_time_jumps_and_deadlines_hold() -> None:
    async def work() -> tuple[float, bool]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(3600.0)
        late = False
        try:
            async with asyncio.timeout(10.0):
                await loop.run_in_executor(None, lambda run, windows: None, None, [])
        except TimeoutError:
            late = True
        return loop.time(), late

    began = time.monotonic()
    assert simulate(work, lambda windows: 100.0) == (3610.0, True)
    assert time.monotonic() - began < 60.0


def test_waiting_for_nothing_is_an_error() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        simulate(work, lambda windows: 0.0)


def test_the_fit_is_that_of_the_batches() -> None:
    times = steady()
    assert times.mean(3, 32) == pytest.approx(0.096, rel=1e-6)
    windows = encoding(62).windows
    assert times.draw(windows, random.Random(0)) == pytest.approx(0.064, rel=1e-6)


def test_long_prompts_have_the_windows_of_the_student() -> None:
    lengths = [one.length for one in encoding(400).windows]
    assert max(lengths) == WINDOW_TOKENS
    assert sum(lengths) - 2 * len(lengths) - OVERLAP_TOKENS * (len(lengths) - 1) == 400
    assert [one.length for one in encoding(190).windows] == [192]


@pytest.mark.parametrize("name", BALANCERS)
def test_a_replica_does_what_the_servers_batcher_does(name: str) -> None:
    """Multi-window requests, refusals, deadlines and what both learn included."""
    times = ServiceTimes(load())
    fleet = Fleet(3, name, 1.4, 31.2, 6.0, 1.0)
    plan = [
        (at, prompt(rng))
        for rng in [random.Random(4)]
        for at in arrivals(130.0, fleet.seconds, rng)
    ]
    own = random.Random(fleet.seed)
    expected = simulate(
        lambda: open_loop(fleet, times, own, plan), lambda windows: times.draw(windows, own)
    )
    assert min(expected.counts[became] for became in ("answered", "refused", "late")) > 3
    found = run(fleet, times, plan)
    assert found.document(fleet) == expected.document(fleet)
    assert found.tokens == expected.tokens


def test_events_come_in_order_and_equal_times_in_the_order_of_their_names() -> None:
    events = Events()
    seen: list[tuple[str, float]] = []

    def first() -> None:
        seen.append(("a", events.now))
        events.soon(lambda: seen.append(("c", events.now)))
        events.at(0.5, lambda: seen.append(("late", events.now)))  # the past is now

    events.at(2.0, lambda: seen.append(("d", events.now)))
    events.at(1.0, first)
    events.at(1.0, lambda: seen.append(("b", events.now)))
    events.run()
    assert seen == [("a", 1.0), ("b", 1.0), ("c", 1.0), ("late", 1.0), ("d", 2.0)]


def test_a_first_look_refuses_sooner_and_a_handover_takes_capacity() -> None:
    times = steady(0.0002)
    each = capacity(times)
    plain = Fleet(2, "least connections", 0.9, each, 40.0, 5.0)
    bare = run(plain, times)
    slower = run(dataclasses.replace(plain, handover_s=0.02), times)
    # As if the load were nearer to the capacity: later, and much more is refused.
    assert slower.latency.at_ms(99.0) > bare.latency.at_ms(99.0)
    assert slower.counts["refused"] > 5 * bare.counts["refused"]
    # All of the deadline in reserve: a busy replica takes nothing.
    cautious = run(dataclasses.replace(plain, reserve_share=1.0), times)
    assert cautious.counts["refused"] > 100 * bare.counts["refused"]
    assert cautious.latency.at_ms(99.0) < 0.5 * bare.latency.at_ms(99.0)


def test_a_handover_is_what_a_worker_takes_beside_what_was_asked_for() -> None:
    text = "7 0.5 10.0 10.6\n9 1.0 10.0 11.0\n7 0.25 10.7 11.0\n9 1.0 11.1 12.1\n7 0.5 11.2 11."
    batches = read_notes(text)  # the last line is cut
    assert [one.thread for one in batches] == [7, 9, 7, 9]
    assert mean_handover_s(batches) == pytest.approx((0.2 + 0.1) / 2)
    with pytest.raises(ValueError, match="two batches"):
        mean_handover_s(batches[:2])


def test_below_its_capacity_a_fleet_refuses_nothing_and_above_it_the_rest() -> None:
    times = steady(0.0002)
    each = capacity(times)
    for share, least, most in ((0.3, 0.0, 0.0), (2.0, 0.3, 0.7)):
        fleet = Fleet(3, "least connections", share, each, 15.0, 5.0)
        outcome = run(fleet, times)
        refused = outcome.tokens["refused"] / sum(outcome.tokens.values())
        assert least <= refused <= most
        # Whoever was accepted got a verdict in time, nearly always.
        assert outcome.counts["late"] <= 0.02 * sum(outcome.counts.values())
        assert outcome.latency.at_ms(100.0) <= 1000.0
    assert run(fleet, times).document(fleet) == outcome.document(fleet)  # the seed decides


@pytest.mark.parametrize("name", BALANCERS)
def test_every_replica_gets_its_share(name: str) -> None:
    balancer = BALANCERS[name](5, random.Random(0))
    picked = [balancer.pick() for _ in range(1000)]
    counts = Counter(picked)
    assert set(counts) == set(range(5))
    assert max(counts.values()) - min(counts.values()) <= 20
    for one in picked:
        balancer.give_back(one)


def test_least_connections_prefers_who_has_least() -> None:
    balancer = BALANCERS["least connections"](3, random.Random(0))
    first = [balancer.pick() for _ in range(6)]
    balancer.give_back(first[0])
    assert balancer.pick() == first[0]


def test_the_committed_times_and_the_command_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(load()) > 200
    monkeypatch.setattr("loadtests.fleet.__main__._REQUESTS", 40)
    monkeypatch.setattr("loadtests.fleet.__main__._SHORTEST_S", dict.fromkeys(SHARES, 0.5))
    result, picture = tmp_path / "fleet.json", tmp_path / "fleet.png"
    for _ in range(2):  # the second finds everything done
        assert main(["simulate", "--replicas", "2", "3", "--output", str(result)]) == 0
        content = result.read_text()
    assert content.count('"balancer"') == 2 * len(SHARES) * len(BALANCERS)
    assert main(["plot", str(result), str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (min(SIZES), max(SIZES)) == (2, 1000)


def test_the_proxys_configuration_is_the_committed_one_with_other_addresses() -> None:
    text = haproxy.configured(["http://127.0.0.1:1", "http://127.0.0.1:2"], port=3)
    committed = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
    assert text.count("    server s0 127.0.0.1:1\n    server s1 127.0.0.1:2\n") == 2
    assert "    bind 127.0.0.1:3\n" in text
    assert len(text.splitlines()) == len(committed.splitlines())
    assert text.count("balance leastconn") == 2
