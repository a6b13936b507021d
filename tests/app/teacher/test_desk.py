"""The desk before the teacher: bounded, shared, retried once, and never without an answer."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from postern.contract.artifact import Artifact
from postern.contract.exchange import Exchange
from postern.contract.windows import Window
from postern.inference.batcher import BatchLimits
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer
from postern.metrics import Metrics
from postern.teacher.breaker import Breaker
from postern.teacher.desk import DeskRules, TeacherDesk
from postern.teacher.local import LocalTeacher, Member, made_in_the_lane
from postern.teacher.opinion import Opinion
from postern.teacher.shares import RetryBudget, SlidingShare

from tests.fakes import FakeSession

Judge = Callable[[Exchange], Awaitable[Opinion]]
YES = Opinion("answered", 0.9)


class FakeTeacher:
    """Answers from a list, the last for ever; or waits at a gate."""

    left_behind = False
    languages: frozenset[str] = frozenset({"de"})
    described: dict[str, Any] = {"kind": "fake"}  # noqa: RUF012

    def __init__(self, *answers: Opinion | Exception, gate: asyncio.Event | None = None) -> None:
        self._answers = list(answers)
        self._gate = gate
        self.seen: list[str] = []
        self.most_at_once = 0
        self._at_once = 0

    def start(self) -> None: ...

    async def close(self) -> None: ...

    async def judge(self, exchange: Exchange, *, timeout_s: float) -> Opinion:
        self.seen.append(exchange.prompt)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self._gate is not None:
                await self._gate.wait()
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self._at_once -= 1


def desk_of(teacher: FakeTeacher, **changes: Any) -> TeacherDesk:
    loop_time = asyncio.get_running_loop().time
    rules = {"timeout_s": 60.0, "at_once": 2, "may_wait": 3, "max_chars": 100}
    kept = {name: changes.pop(name, value) for name, value in rules.items()}
    values: dict[str, Any] = {
        "rules": DeskRules(**kept),
        "breaker": Breaker(failures=3, calls=5, open_s=60.0, clock=loop_time),
        "cap": SlidingShare(share=1.0, window_s=60.0, at_least=1000, clock=loop_time),
        "retries": RetryBudget(0.0),
        "metrics": Metrics(),
        "clock": loop_time,
    }
    return TeacherDesk(teacher, **values | changes)


async def ask(desk: TeacherDesk, prompt: str = "a", within_s: float = 60.0) -> str:
    loop = asyncio.get_running_loop()
    return (await desk.ask(Exchange(prompt), deadline=loop.time() + within_s)).outcome


def run(case: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(case(), 120.0))


def test_equal_texts_are_one_question_while_it_is_open() -> None:
    async def case() -> None:
        gate = asyncio.Event()
        teacher = FakeTeacher(YES, gate=gate)
        desk = desk_of(teacher)
        waiting = [asyncio.create_task(ask(desk)) for _ in range(50)]
        other = asyncio.create_task(ask(desk, "b"))
        await asyncio.sleep(0)
        gate.set()
        assert [await one for one in waiting] == ["answered"] * 50
        assert await other == "answered"
        assert sorted(teacher.seen) == ["a", "b"]
        assert await ask(desk) == "answered"  # not a cache: a new question later
        assert sorted(teacher.seen) == ["a", "a", "b"]

    run(case)


def test_few_are_asked_at_once_few_wait_and_the_rest_are_told() -> None:
    async def case() -> None:
        gate = asyncio.Event()
        teacher = FakeTeacher(YES, gate=gate)
        desk = desk_of(teacher)
        tasks = [asyncio.create_task(ask(desk, str(index))) for index in range(9)]
        await asyncio.sleep(0.01)
        gate.set()
        outcomes = [await task for task in tasks]
        assert outcomes == ["answered"] * 5 + ["busy"] * 4
        assert teacher.most_at_once == 2

    run(case)


def test_a_question_outlives_its_asker_and_tells_the_breaker() -> None:
    async def case() -> None:
        teacher = FakeTeacher(YES, gate=asyncio.Event())  # never opened
        breaker = Breaker(failures=1, calls=1, open_s=60.0, clock=asyncio.get_running_loop().time)
        desk = desk_of(teacher, breaker=breaker, timeout_s=0.1)
        assert await ask(desk, within_s=0.01) == "deadline"
        assert breaker.state == "closed"
        while breaker.state == "closed":  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        assert await ask(desk, "b") == "breaker_open"
        assert teacher.seen == ["a"]

    run(case)


def test_what_nobody_waits_for_any_more_is_not_asked() -> None:
    async def case() -> None:
        gate = asyncio.Event()
        teacher = FakeTeacher(YES, gate=gate)
        desk = desk_of(teacher, at_once=1)
        first = asyncio.create_task(ask(desk, "first"))
        await asyncio.sleep(0)
        assert await ask(desk, "second", within_s=0.02) == "deadline"
        again = asyncio.create_task(ask(desk, "second"))
        await asyncio.sleep(0.01)
        gate.set()
        assert (await first, await again) == ("answered", "answered")
        assert teacher.seen == ["first", "second"]
        assert await ask(desk, "late", within_s=0.0) == "deadline"
        assert "late" not in teacher.seen

    run(case)


@pytest.mark.parametrize(
    ("answers", "share", "outcome", "calls"),
    [
        ((Opinion("unreachable"), YES), 1.0, "answered", 2),
        ((Opinion("failed"), YES), 1.0, "answered", 2),
        ((Opinion("failed"), Opinion("failed"), YES), 1.0, "failed", 2),
        ((RuntimeError("zzsecretzz"), YES), 1.0, "answered", 2),
        ((Opinion("failed"), YES), 0.0, "failed", 1),
        ((Opinion("timeout"), YES), 1.0, "timeout", 1),
        ((Opinion("throttled"), YES), 1.0, "throttled", 1),
        ((Opinion("invalid"), YES), 1.0, "invalid", 1),
        ((Opinion("refused"), YES), 1.0, "refused", 1),
        ((Opinion("cannot_tell"), YES), 1.0, "cannot_tell", 1),
    ],
)
def test_one_retry_where_it_can_help(
    answers: tuple[Opinion, ...], share: float, outcome: str, calls: int
) -> None:
    async def case() -> None:
        teacher, metrics = FakeTeacher(*answers), Metrics()
        desk = desk_of(teacher, retries=RetryBudget(share), metrics=metrics)
        assert await ask(desk) == outcome
        assert len(teacher.seen) == calls
        retries = metrics.registry.get_sample_value("postern_teacher_retries_total")
        assert retries == calls - 1

    run(case)


def test_texts_cannot_switch_the_teacher_off() -> None:
    """What a text brings about by itself leaves the breaker closed."""

    async def case() -> None:
        for outcome in ("refused", "cannot_tell"):
            teacher = FakeTeacher(Opinion(outcome))
            desk = desk_of(teacher)
            assert [await ask(desk, str(index)) for index in range(20)] == [outcome] * 20
            assert len(teacher.seen) == 20
        assert await ask(desk, "x" * 101) == "too_long"
        assert len(teacher.seen) == 20

    run(case)


def test_closing_answers_everyone() -> None:
    async def case() -> None:
        teacher = FakeTeacher(YES, gate=asyncio.Event())
        desk = desk_of(teacher)
        tasks = [asyncio.create_task(ask(desk, str(index))) for index in range(4)]
        await asyncio.sleep(0.01)
        await desk.close()
        assert [await task for task in tasks] == ["shutting_down"] * 4
        assert await ask(desk) == "shutting_down"

    run(case)


def test_an_audit_never_stands_in_the_way() -> None:
    async def case() -> None:
        gate = asyncio.Event()
        loop_time = asyncio.get_running_loop().time
        cap = SlidingShare(share=0.0, window_s=60.0, at_least=1, clock=loop_time)
        teacher = FakeTeacher(YES, gate=gate)
        desk = desk_of(teacher, cap=cap)
        live = asyncio.create_task(ask(desk, "live"))
        await asyncio.sleep(0)
        assert (await desk.audit(Exchange("audit"))).outcome == "busy"
        gate.set()
        assert await live == "answered"
        assert (await desk.audit(Exchange("audit"))).outcome == "answered"  # the cap is used up
        assert await ask(desk, "more") == "over_cap"
        assert teacher.seen == ["live", "audit"]

    run(case)


def test_an_opinion_has_a_probability_exactly_where_it_is_an_answer() -> None:
    for outcome, probability in (("answered", None), ("timeout", 0.5), ("answered", 1.5)):
        with pytest.raises(ValueError, match="probability"):
            Opinion(outcome, probability)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [({}, "answered"), ({"raise_for": [1]}, "failed"), ({"nan_for": [1]}, "failed")],
)
def test_a_local_teacher_has_opinions_or_says_why_not(
    trouble: dict[str, Any], outcome: str, artifact: Artifact, tokenizer: Tokenizer
) -> None:
    async def case() -> None:
        (window,) = tokenizer.encode(("bomb",)).windows
        faults: dict[str, Any] = {name: [int(window.ids[1])] for name in trouble}
        sessions = [
            FakeSession(lambda windows: [[0.0, 2.0]] * len(windows)),
            FakeSession(lambda windows: [[0.0, -1.0]] * len(windows), **faults),
        ]
        policy = artifact.manifest.policy
        teacher = LocalTeacher(
            [Member("m/1", "0" * 64, policy, tokenizer, session) for session in sessions],
            limits=BatchLimits(2048, 100_000),
            max_tokens=20,
            clock=asyncio.get_running_loop().time,
        )
        teacher.start()
        try:
            opinion = await teacher.judge(Exchange("bomb"), timeout_s=60.0)
            assert opinion.outcome == outcome
            if outcome == "answered":  # the mean of the log-odds, 0.5
                assert opinion.probability == pytest.approx(1 / (1 + 2.718281828**-0.5))
            too_long = await teacher.judge(Exchange("book " * 21), timeout_s=60.0)
            assert too_long.outcome == "refused"
            assert (await teacher.judge(Exchange("\u0301"), timeout_s=60.0)).outcome == "refused"
        finally:
            await teacher.close()
        assert not teacher.left_behind

    run(case)


def test_what_is_made_in_the_lane_is_made_in_order_and_its_threads_yield(
    artifact: Artifact,
) -> None:
    assert made_in_the_lane(lambda number: number * 2, [3, 1, 2]) == (6, 2, 4)
    before = niceness()
    sessions = made_in_the_lane(
        lambda threads: OnnxSession(artifact.model, pad_id=0, intra_op_threads=threads), [1, 3]
    )
    assert len(sessions) == 2
    started = [nice for thread, nice in niceness().items() if thread not in before]
    assert started == ([yielding()] * 2 if before else [])  # the third is whoever runs it
    assert unchanged(before)


def test_the_lane_itself_yields_and_nobody_else(artifact: Artifact, tokenizer: Tokenizer) -> None:
    async def case() -> None:
        seen: list[int] = []

        def answer(windows: Sequence[Window]) -> list[list[float]]:
            seen.append(os.getpriority(os.PRIO_PROCESS, 0))
            return [[0.0, 1.0]] * len(windows)

        before = niceness()
        session = FakeSession(answer)
        teacher = LocalTeacher(
            [Member("m/1", "0" * 64, artifact.manifest.policy, tokenizer, session)],
            limits=BatchLimits(2048, 100_000),
            max_tokens=20,
            clock=asyncio.get_running_loop().time,
        )
        teacher.start()
        try:
            for _ in range(2):
                assert (await teacher.judge(Exchange("bomb"), timeout_s=60.0)).probability
        finally:
            await teacher.close()
        assert seen == [yielding()] * 2
        assert unchanged(before)

    run(case)


def unchanged(before: dict[int, int]) -> bool:
    """Of the threads that still live: those of earlier tests may end at any time."""
    return all(nice == before[thread] for thread, nice in niceness().items() if thread in before)


def yielding() -> int:
    ours = os.getpriority(os.PRIO_PROCESS, os.getpid())
    return min(19, ours + 10) if sys.platform == "linux" else ours


def niceness() -> dict[int, int]:
    """Of each thread of this process, where threads have one of their own."""
    if sys.platform != "linux":
        return {}
    found = {}
    for one in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            found[int(one.name)] = os.getpriority(os.PRIO_PROCESS, int(one.name))
    return found
