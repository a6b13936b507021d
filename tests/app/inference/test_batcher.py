"""No entry is lost, duplicated, reordered or answered with another's logits, whatever happens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.errors import (
    DeadlineExceeded,
    DeadlineUnreachable,
    ExchangeTooLong,
    InferenceFailed,
    NotReady,
    QueueFull,
)
from postern.contract.windows import Window
from postern.inference.batcher import WORTH_ALL_THREADS, Batcher, BatchLimits
from postern.inference.cost_model import CostModel
from postern.inference.entries import Model, Scored
from postern.metrics import Metrics

from tests.fakes import FakeSession, ManualClock, encoding_of, fingerprint, window_of

HANG_S = 180.0
FAR = 1e9


def run(case: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(HANG_S):
            await case

    asyncio.run(bounded())


def queue_tokens(metrics: Metrics) -> float:
    value = metrics.registry.get_sample_value("postern_queue_tokens")
    assert value is not None
    return value


def new_batcher(
    session: FakeSession,
    *,
    batch_tokens: int = 256,
    queue_tokens: int = 100_000,
    workers: int = 1,
    clock: Callable[[], float] | None = None,
    cost: CostModel | None = None,
    alone: FakeSession | None = None,
    ahead: int = 0,
) -> tuple[Batcher, Metrics]:
    metrics = Metrics()
    options: dict[str, Any] = {} if clock is None else {"clock": clock}
    limits = BatchLimits(batch_tokens, queue_tokens, ahead=ahead)
    run_alone = None if alone is None else alone.run
    batcher = Batcher(
        session.run,
        run_alone=run_alone,
        limits=limits,
        workers=workers,
        metrics=metrics,
        cost=cost,
        **options,
    )
    return batcher, metrics


async def ticks(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, HANG_S)


def assert_own(scored: Scored, windows: Sequence[Window]) -> None:
    np.testing.assert_array_equal(scored.logits, fingerprint(windows))
    assert scored.queue_s >= 0.0
    assert scored.inference_s >= 0.0


# --- one request of the random load -----------------------------------------------------------

# Marks inside a window that make the fake model misbehave; window numbers start above them.
RAISE, NAN, MISSHAPE, GARBAGE = 1, 2, 3, 4
FATES = st.sampled_from(
    ["fine"] * 6 + ["raise", "nan", "misshape", "garbage", "expired", "cancelled", "left early"]
)
MARKS = {"raise": RAISE, "nan": NAN, "misshape": MISSHAPE, "garbage": GARBAGE}


@dataclass(frozen=True)
class Request:
    encodings: tuple[tuple[int, ...], ...]  # lengths of windows
    fate: str
    wait_ticks: int
    wait_ms: int


REQUESTS = st.builds(
    Request,
    encodings=st.lists(
        st.lists(st.integers(2, 300), min_size=1, max_size=4).map(tuple), min_size=1, max_size=3
    ).map(tuple),
    fate=FATES,
    wait_ticks=st.integers(0, 3),
    wait_ms=st.integers(0, 1),
)


class Load:
    """Builds the windows of requests, numbered, so that each can be told from all others."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        number = 100
        self.windows: list[list[list[Window]]] = []
        for request in requests:
            encodings = []
            for lengths in request.encodings:
                own = []
                for length in lengths:
                    window = window_of(number, length)
                    window.ids[-1] = MARKS.get(request.fate, 0)
                    number += 1
                    own.append(window)
                encodings.append(own)
            self.windows.append(encodings)

    def ids(self, index: int) -> set[int]:
        return {int(w.ids[0]) for windows in self.windows[index] for w in windows}


