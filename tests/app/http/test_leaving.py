"""Clients that leave while their request is worked on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from postern.http.request import ClientLeft, unless_client_leaves
from starlette.types import Message

HANG_S = 60.0


class _Client:
    """The receiving side of a request whose body has been read."""

    def __init__(self) -> None:
        self._left = asyncio.Event()

    def leave(self) -> None:
        self._left.set()

    async def receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}


def _run(case: Callable[[_Client], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(HANG_S):
            await case(_Client())
            here = asyncio.current_task()
            assert here is not None
            assert here.cancelling() == 0  # nothing of it is left in the task
            await asyncio.sleep(0)

    asyncio.run(bounded())


async def _for_ever(ended: list[str], *, cleans_up: int = 1) -> None:
    """cleans_up: turns of the event loop that it takes to end."""
    try:
        await asyncio.Event().wait()
    finally:
        for _ in range(cleans_up):
            await asyncio.sleep(0)
        ended.append("ended")


def test_the_result_comes_through() -> None:
    async def case(client: _Client) -> None:
        async def work() -> int:
            await asyncio.sleep(0)
            return 7

        assert await unless_client_leaves(client.receive, work()) == 7
        client.leave()  # too late to matter
        await asyncio.sleep(0)

    _run(case)


def test_an_error_comes_through() -> None:
    async def case(client: _Client) -> None:
        async def work() -> None:
            await asyncio.sleep(0)
            raise LookupError

        with pytest.raises(LookupError):
            await unless_client_leaves(client.receive, work())

    _run(case)


def test_the_work_of_a_client_that_left_has_ended() -> None:
    async def case(client: _Client) -> None:
        ended: list[str] = []
        asyncio.get_running_loop().call_later(0.001, client.leave)
        with pytest.raises(ClientLeft):
            await unless_client_leaves(client.receive, _for_ever(ended))
        assert ended == ["ended"]

    _run(case)


async def _failing_on_the_way_out() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise LookupError


async def _ignoring() -> str:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return "done anyway"


@pytest.mark.parametrize("work", [_failing_on_the_way_out, _ignoring])
def test_nothing_that_the_work_makes_of_it_hides_that_the_client_left(
    work: Callable[[], Awaitable[object]],
) -> None:
    async def case(client: _Client) -> None:
        asyncio.get_running_loop().call_later(0.001, client.leave)
        with pytest.raises(ClientLeft):
            await unless_client_leaves(client.receive, work())

    _run(case)


def test_a_time_limit_inside_the_work_is_its_own() -> None:
    async def case(client: _Client) -> None:
        async def work() -> str:
            try:
                async with asyncio.timeout(0.001):
                    await asyncio.Event().wait()
            except TimeoutError:
                return "late"
            raise AssertionError

        assert await unless_client_leaves(client.receive, work()) == "late"

    _run(case)


@pytest.mark.parametrize("turns", range(6))
def test_a_cancelled_request_is_cancelled(turns: int) -> None:
    """Whether or not its client leaves at about the same time."""

    async def case(client: _Client) -> None:
        ended: list[str] = []
        # A second cancellation would interrupt the cleaning up itself.
        work = _for_ever(ended, cleans_up=0)
        task = asyncio.ensure_future(unless_client_leaves(client.receive, work))
        for _ in range(3):
            await asyncio.sleep(0)
        if turns:
            client.leave()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        (found,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(found, asyncio.CancelledError | ClientLeft)
        assert turns or isinstance(found, asyncio.CancelledError)
        assert ended == ["ended"]

    _run(case)


def test_a_client_that_had_left_before() -> None:
    async def case(client: _Client) -> None:
        client.leave()
        ended: list[str] = []
        with pytest.raises(ClientLeft):
            await unless_client_leaves(client.receive, _for_ever(ended))
        assert ended == ["ended"]

    _run(case)
