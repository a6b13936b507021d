"""What goes first: nobody starves, callers share, padding stays small, nothing is lost."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.inference.batch_queue import (
    LOOK_AHEAD,
    OVERTAKEN_AT_MOST,
    PADDING_SHARE,
    PADDING_TOKENS,
    SHORTER_FIRST,
    STEP_ASIDE,
    BatchQueue,
    Waiting,
)

from tests.fakes import window_of

LENGTHS = st.integers(2, 192)
REQUESTS = st.lists(
    st.tuples(st.integers(0, 3), st.lists(LENGTHS, min_size=1, max_size=8)), min_size=1, max_size=30
)


def entries_of(lengths: list[int], *, first: int = 100) -> list[Waiting]:
    return [Waiting(window_of(first + index, length)) for index, length in enumerate(lengths)]


def keep(_: Waiting) -> bool:
    return False


def take(queue: BatchQueue[Waiting], *, idle_workers: int = 1) -> list[Waiting]:
    batch, dropped = queue.take(drop=keep, idle_workers=idle_workers)
    assert not dropped
    return batch


def drained(queue: BatchQueue[Waiting]) -> list[list[Waiting]]:
    batches = []
    while batch := take(queue):
        batches.append(batch)
    return batches


def padded(batch: list[Waiting]) -> int:
    return len(batch) * max(entry.length for entry in batch)


@given(lengths=st.lists(LENGTHS, min_size=1, max_size=30), room=st.integers(0, 900))
def test_a_batch_is_no_larger_than_the_room_of_its_first(lengths: list[int], room: int) -> None:
    """That is the time that is left to it. The first is taken in any case, and nothing is lost."""
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=600)
    queue.add(entries_of(lengths), caller=0)
    asked: list[Waiting] = []

    def noted(entry: Waiting) -> int:
        asked.append(entry)
        return room

    left = len(lengths)
    while queue.tokens:
        first = next(iter(queue))
        batch, _ = queue.take(drop=keep, room=noted)
        assert asked.pop() is first
        assert len(batch) == 1 or padded(batch) <= min(room, 600)
        left -= len(batch)
    assert left == 0


@settings(max_examples=50)
@given(
    requests=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.lists(LENGTHS, min_size=1, max_size=8)),
        min_size=1,
        max_size=30,
    )
)
def test_a_batch_is_for_one_student_and_none_starves(
    requests: list[tuple[int, int, list[int]]],
) -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=400)
    added = 0
    for caller, student, lengths in requests:
        entries = entries_of(lengths)
        for entry in entries:
            entry.student = student
        queue.add(entries, caller=caller)
        added += len(entries)
    batches = drained(queue)
    assert sum(map(len, batches)) == added
    for batch in batches:
        assert len({entry.student for entry in batch}) == 1
        # One more for each window that is overdue at the same time, of whatever student.
        assert all(entry.overtaken <= OVERTAKEN_AT_MOST + added for entry in batch)


def test_a_student_that_waits_too_long_comes_first() -> None:
    """Even if a caller that was served less keeps asking another student."""
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=64)
    (rare,) = entries_of([190])
    rare.student = 1
    queue.add([rare], caller=0)
    for turn in range(3 * OVERTAKEN_AT_MOST):
        queue.add(entries_of([32], first=200 + turn), caller=0)
        queue.add(entries_of([32], first=300 + turn), caller=0)
        if rare in take(queue):
            break
    else:
        pytest.fail("the other student never came first")
    assert rare.overtaken <= OVERTAKEN_AT_MOST


@settings(max_examples=100)
@given(requests=REQUESTS, budget=st.integers(64, 900), data=st.data())
def test_everything_leaves_once_within_the_budget_and_with_little_padding(
    requests: list[tuple[int, list[int]]], budget: int, data: st.DataObject
) -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=budget)
    entries: list[Waiting] = []
    for caller, lengths in requests:
        own = entries_of(lengths)
        queue.add(own, caller=caller)
        entries += own
    abandoned = [e for e in entries if data.draw(st.booleans(), label="abandoned")]
    assert all(queue.remove(entry) for entry in abandoned)
    assert not any(queue.remove(entry) for entry in abandoned)
    gone = {id(e) for e in entries if data.draw(st.booleans(), label="dropped")}
    seen: Counter[int] = Counter(id(entry) for entry in abandoned)
    while queue.tokens:
        batch, dropped = queue.take(
            drop=lambda entry: id(entry) in gone, idle_workers=data.draw(st.integers(1, 3))
        )
        assert all(id(entry) in gone for entry in dropped)
        assert not any(id(entry) in gone for entry in batch)
        seen.update(id(entry) for entry in batch + dropped)
        if batch and not any(entry.overtaken >= OVERTAKEN_AT_MOST for entry in batch):
            real = sum(entry.length for entry in batch)
            assert len(batch) == 1 or padded(batch) <= budget
            assert padded(batch) - real <= PADDING_TOKENS + PADDING_SHARE * real
        else:
            assert batch or dropped  # work-conserving: what waits is taken
    assert seen == Counter({id(entry): 1 for entry in entries})
    assert not len(queue)
    assert take(queue) == []


@settings(max_examples=100)
@given(
    arrivals=st.lists(st.lists(LENGTHS, max_size=12), min_size=1, max_size=60),
    budget=st.integers(64, 600),
)
def test_nobody_is_overtaken_by_more_batches_than_the_bound(
    arrivals: list[list[int]], budget: int
) -> None:
    """Between two batches new entries come, of lengths chosen to tempt the queue."""
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=budget)
    waiting: list[Waiting] = []
    kept: list[Waiting] = []  # so that no other entry gets the id of one that left
    overtaken: Counter[int] = Counter()
    for lengths in [*arrivals, *[[]] * 200]:
        for length in lengths:
            entry = Waiting(window_of(100, length))
            queue.add([entry], caller=0)
            waiting.append(entry)
            kept.append(entry)
        batch = take(queue)
        if not batch:
            continue
        last = max(entry.place for entry in batch)
        waiting = [entry for entry in waiting if entry not in batch]
        for entry in waiting:
            if entry.place < last:
                overtaken[id(entry)] += 1
                assert overtaken[id(entry)] <= OVERTAKEN_AT_MOST


def test_an_overtaken_entry_is_served_though_better_batches_wait() -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=200)
    queue.add([Waiting(window_of(1, 10))], caller=0)
    odd = Waiting(window_of(2, 190))
    queue.add([odd], caller=0)
    batches = 0
    while odd in set(queue):
        queue.add(entries_of([10] * 20), caller=0)
        take(queue)
        batches += 1
    # The head of the order is always served, so the odd one was overtaken once.
    assert batches == 2


@settings(max_examples=60)
@given(
    flood=st.lists(LENGTHS, min_size=1, max_size=6),
    modest=st.lists(LENGTHS, min_size=1, max_size=6),
    budget=st.integers(192, 1024),
    rounds=st.integers(1, 60),
)
def test_callers_that_wait_are_served_alike(
    flood: list[int], modest: list[int], budget: int, rounds: int
) -> None:
    """A caller with a hundred times as much waiting gets no more of the machine."""
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=budget)
    for _ in range(300):
        queue.add(entries_of(flood), caller=1)
    served: Counter[int] = Counter()
    for _ in range(rounds):
        while sum(entry.length for entry in queue if entry.caller == 2) < 6 * budget:
            queue.add(entries_of(modest), caller=2)
        if sum(entry.length for entry in queue if entry.caller == 1) < 6 * budget:
            break
        for entry in take(queue):
            served[entry.caller] += entry.length
        assert abs(served[1] - served[2]) <= (LOOK_AHEAD + 1) * budget + 192


def test_a_newcomer_goes_before_the_flood_of_another() -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=320)
    for _ in range(500):
        queue.add([Waiting(window_of(1, 32))], caller=1)
    for _ in range(10):
        take(queue)
    newcomer = Waiting(window_of(2, 40))
    queue.add([newcomer], caller=2)
    first, second = take(queue), take(queue)
    assert newcomer in first + second


def test_leaving_and_coming_back_gains_nothing() -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=64)
    served: Counter[int] = Counter()
    for _ in range(400):
        queue.add([Waiting(window_of(1, 60))], caller=1)
    for _ in range(200):
        if not any(entry.caller == 2 for entry in queue):
            queue.add([Waiting(window_of(2, 60))], caller=2)  # one at a time, at once again
        (entry,) = take(queue)
        served[entry.caller] += 1
    assert abs(served[1] - served[2]) <= 4


def test_a_long_text_steps_aside_and_still_gets_its_share() -> None:
    """Without keys: one text of a hundred windows beside a queue of short ones."""
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=400)
    long = entries_of([192] * 100)
    queue.add(long, caller=0)
    served: Counter[bool] = Counter()
    late = 0
    for _ in range(100):
        fresh = entries_of([40] * 10)
        for entry in fresh:
            queue.add([entry], caller=0)
        for _ in range(4):
            for entry in take(queue):
                served[entry.length == 192] += entry.length
        late = max(late, sum(entry in set(queue) for entry in fresh))
    short, tail = served[False], served[True]
    assert late <= 10  # the short ones wait for less than a round of their own
    assert tail >= short / (STEP_ASIDE + 1)


def test_alone_a_long_text_gets_all_of_the_machine() -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=400)
    queue.add(entries_of([192] * 100), caller=0)
    assert [len(batch) for batch in drained(queue)] == [2] * 50


def test_batch_mates_are_those_nearest_in_length() -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=64)
    for entry in entries_of([10, 90, 11, 80, 12, 9]):
        queue.add([entry], caller=0)
    assert [sorted(e.length for e in batch) for batch in drained(queue)] == [
        [9, 10, 11, 12],
        [80],
        [90],
    ]


def test_idle_workers_share_what_waits_unless_it_is_little() -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=2048)
    queue.add(entries_of([192] * 10), caller=0)
    assert len(take(queue, idle_workers=2)) == 5
    assert len(take(queue, idle_workers=1)) == 5
    queue.add(entries_of([20] * 6), caller=0)
    assert len(take(queue, idle_workers=2)) == 6


def test_batches_are_a_share_of_what_waits() -> None:
    """So that who comes next finds a free worker soon; under a backlog they are full."""
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=512, shares=8)
    queue.add(entries_of([32] * 16), caller=0)
    assert len(take(queue)) == 4  # a share would be 64 tokens: too few to save time
    queue.add(entries_of([32] * 500), caller=0)
    assert len(take(queue)) == 16


def test_shorter_ones_that_come_soon_after_go_first() -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=192)
    long = entries_of([192] * 4)
    queue.add(long, caller=0)
    (short,) = entries_of([20])
    queue.add([short], caller=0)
    assert take(queue) == [short]
    # Others pass for as long as twice the long one takes, and no longer.
    waits = 0
    while long[0] in set(queue):
        (fresh,) = entries_of([192])
        queue.add([fresh], caller=0)
        take(queue)
        waits += 1
    assert 4 <= waits <= 2 * SHORTER_FIRST * 4


@settings(max_examples=60)
@given(waiting=REQUESTS, caller=st.integers(0, 3), length=LENGTHS, budget=st.integers(256, 1024))
def test_what_is_said_to_be_ahead_is_about_what_is_served_first(
    waiting: list[tuple[int, list[int]]], caller: int, length: int, budget: int
) -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=budget)
    for other, lengths in waiting:
        queue.add(entries_of(lengths), caller=other)
    total = queue.tokens
    said = queue.ahead_of(length, caller=caller)
    assert 0 <= said.tokens <= total + len(waiting)
    asked = Waiting(window_of(7, length))
    queue.add([asked], caller=caller)
    before = 0
    while True:
        batch = take(queue)
        if asked in batch:
            break
        before += sum(entry.length for entry in batch)
    # Mates nearest in length come from further behind, of any caller: each batch that holds some
    # overtakes the asked one, and one more is what callers' turns are rounded to.
    assert before <= said.tokens + (OVERTAKEN_AT_MOST + 1) * budget


@pytest.mark.parametrize("count", [1, 3, 40])
def test_the_sums_follow_what_waits(count: int) -> None:
    queue: BatchQueue[Waiting] = BatchQueue(max_batch_tokens=512)
    queue.add(entries_of([100] * count), caller=0)
    said = queue.ahead_of(3000, caller=0)
    assert (said.tokens, said.squares) == (100 * count, 10_000 * count)
    drained(queue)
    said = queue.ahead_of(3000, caller=0)
    assert (said.tokens, said.squares) == (0, 0)
    assert np.isfinite(queue.tokens)