@settings(max_examples=60)
@given(
    requests=st.lists(REQUESTS, min_size=1, max_size=14),
    batch_tokens=st.integers(64, 1500),
    workers=st.integers(1, 3),
    ahead=st.integers(0, 2),
)
def test_every_entry_gets_its_own_answer_under_any_load(
    requests: list[Request], batch_tokens: int, workers: int, ahead: int
) -> None:
    session = FakeSession(
        raise_for=[RAISE], nan_for=[NAN], misshape_for=[MISSHAPE], garbage_for=[GARBAGE]
    )
    load = Load(requests)

    async def one(batcher: Batcher, index: int) -> list[Scored]:
        encodings = [encoding_of(*windows) for windows in load.windows[index]]
        expired = load.requests[index].fate == "expired"
        return await batcher.submit(encodings, deadline=-FAR if expired else FAR)

    async def case() -> None:
        batcher, metrics = new_batcher(
            session, batch_tokens=batch_tokens, workers=workers, ahead=ahead
        )
        batcher.start()
        tasks = []
        for index, request in enumerate(requests):
            task = asyncio.create_task(one(batcher, index))
            if request.fate == "left early":
                await asyncio.sleep(0)
                task.cancel()
            tasks.append(task)
            await ticks(request.wait_ticks)
            if request.wait_ms:
                await asyncio.sleep(request.wait_ms / 1000.0)
            if request.fate == "cancelled":
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for index, (request, result) in enumerate(zip(requests, results, strict=True)):
            if request.fate == "fine":
                assert isinstance(result, list), result
                for scored, windows in zip(result, load.windows[index], strict=True):
                    assert_own(scored, windows)
            elif request.fate in MARKS:
                assert isinstance(result, InferenceFailed)
            elif request.fate == "expired":
                assert isinstance(result, DeadlineExceeded | DeadlineUnreachable)
            else:
                assert isinstance(result, asyncio.CancelledError | list)
        assert queue_tokens(metrics) == 0.0
        # The workers have survived all that.
        last = window_of(99, 5)
        (scored,) = await batcher.submit([encoding_of(last)], deadline=FAR)
        assert_own(scored, [last])
        await batcher.close()
        assert not batcher.left_behind

    run(case())
    _assert_batches_are_lawful(session, load, batch_tokens)


def _assert_batches_are_lawful(session: FakeSession, load: Load, batch_tokens: int) -> None:
    for batch in session.seen:
        longest = max(window.length for window in batch)
        assert len(batch) == 1 or longest * len(batch) <= batch_tokens
        assert len({int(window.ids[0]) for window in batch}) == len(batch)
    seen = session.seen_ids
    poisoned = {
        w.ids[0] for b in session.seen for w in b if w.ids[-1] in (RAISE, MISSHAPE, GARBAGE)
    }
    for index, request in enumerate(load.requests):
        ids = load.ids(index)
        if request.fate == "expired":
            assert not ids & set(seen)
        if request.fate == "fine":
            assert ids <= set(seen)
            if not poisoned:  # only a failed batch is run again
                assert all(seen.count(number) == 1 for number in ids)


# --- what is taken into a batch ---------------------------------------------------------------


def test_a_free_worker_takes_what_waits_at_once() -> None:
    """No timer: while the model is busy entries gather, and all of them are the next batch."""
    gate = threading.Event()
    session = FakeSession(gate=gate)

    async def case() -> None:
        batcher, metrics = new_batcher(session)
        batcher.start()
        first = asyncio.create_task(batcher.submit([encoding_of(window_of(100, 8))], deadline=FAR))
        await until(session.entered)
        encodings = [encoding_of(window_of(101 + index, 8)) for index in range(9)]
        rest = [asyncio.create_task(batcher.submit([e], deadline=FAR)) for e in encodings]
        await ticks()
        assert queue_tokens(metrics) == 72.0
        gate.set()
        await asyncio.gather(first, *rest)
        await batcher.close()

    run(case())
    assert [len(batch) for batch in session.seen] == [1, 9]


