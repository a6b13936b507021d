"""Audit mode of the guarded proxy: everything passes at once and unchanged, and a copy is judged.

What is judged, and when, is what the guard would do if it enforced: its own code reads the copy.
Property tests hold this law: what the client gets is what the upstream sent, byte for byte,
whatever is judged and whatever fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Generic

from postern.chat_guard.copied import Copied
from postern.chat_guard.guard import ChatGuard, Streamed
from postern.chat_guard.judge import Judgement
from postern.chat_guard.replies import Whole, unjudged, verdict_headers
from postern.chat_guard.shape import Call, Request, Shape
from postern.contract.audit import Audited, Finding
from postern.contract.errors import PosternError, UpstreamInvalid, UpstreamTold
from postern.http.audit_headers import audit_headers
from postern.http.passing_headers import unchanged_headers
from postern.http.upstream import UpstreamReply

EVENTS: Final = "text/event-stream"

Report = Callable[[Audited], None]


class ChatAudit:
    """Passes chats, whatever the API, and judges copies of them.

    wait_s: longest time that an answer waits for the verdict that its headers name. max_bytes: of
    an answer that is kept for its verdict. count: called with what became of each chat.
    """

    def __init__(
        self,
        guard: ChatGuard,
        *,
        wait_s: float,
        max_bytes: int,
        count: Callable[[str], None],
    ) -> None:
        self._guard = guard
        self._wait_s = wait_s
        self._max_bytes = max_bytes
        self._count = count
        self._running: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End the audits under way."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def complete(
        self,
        shape: Shape[Request],
        body: bytes,
        asked: Request | PosternError,
        call: Call,
        report: Report,
    ) -> Whole | Streamed:
        """The upstream's answer. asked: the body as it was read, or why it cannot be read.

        report: called once, when all is known that will be. Raises UpstreamFailed.
        """
        audit = _Audit(self._guard, shape, asked, call, max_bytes=self._max_bytes, report=report)
        task = audit.task
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            if isinstance(asked, PosternError):
                reply = await self._guard.ask(shape, body, call, stream=False)
            else:
                sent = asked.to_upstream
                reply = await self._guard.ask(shape, sent, call, stream=asked.stream)
            return await self._passed(reply, audit)
        except asyncio.CancelledError:
            task.cancel()
            self._count("left")
            raise
        except PosternError as exc:
            audit.ends(exc)
            self._count("failed")
            raise
        except BaseException:
            task.cancel()
            raise

    async def _passed(self, reply: UpstreamReply, audit: _Audit[Request]) -> Whole | Streamed:
        """The reply that passes. It is closed if nothing of it is left to pass."""
        keep_open = False
        try:
            audit.answered(reply)
            headers = unchanged_headers(reply.headers)
            if reply.media_type == EVENTS:
                await audit.wait_for_prompt(self._wait_s)
                pieces = self._pieces(b"", reply, reply.raw(), audit)
                headers |= audit.headers(pending=True)
                keep_open = True
                return Streamed(pieces, headers, partial(_close, reply, audit), reply.status)
            chunks, whole = reply.raw(), bytearray()
            async for chunk in chunks:
                audit.copy.add(chunk)
                whole += chunk
                if len(whole) > self._max_bytes:  # too large to be kept, not to pass
                    pieces = self._pieces(bytes(whole), reply, chunks, audit)
                    headers |= audit.headers(pending=True)
                    keep_open = True
                    return Streamed(pieces, headers, partial(_close, reply, audit), reply.status)
            audit.copy.end()
            await audit.wait(self._wait_s)
            self._count(_outcome(reply))
            return Whole(reply.status, bytes(whole), headers | audit.headers())
        finally:
            if not keep_open:
                await reply.close()

    async def _pieces(
        self,
        first: bytes,
        reply: UpstreamReply,
        chunks: AsyncGenerator[bytes, None],
        audit: _Audit[Request],
    ) -> AsyncGenerator[bytes, None]:
        """The pieces as they come. Raises UpstreamFailed if the upstream breaks off.

        A stream of events ends with one that says so instead, like those that are guarded.
        """
        outcome = "left"
        try:
            if first:
                yield first
            async with aclosing(chunks):
                async for chunk in chunks:
                    audit.copy.add(chunk)
                    yield chunk
            audit.copy.end()
            outcome = _outcome(reply)
        except PosternError as exc:
            outcome = "failed"
            audit.copy.end(exc)
            if reply.media_type != EVENTS or (last := audit.last_event(exc)) is None:
                raise
            yield b"\n\n" + last
        finally:
            if outcome == "left":
                audit.task.cancel()
            self._count(outcome)


class _Audit(Generic[Request]):
    """The audit of one chat. It runs in a task of its own, so the reply need not wait for it."""

    def __init__(
        self,
        guard: ChatGuard,
        shape: Shape[Request],
        asked: Request | PosternError,
        call: Call,
        *,
        max_bytes: int,
        report: Report,
    ) -> None:
        self.copy = Copied(max_bytes)
        self._guard = guard
        self._shape = shape
        self._asked = asked
        self._call = call
        self._report = report
        self._judgements: list[Judgement] = []
        self._failure: PosternError | None = None
        self._upstream_error = self._left = False
        self._prompt_known = asyncio.Event()
        self._reply: asyncio.Future[UpstreamReply | PosternError] = (
            asyncio.get_running_loop().create_future()
        )
        self.task = asyncio.create_task(self._run(), name="chat-audit")

    def answered(self, reply: UpstreamReply) -> None:
        """The upstream's status and headers have come."""
        if not self._reply.done():
            self._reply.set_result(reply)

    def ends(self, failure: PosternError) -> None:
        """There is no answer, or no more of it."""
        self.copy.end(failure)
        if not self._reply.done():
            self._reply.set_result(failure)

    def last_event(self, failure: PosternError) -> bytes | None:
        """What ends a stream that breaks off. None: nobody could read what was asked."""
        if isinstance(self._asked, PosternError):
            return None
        return self._shape.stream(self._asked).error_event(self._shape.failed(failure))

    async def wait_for_prompt(self, timeout_s: float) -> None:
        await _at_most(self._prompt_known.wait(), timeout_s)

    async def wait(self, timeout_s: float) -> None:
        await asyncio.wait((self.task,), timeout=timeout_s)

    def headers(self, *, pending: bool = False) -> dict[str, str]:
        """What is known now. pending: the answer's verdict comes later."""
        audited = self._audited()
        headers = audit_headers(audited)
        if not isinstance(self._asked, PosternError):
            headers |= unjudged(self._asked.unjudged)
        if self._failure is not None or self._upstream_error:
            return headers | {"X-Postern-Verdict": "none"}
        pending = pending or not self.task.done()
        # What enforcing would have blocked is more than what audited categories let pass.
        return verdict_headers(*self._judgements, pending=pending) | headers

    async def _run(self) -> None:
        try:
            await self._judge()
        except asyncio.CancelledError:
            self._left = True
            raise
        except UpstreamTold:
            self._upstream_error = True
        except PosternError as exc:
            self._failure = self._failure or exc
        except Exception as exc:
            # A bug of ours must not go unseen, nor end in asyncio's log with the text in its words.
            self._failure = PosternError(f"a defect ({type(exc).__name__})")
        finally:
            self._prompt_known.set()
            self.copy.close()
            self._report(self._audited())

    async def _judge(self) -> None:
        asked = self._asked
        if isinstance(asked, PosternError):
            raise asked
        try:
            self._judgements.append(await self._guard.judge_prompt(asked, self._call))
        except PosternError as exc:
            self._failure = exc  # the answer has a verdict all the same
        self._prompt_known.set()
        reply = await self._reply
        if isinstance(reply, PosternError):
            raise reply
        if reply.status != HTTPStatus.OK:
            self._upstream_error = True
            return
        if reply.is_encoded or (reply.media_type == EVENTS) != asked.stream:
            raise UpstreamInvalid("the upstream answers in another form than it was asked for")
        self._judgements += await self._guard.judge_copy(self._shape, self.copy, asked, self._call)

    def _audited(self) -> Audited:
        findings: list[Finding] = []
        for judgement in self._judgements:
            if judgement.harmful and (worst := judgement.worst) is not None:
                found = Finding(judgement.stage, worst[1].verdict, judgement.operating_point)
                if found.stage not in [one.stage for one in findings]:  # one choice of several
                    findings.append(found)
        return Audited(tuple(findings), self._failure, self._upstream_error, self._left)


async def _close(reply: UpstreamReply, audit: _Audit[Request]) -> None:
    """Also ends the audit of a reply of which nobody ever read a piece."""
    if not audit.copy.ended:
        audit.task.cancel()
    await reply.close()


def _outcome(reply: UpstreamReply) -> str:
    return "passed" if reply.status == HTTPStatus.OK else "upstream_error"


async def _at_most(waiting: Any, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await waiting
    except TimeoutError:
        pass
