"""Never another text's score; a failure is never kept; who leaves takes nobody with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.errors import DeadlineExceeded, InferenceFailed, NotReady, QueueFull
from postern.contract.exchange import Exchange
from postern.judging.score_cache import ScoreCache
from postern.metrics import Metrics

HANG_S = 180.0
PARTS = st.text(alphabet="ab,:0\u00e9", max_size=4)
EXCHANGES = st.builds(Exchange, PARTS, st.none() | PARTS)


def run(case: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(HANG_S):
            await case

    asyncio.run(bounded())


def new_cache(entries: int = 100, metrics: Metrics | None = None) -> ScoreCache[str]:
    return ScoreCache(entries=entries, artifact_sha256="0" * 64, metrics=metrics or Metrics())


class Model:
    """Computes "<text>!" for each place; slow or failing on cue, and counts."""

    def __init__(self, texts: Sequence[str], log: Counter[str]) -> None:
        self.texts = texts
        self.log = log
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None
        self.entered = asyncio.Event()

    async def __call__(self, places: Sequence[int]) -> Sequence[str]:
        self.log.update(self.texts[place] for place in places)
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return [f"{self.texts[place]}!" for place in places]


def keys(texts: Sequence[str]) -> list[bytes]:
    return [text.encode() for text in texts]


@given(one=st.tuples(EXCHANGES, st.integers(0, 3)), other=st.tuples(EXCHANGES, st.integers(0, 3)))
def test_keys_are_equal_for_the_same_text_of_the_same_caller_alone(
    one: tuple[Exchange, int], other: tuple[Exchange, int]
) -> None:
    cache = new_cache()
    same = cache.key(one[0], caller=one[1]) == cache.key(other[0], caller=other[1])
    assert same == (one == other)
    assert cache.key(one[0], caller=one[1]) != new_cache().key(one[0], caller=one[1])


REQUESTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5),
        st.sampled_from(["fine"] * 4 + ["fails", "leaves", "leaves at once"]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=100)
@given(requests=REQUESTS, entries=st.integers(1, 8))
def test_every_request_gets_its_own_scores_whatever_others_do(
    requests: list[tuple[list[str], str, int]], entries: int
) -> None:
    async def case() -> None:
        cache, log = new_cache(entries), Counter[str]()
        tasks = []
        for texts, fate, pause in requests:
            model = Model(texts, log)
            model.error = NotReady("on cue") if fate == "fails" else None
            task = asyncio.create_task(cache.scores(keys(texts), model, timeout_s=HANG_S))
            if fate == "leaves at once":
                task.cancel()
            tasks.append(task)
            for _ in range(pause):
                await asyncio.sleep(0)
            if fate == "leaves":
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for (texts, fate, _), result in zip(requests, results, strict=True):
            if isinstance(result, list):
                assert result == [f"{text}!" for text in texts]
            else:
                assert fate != "fine"
                assert isinstance(result, NotReady if fate == "fails" else asyncio.CancelledError)
        assert len(cache) <= entries
        assert not cache._flights

    run(case())


def test_a_text_is_computed_once_and_then_known() -> None:
    async def case() -> None:
        metrics = Metrics()
        cache, log = new_cache(metrics=metrics), Counter[str]()
        model = Model(["a", "b", "a"], log)
        model.gate = asyncio.Event()
        first = asyncio.create_task(cache.scores(keys("aba"), model, timeout_s=HANG_S))
        await model.entered.wait()
        second = asyncio.create_task(cache.scores(keys("bc"), Model("bc", log), timeout_s=HANG_S))
        await asyncio.sleep(0)
        model.gate.set()
        assert await first == ["a!", "b!", "a!"]
        assert await second == ["b!", "c!"]
        assert await cache.scores(keys("cab"), Model("cab", log), timeout_s=HANG_S) == [
            *("c!", "a!", "b!")
        ]
        assert log == {"a": 1, "b": 1, "c": 1}
        lookups = {
            outcome: metrics.registry.get_sample_value(
                "postern_cache_lookups_total", {"outcome": outcome}
            )
            for outcome in ("hit", "miss", "joined")
        }
        assert lookups == {"hit": 3.0, "miss": 3.0, "joined": 2.0}

    run(case())


def test_a_failure_is_raised_to_its_request_alone_and_never_kept() -> None:
    async def case() -> None:
        cache, log = new_cache(), Counter[str]()
        failing = Model("a", log)
        failing.gate, failing.error = asyncio.Event(), InferenceFailed("on cue")
        leader = asyncio.create_task(cache.scores(keys("a"), failing, timeout_s=HANG_S))
        await failing.entered.wait()
        follower = asyncio.create_task(cache.scores(keys("a"), Model("a", log), timeout_s=HANG_S))
        await asyncio.sleep(0)
        failing.gate.set()
        with pytest.raises(InferenceFailed):
            await leader
        assert await follower == ["a!"]
        assert log["a"] == 2
        again = Model("b", log)
        again.error = InferenceFailed("on cue")
        for _ in range(2):
            with pytest.raises(InferenceFailed):
                await cache.scores(keys("b"), again, timeout_s=HANG_S)
        assert log["b"] == 2

    run(case())


def test_a_leader_that_leaves_does_not_cancel_its_followers() -> None:
    async def case() -> None:
        cache, log = new_cache(), Counter[str]()
        model = Model("a", log)
        model.gate = asyncio.Event()
        leader = asyncio.create_task(cache.scores(keys("a"), model, timeout_s=HANG_S))
        await model.entered.wait()
        follower = asyncio.create_task(cache.scores(keys("a"), model, timeout_s=HANG_S))
        await asyncio.sleep(0)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        model.gate.set()
        assert await follower == ["a!"]
        assert log == {"a": 1}

    run(case())


def test_when_all_leave_the_work_ends() -> None:
    async def case() -> None:
        cache, log = new_cache(), Counter[str]()
        model = Model("a", log)
        model.gate = asyncio.Event()
        waiting = [
            asyncio.create_task(cache.scores(keys("a"), model, timeout_s=HANG_S)) for _ in range(3)
        ]
        await model.entered.wait()
        (flight,) = cache._flights.values()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.wait({flight.task})
        assert flight.task.cancelled()
        assert not cache._flights
        assert not len(cache)

    run(case())


def test_a_follower_keeps_its_own_deadline() -> None:
    async def case() -> None:
        cache, log = new_cache(), Counter[str]()
        model = Model("a", log)
        model.gate = asyncio.Event()
        leader = asyncio.create_task(cache.scores(keys("a"), model, timeout_s=HANG_S))
        await model.entered.wait()
        with pytest.raises(DeadlineExceeded):
            await cache.scores(keys("a"), model, timeout_s=0.01)
        model.gate.set()
        assert await leader == ["a!"]

    run(case())


def test_a_failure_names_its_place_among_all_of_the_request() -> None:
    async def case() -> None:
        cache, log = new_cache(), Counter[str]()
        await cache.scores(keys("ab"), Model("ab", log), timeout_s=HANG_S)
        one = Model("abx", log)
        one.error = InferenceFailed("on cue")  # of a single one: it names no place
        with pytest.raises(InferenceFailed) as failed:
            await cache.scores(keys("abx"), one, timeout_s=HANG_S)
        assert failed.value.index == 2
        two = Model("axby", log)
        two.error = InferenceFailed("on cue")
        two.error.index = 1
        with pytest.raises(InferenceFailed) as failed:
            await cache.scores(keys("axby"), two, timeout_s=HANG_S)
        assert failed.value.index == 3
        full = Model("az", log)
        full.error = QueueFull(waiting_tokens=1, retry_after_s=1.0)
        with pytest.raises(QueueFull) as refused:
            await cache.scores(keys("az"), full, timeout_s=HANG_S)
        assert refused.value.index is None  # the server's trouble, not the exchange's

    run(case())


def test_the_least_recently_used_goes_first() -> None:
    async def case() -> None:
        cache, log = new_cache(2), Counter[str]()
        for text in ("a", "b", "a", "c", "a", "b"):
            await cache.scores(keys(text), Model(text, log), timeout_s=HANG_S)
        assert log == {"a": 1, "b": 2, "c": 1}

    run(case())