def test_a_batch_has_all_threads_only_while_nothing_is_beside_or_behind_it() -> None:
    gate = threading.Event()
    shared, alone = FakeSession(), FakeSession(gate=gate)
    cost = CostModel()

    async def case() -> None:
        batcher, _ = new_batcher(shared, alone=alone, workers=2, cost=cost)
        batcher.start()
        submit = batcher.submit
        first = asyncio.create_task(submit([encoding_of(window_of(100, 160))], deadline=FAR))
        await until(alone.entered)
        assert cost.coefficients() == CostModel().coefficients()
        # Beside it, one after the other: each has nothing behind it, but the first one beside it.
        for number in (101, 102):
            window = window_of(number, 8)
            (scored,) = await submit([encoding_of(window)], deadline=FAR)
            assert_own(scored, [window])
        gate.set()
        await first
        (scored,) = await submit([encoding_of(window_of(103, 160))], deadline=FAR)
        # Two full batches at once: what waits behind the first has the other worker.
        both = [encoding_of(window_of(number, 200)) for number in (104, 105)]
        assert len(await submit(both, deadline=FAR)) == 2
        # Too short for more threads to save time.
        await submit([encoding_of(window_of(106, WORTH_ALL_THREADS // 2))], deadline=FAR)
        await batcher.close()

    run(case())
    assert [sorted(w.ids[0] for w in batch) for batch in alone.seen] == [[100], [103]]
    assert sorted(shared.seen_ids) == [101, 102, 104, 105, 106]


def test_what_a_batch_alone_took_is_no_measure_of_batches_side_by_side() -> None:
    cost = CostModel()

    async def case() -> None:
        batcher, metrics = new_batcher(FakeSession(), alone=FakeSession(), workers=2, cost=cost)
        batcher.start()
        await batcher.submit([encoding_of(window_of(100, 160))], deadline=FAR)
        await batcher.close()
        assert metrics.registry.get_sample_value("postern_batch_windows_count") == 1.0

    run(case())
    assert not cost.is_known


# --- who has left, whose time is over ---------------------------------------------------------


def _behind_a_busy_model(
    case: Callable[[Batcher, Metrics, ManualClock, threading.Event], Awaitable[None]],
    session: FakeSession,
    gate: threading.Event,
    **options: Any,
) -> None:
    """Runs `case` while a first entry keeps the only worker busy until the gate opens."""
    clock = ManualClock()

    async def whole() -> None:
        batcher, metrics = new_batcher(session, clock=clock, **options)
        batcher.start()
        entry = encoding_of(window_of(99, 50))
        first = asyncio.create_task(batcher.submit([entry], deadline=clock() + FAR))
        await until(session.entered)
        try:
            await case(batcher, metrics, clock, gate)
        finally:
            gate.set()
        assert_own((await first)[0], [window_of(99, 50)])
        await batcher.close()
        assert queue_tokens(metrics) == 0.0

    run(whole())


def test_an_abandoned_entry_never_reaches_the_model() -> None:
    gate = threading.Event()
    session = FakeSession(gate=gate)

    async def case(
        batcher: Batcher, metrics: Metrics, clock: ManualClock, gate: threading.Event
    ) -> None:
        windows = [window_of(100 + index, 20) for index in range(3)]
        left = asyncio.create_task(
            batcher.submit([encoding_of(*windows[:2])], deadline=clock() + FAR)
        )
        stays = asyncio.create_task(
            batcher.submit([encoding_of(windows[2])], deadline=clock() + FAR)
        )
        await ticks()
        assert queue_tokens(metrics) == 60.0
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert queue_tokens(metrics) == 20.0
        gate.set()
        assert_own((await stays)[0], windows[2:])

    _behind_a_busy_model(case, session, gate)
    assert session.seen_ids == [99, 102]


def test_an_expired_entry_never_reaches_the_model() -> None:
    gate = threading.Event()
    session = FakeSession(gate=gate)

    async def case(
        batcher: Batcher, metrics: Metrics, clock: ManualClock, gate: threading.Event
    ) -> None:
        late = asyncio.create_task(
            batcher.submit([encoding_of(window_of(100, 20))], deadline=clock() + 500.0)
        )
        stays = asyncio.create_task(
            batcher.submit([encoding_of(window_of(101, 20))], deadline=clock() + 5000.0)
        )
        await ticks()
        clock.advance(1000.0)
        gate.set()
        with pytest.raises(DeadlineExceeded):
            await late
        await stays

    _behind_a_busy_model(case, session, gate)
    assert session.seen_ids == [99, 101]


def test_waiting_ends_at_the_deadline_though_the_model_hangs() -> None:
    gate = threading.Event()
    session = FakeSession(gate=gate)

    async def case(
        batcher: Batcher, metrics: Metrics, clock: ManualClock, gate: threading.Event
    ) -> None:
        with pytest.raises(DeadlineExceeded):
            await batcher.submit([encoding_of(window_of(100, 20))], deadline=clock() + 0.01)
        assert queue_tokens(metrics) == 0.0
        clock.advance(7.0)
        assert batcher.stalled_s() == 7.0

    _behind_a_busy_model(case, session, gate)
    assert session.seen_ids == [99]


# --- who is refused at the door ---------------------------------------------------------------


def test_a_full_queue_refuses_and_keeps_nothing() -> None:
    gate = threading.Event()
    session = FakeSession(gate=gate)

    async def case(
        batcher: Batcher, metrics: Metrics, clock: ManualClock, gate: threading.Event
    ) -> None:
        far = clock() + FAR
        fits = asyncio.create_task(batcher.submit([encoding_of(window_of(100, 80))], deadline=far))
        await ticks()
        with pytest.raises(QueueFull) as refused:
            await batcher.submit([encoding_of(window_of(101, 21))], deadline=far)
        assert refused.value.waiting_tokens == 80
        assert refused.value.retry_after_s > 0.0
        assert queue_tokens(metrics) == 80.0
        # A request is taken or refused as a whole.
        parts = [encoding_of(window_of(110 + index, 10)) for index in range(3)]
        with pytest.raises(QueueFull):
            await batcher.submit(parts, deadline=far)
        with pytest.raises(ExchangeTooLong):  # waiting would not help
            await batcher.submit([encoding_of(window_of(102, 101))], deadline=far)
        exactly = asyncio.create_task(
            batcher.submit([encoding_of(window_of(103, 20))], deadline=far)
        )
        await ticks()
        assert queue_tokens(metrics) == 100.0
        gate.set()
        await asyncio.gather(fits, exactly)

    _behind_a_busy_model(case, session, gate, queue_tokens=100)
    assert sorted(session.seen_ids) == [99, 100, 103]


def test_a_finish_past_the_deadline_is_refused_once_the_cost_is_known() -> None:
    clock = ManualClock()
    gate = threading.Event()
    gate.set()

    def costly(windows: Sequence[Window]) -> np.ndarray:
        clock.advance(0.1 * len(windows) * max(window.length for window in windows))
        return fingerprint(windows)

    session = FakeSession(costly, gate=gate)

    async def case() -> None:
        batcher, metrics = new_batcher(session, clock=clock)
        batcher.start()
        for number, length in enumerate([48, 16, 80, 32, 64, 8]):  # 0.1 s for each token
            window = window_of(100 + number, length)
            await batcher.submit([encoding_of(window)], deadline=clock() + FAR)
        gate.clear()
        session.entered.clear()
        busy = asyncio.create_task(
            batcher.submit([encoding_of(window_of(110, 48))], deadline=clock() + FAR)
        )
        await until(session.entered)
        with pytest.raises(DeadlineUnreachable) as refused:
            await batcher.submit([encoding_of(window_of(111, 24))], deadline=clock() + 5.0)
        # 7.2 s by the cost model, and a fifth while nothing is known of how predictions turn out.
        assert refused.value.predicted_s == pytest.approx(1.2 * 7.2, rel=0.1)
        assert refused.value.retry_after_s == pytest.approx(
            refused.value.predicted_s - 5.0, abs=1e-6
        )
        assert queue_tokens(metrics) == 0.0
        reachable = asyncio.create_task(
            batcher.submit([encoding_of(window_of(112, 24))], deadline=clock() + 9.0)
        )
        await ticks()
        gate.set()
        await asyncio.gather(busy, reachable)
        # An idle server tries whatever it is asked.
        await batcher.submit([encoding_of(window_of(113, 48))], deadline=clock() + 1.0)
        await batcher.close()

    run(case())
    assert session.seen_ids == [*range(100, 106), 110, 112, 113]


def test_the_backlog_of_another_caller_does_not_refuse_a_short_request() -> None:
    """What is ahead of a request is what fair sharing serves before it, not all that waits."""
    gate = threading.Event()
    session = FakeSession(gate=gate)
    cost = CostModel()
    cost.observe(48, 1, 4.8)

    async def case(
        batcher: Batcher, metrics: Metrics, clock: ManualClock, gate: threading.Event
    ) -> None:
        flood = [
            asyncio.create_task(
                batcher.submit([encoding_of(window_of(i, 48))], deadline=clock() + FAR, caller=1)
            )
            for i in range(100, 140)
        ]
        await ticks()
        with pytest.raises(DeadlineUnreachable):
            await batcher.submit(
                [encoding_of(window_of(200, 24))], deadline=clock() + 60.0, caller=1
            )
        modest = asyncio.create_task(
            batcher.submit([encoding_of(window_of(201, 24))], deadline=clock() + 60.0, caller=2)
        )
        await ticks()
        gate.set()
        await asyncio.gather(modest, *flood)

    _behind_a_busy_model(case, session, gate, batch_tokens=64, cost=cost)
    assert 201 in session.seen_ids[:4]


# --- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("x"),
        MemoryError(),
        StopIteration(),  # cannot be raised into a future
        SystemExit(3),  # would end the event loop
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_the_model_raises_poison_answers_for_itself_alone(error: BaseException) -> None:
    gate = threading.Event()
    session = FakeSession(raise_for=[RAISE], error=error, gate=gate)

    async def case(
        batcher: Batcher, metrics: Metrics, clock: ManualClock, gate: threading.Event
    ) -> None:
        poison = window_of(100, 10)
        poison.ids[-1] = RAISE
        mates = [window_of(101 + index, 10) for index in range(4)]
        tasks = [
            asyncio.create_task(batcher.submit([encoding_of(w)], deadline=clock() + FAR))
            for w in (*mates[:2], poison, *mates[2:])
        ]
        await ticks()
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        failure = results.pop(2)
        assert isinstance(failure, InferenceFailed)
        assert type(error).__name__ in str(failure)
        for result, mate in zip(results, mates, strict=True):
            assert isinstance(result, list)
            assert_own(result[0], [mate])
        assert metrics.registry.get_sample_value("postern_inference_failures_total") == 1.0

    _behind_a_busy_model(case, session, gate)


def test_a_failed_window_fails_its_request_and_frees_its_siblings() -> None:
    gate = threading.Event()
    session = FakeSession(nan_for=[NAN], gate=gate)

    async def case(
        batcher: Batcher, metrics: Metrics, clock: ManualClock, gate: threading.Event
    ) -> None:
        windows = [window_of(100 + index, 100) for index in range(8)]
        windows[0].ids[-1] = NAN
        task = asyncio.create_task(batcher.submit([encoding_of(*windows)], deadline=clock() + FAR))
        await ticks()
        gate.set()
        with pytest.raises(InferenceFailed):
            await task
        assert queue_tokens(metrics) == 0.0

    _behind_a_busy_model(case, session, gate, batch_tokens=100)
    assert len(session.seen_ids) < 9  # what still waited was given up


def test_a_failure_names_the_exchange_to_blame() -> None:
    gate = threading.Event()
    session = FakeSession(nan_for=[NAN], gate=gate)

    async def case(
        batcher: Batcher, metrics: Metrics, clock: ManualClock, gate: threading.Event
    ) -> None:
        windows = [window_of(100 + index, 10) for index in range(6)]
        windows[3].ids[-1] = NAN
        several = [encoding_of(*windows[:2]), encoding_of(*windows[2:5]), encoding_of(windows[5])]
        tasks = [
            asyncio.create_task(batcher.submit(encodings, deadline=clock() + FAR))
            for encodings in (several, several[1:2])
        ]
        await ticks()
        gate.set()
        blamed = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(error, InferenceFailed) for error in blamed)
        assert [error.index for error in blamed if isinstance(error, InferenceFailed)] == [1, None]

    _behind_a_busy_model(case, session, gate)


def test_closing_answers_what_waits_and_leaves_a_hanging_model_behind() -> None:
    gate = threading.Event()
    session = FakeSession(gate=gate)

    async def case() -> None:
        batcher, metrics = new_batcher(session)
        batcher.start()
        stuck = asyncio.create_task(batcher.submit([encoding_of(window_of(100, 8))], deadline=FAR))
        await until(session.entered)
        waits = asyncio.create_task(batcher.submit([encoding_of(window_of(101, 8))], deadline=FAR))
        await ticks()
        await batcher.close()  # returns, though the model does not
        assert batcher.left_behind
        with pytest.raises(NotReady):
            await waits
        with pytest.raises(NotReady):
            await batcher.submit([encoding_of(window_of(102, 8))], deadline=FAR)
        assert queue_tokens(metrics) == 0.0
        stuck.cancel()
        gate.set()

    run(case())
    assert session.seen_ids == [100]


def test_the_figures_of_a_batch_are_counted() -> None:
    session = FakeSession()

    async def case() -> None:
        batcher, metrics = new_batcher(session)
        windows = [window_of(100, 10), window_of(101, 30)]
        task = asyncio.create_task(batcher.submit([encoding_of(*windows)], deadline=FAR))
        await ticks()
        batcher.start()
        await task
        await ticks()
        sample = metrics.registry.get_sample_value
        assert sample("postern_batch_windows_sum") == 2.0
        assert sample("postern_batch_tokens_sum") == 64.0  # rounded up to a multiple of 8
        assert sample("postern_padding_ratio_sum") == pytest.approx(1.0 - 40.0 / 64.0)
        assert batcher.last_success > 0.0
        await batcher.close()

    run(case())


def test_each_student_gets_its_own_windows_and_fails_alone() -> None:
    """One queue, two models: rows of their own width, and a failure that stays with its student."""

    def broken(windows: Sequence[Window]) -> np.ndarray:
        raise OSError("the second model is broken")

    async def case() -> None:
        first, second = FakeSession(), FakeSession(lambda windows: np.full((len(windows), 3), 7.0))
        models = [
            Model(second.run, second.run, CostModel(), 3),
            Model(broken, broken, CostModel(), 2),
        ]
        batcher = Batcher(
            first.run,
            limits=BatchLimits(256, 100_000),
            workers=1,
            metrics=Metrics(),
            further=models,
        )
        batcher.start()
        ours = encoding_of(window_of(1, 8), window_of(2, 12))
        others = [
            replace(encoding_of(window_of(3, 8), window_of(4, 9)), student=place)
            for place in (1, 2)
        ]
        mixed = await batcher.submit([ours, others[0], ours], deadline=FAR)
        assert [one.logits.shape for one in mixed] == [(2, 2), (2, 3), (2, 2)]
        assert np.array_equal(mixed[0].logits, mixed[2].logits)
        assert (mixed[1].logits == 7.0).all()
        alone = await batcher.submit([ours], deadline=FAR)
        assert np.array_equal(alone[0].logits, mixed[0].logits)
        with pytest.raises(InferenceFailed) as failed:
            await batcher.submit([ours, others[1]], deadline=FAR)
        assert failed.value.index == 1
        assert np.isfinite((await batcher.submit([ours], deadline=FAR))[0].logits).all()
        await batcher.close()

    run(case())
