"""In audit mode the client gets what the upstream sent, byte for byte, whatever is found or fails.

The upstream and the judge are played: what is judged harmful is what holds a word.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.chat_guard.audit import ChatAudit
from postern.chat_guard.completions import ChatCompletions, CompletionStream
from postern.chat_guard.conversation import CompletionRequest, parse_chat
from postern.chat_guard.copied import Copied
from postern.chat_guard.guard import ChatGuard, GuardRules, Streamed
from postern.chat_guard.hold_back import Bounds
from postern.chat_guard.judge import Judgement, Stage
from postern.chat_guard.pacing import ScoreRule
from postern.chat_guard.passed_ids import PassedIds
from postern.chat_guard.replies import Refusals
from postern.chat_guard.shape import Answer, Call, Reading
from postern.contract.audit import Audited
from postern.contract.errors import (
    DeadlineExceeded,
    PosternError,
    UnreadableContent,
    UpstreamInvalid,
    UpstreamUnreachable,
)
from postern.contract.exchange import Exchange
from postern.dialects.openai_errors import openai_error_of
from postern.metrics import Metrics

from tests.app.chat_guard.test_streaming import BAD, PlayedJudge
from tests.scripted_upstream import DONE, chunk, completion

READING = Reading(instructions=False, pass_media=False)
MAX_BYTES = 4000


class FailingJudge(PlayedJudge):
    """Fails for the stages that it is told to."""

    def __init__(self, stages: Sequence[Stage], error: Exception) -> None:
        super().__init__()
        self._stages = stages
        self._error = error

    async def judge(
        self,
        stage: Stage,
        places: Sequence[int | None],
        exchanges: Sequence[Exchange],
        *,
        timeout_s: float,
        remember: bool = True,
        decides: bool = True,
    ) -> Judgement:
        await asyncio.sleep(0)
        if stage in self._stages:
            raise self._error
        return await super().judge(stage, places, exchanges, timeout_s=timeout_s)


class PlayedReply:
    def __init__(
        self,
        pieces: Sequence[bytes],
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        breaks: bool = False,
    ) -> None:
        self._pieces = pieces
        self._breaks = breaks
        self.status = status
        self.headers = {"content-type": "application/json"} | (headers or {})
        self.media_type = self.headers["content-type"].partition(";")[0]
        self.is_encoded = "content-encoding" in self.headers
        self.closed = False

    async def raw(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            await asyncio.sleep(0)
            yield piece
        if self._breaks:
            raise UpstreamUnreachable

    async def close(self) -> None:
        self.closed = True


class PlayedUpstream:
    def __init__(self, reply: PlayedReply) -> None:
        self._reply = reply
        self.bodies: list[bytes | None] = []
        self.paths: list[str] = []

    async def ask(self, method: str, path: str, *, body: bytes | None, **_: Any) -> PlayedReply:
        self.bodies.append(body)
        self.paths.append(path)
        return self._reply


CHATS = ChatCompletions(Refusals("No.", "tiny/1"), openai_error_of)


class Notes(ChatCompletions):
    """An API without JSON: a request and an answer are plain text, and an error is a line."""

    def parse(self, body: bytes, reading: Reading) -> CompletionRequest:
        asking = {"messages": [{"role": "user", "content": body.decode()}]}
        return replace(parse_chat(json.dumps(asking).encode(), reading), to_upstream=body)

    def read(self, body: bytes, asked: CompletionRequest) -> Answer:
        return Answer({}, [body.decode()], "", media=False)

    def stream(self, asked: CompletionRequest) -> CompletionStream:
        return StreamedNotes(self.refusals, wants_usage=asked.wants_usage)


class StreamedNotes(CompletionStream):
    def error_event(self, error: Mapping[str, Any]) -> bytes:
        return b"! broken off"


NOTES = Notes(Refusals("No.", "tiny/1"), openai_error_of, path="/notes")


def read(body: bytes, shape: ChatCompletions = CHATS) -> CompletionRequest | PosternError:
    try:
        return shape.parse(body, READING)
    except PosternError as exc:
        return exc


def asked(text: str = "tell me", **fields: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text}]} | fields).encode()


class Played:
    """One chat in audit mode: what went out, what was reported, and what the upstream got."""

    def __init__(
        self,
        reply: PlayedReply,
        body: bytes,
        *,
        judge: PlayedJudge | None = None,
        wait_s: float = 10.0,
        shape: ChatCompletions = CHATS,
    ) -> None:
        self._shape = shape
        self.reply = reply
        self.reports: list[Audited] = []
        self.outcomes: list[str] = []
        self.out = b""
        self.headers: dict[str, str] = {}
        self.status = 0
        self.judge = judge or PlayedJudge()
        self.metrics = Metrics()
        upstream = PlayedUpstream(reply)
        guard = ChatGuard(
            upstream,  # type: ignore[arg-type]
            self.judge,  # type: ignore[arg-type]
            rules=GuardRules(
                READING.pass_media,
                ScoreRule("sentence", 8, 200, doubt_tokens=0),
                Bounds(5000, 100_000),
                parallel=False,
                block_as_error=False,
                max_response_bytes=MAX_BYTES,
            ),
            refusals=shape.refusals,
            passed_ids=PassedIds(entries=8),
            metrics=self.metrics,
            clock=lambda: 0.0,
        )
        self._audit = ChatAudit(
            guard,
            wait_s=wait_s,
            max_bytes=MAX_BYTES,
            count=self.outcomes.append,
        )
        self._body = body
        self.bodies = upstream.bodies
        self.paths = upstream.paths

    async def run(self, *, leaves_after: int | None = None) -> None:
        call = Call("id", {}, 1.0, 0)
        asked = read(self._body, self._shape)
        reply = await self._audit.complete(
            self._shape, self._body, asked, call, self.reports.append
        )
        self.headers, self.status = dict(reply.headers), reply.status
        if isinstance(reply, Streamed) and leaves_after == 0:
            await reply.pieces.aclose()  # nobody ever read a piece
            await reply.close()
        elif isinstance(reply, Streamed):
            pieces = 0
            async for piece in reply.pieces:
                self.out += piece
                pieces += 1
                if pieces == leaves_after:
                    break
            await reply.pieces.aclose()
            await reply.close()
        else:
            self.out = reply.body
        for _ in range(1000):
            if self.reports:
                break
            await asyncio.sleep(0)
        await self._audit.close()


def played(reply: PlayedReply, body: bytes, **options: Any) -> Played:
    one = Played(reply, body, **options)
    asyncio.run(one.run())
    return one


def whole(content: Any, **options: Any) -> PlayedReply:
    return PlayedReply([json.dumps(content).encode()], **options)


def stream(*events: bytes, **options: Any) -> PlayedReply:
    return PlayedReply(events, headers={"content-type": "text/event-stream"}, **options)


# --- the law ----------------------------------------------------------------------------------

EVENTS = st.lists(
    st.one_of(
        st.sampled_from(["read ", "a book. ", "bomb ", "so\n", "\u00e9"]).map(chunk),
        st.sampled_from([chunk({}, finish="stop"), DONE, b"data: nonsense\n\n", b": note\r\n"]),
        st.binary(max_size=20),
        st.just(b'data: {"error": {"message": "busy"}}\n\n'),
    ),
    max_size=20,
)
BODIES = st.one_of(
    st.sampled_from(
        [
            asked(),
            asked(stream=True),
            asked(f"a {BAD}"),
            asked(f"a {BAD}", stream=True),
            asked("", stream=True),
            b"no JSON",
            asked(messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
        ]
    ),
    st.binary(max_size=40),
)
JUDGES: st.SearchStrategy[Callable[[], PlayedJudge]] = st.sampled_from(
    [
        PlayedJudge,
        lambda: FailingJudge(["prompt"], DeadlineExceeded()),
        lambda: FailingJudge(["response"], DeadlineExceeded()),
        lambda: FailingJudge(["prompt", "response"], ValueError(BAD)),
    ]
)


@settings(max_examples=150)
@given(
    pieces=EVENTS,
    content_type=st.sampled_from(["application/json", "text/event-stream; charset=utf-8", "x/y"]),
    status=st.sampled_from([200, 400, 429, 500]),
    encoded=st.booleans(),
    body=BODIES,
    judge=JUDGES,
    wait_s=st.sampled_from([0.0, 10.0]),
)
def test_what_passes_is_what_the_upstream_sent(
    pieces: list[bytes],
    content_type: str,
    status: int,
    encoded: bool,
    body: bytes,
    judge: Callable[[], PlayedJudge],
    wait_s: float,
) -> None:
    headers = {"content-type": content_type} | ({"content-encoding": "br"} if encoded else {})
    reply = PlayedReply(pieces, status=status, headers=headers)
    one = played(reply, body, judge=judge(), wait_s=wait_s)
    assert one.out == b"".join(pieces)
    assert one.status == status
    assert one.headers["content-type"] == content_type
    assert one.headers.get("content-encoding") == ("br" if encoded else None)
    assert one.headers["X-Postern-Mode"] == "audit"
    assert one.reply.closed
    assert len(one.reports) == 1  # once, whatever happens
    assert one.outcomes == ["passed" if status == 200 else "upstream_error"]
    understood = read(body)
    sent = body if isinstance(understood, PosternError) else understood.to_upstream
    assert one.bodies == [sent]


@settings(max_examples=60)
@given(words=st.lists(st.sampled_from(["read ", "a book. ", "bomb ", "so on\n"]), max_size=20))
def test_a_stream_would_be_cut_exactly_where_enforcing_cuts_it(words: list[str]) -> None:
    one = played(stream(*map(chunk, words), chunk({}, finish="stop"), DONE), asked(stream=True))
    (report,) = one.reports
    harmful = BAD in "".join(words)
    assert report.outcome == ("blocked_response" if harmful else "passed")
    assert one.headers.get("X-Postern-Would-Block") is None  # the headers had gone


# --- what is found ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "answer", "outcome", "header"),
    [
        ("tell me", "a book", "passed", None),
        (BAD, "a book", "blocked_prompt", "prompt"),
        ("tell me", BAD, "blocked_response", "response"),
        (BAD, BAD, "blocked_prompt", "prompt, response"),
    ],
)
def test_a_whole_answer_names_what_would_be_blocked(
    prompt: str, answer: str, outcome: str, header: str | None
) -> None:
    one = played(whole(completion(answer)), asked(prompt))
    (report,) = one.reports
    assert report.outcome == outcome
    assert one.headers.get("X-Postern-Would-Block") == header
    assert one.headers["X-Postern-Verdict"] == ("harmful" if header else "unharmful")


def test_a_stream_names_the_prompt() -> None:
    one = played(stream(chunk("a book"), chunk({}, finish="stop"), DONE), asked(BAD, stream=True))
    assert one.headers["X-Postern-Would-Block"] == "prompt"
    assert one.reports[0].outcome == "blocked_prompt"


@pytest.mark.parametrize(
    ("prompt", "answer", "outcome"),
    [
        (b"tell me", b"a book", "passed"),
        (b"a bomb", b"a book", "blocked_prompt"),
        (b"tell me", b"a bomb", "blocked_response"),
    ],
)
def test_an_api_of_any_shape_is_audited(prompt: bytes, answer: bytes, outcome: str) -> None:
    one = played(PlayedReply([answer]), prompt, shape=NOTES)
    assert (one.paths, one.bodies, one.out) == (["/notes"], [prompt], answer)
    assert one.reports[0].outcome == outcome


# --- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stages", [["prompt"], ["response"], ["prompt", "response"]])
def test_a_failure_is_no_verdict(stages: list[Stage]) -> None:
    judge = FailingJudge(stages, DeadlineExceeded())
    one = played(whole(completion("a book")), asked(), judge=judge)
    assert one.reports[0].outcome == "failed"
    assert one.headers["X-Postern-Verdict"] == "none"
    assert one.headers["X-Postern-Audit-Failed"] == "deadline-exceeded"
    assert "X-Postern-Would-Block" not in one.headers


def test_an_answer_is_judged_although_its_prompt_could_not_be() -> None:
    judge = FailingJudge(["prompt"], DeadlineExceeded())
    one = played(whole(completion(BAD)), asked(), judge=judge)
    assert one.reports[0].stages == ("response",)
    assert one.reports[0].outcome == "failed"  # enforcing would have asked nobody


def test_a_defect_is_a_failure_without_its_words() -> None:
    judge = FailingJudge(["prompt"], ValueError(BAD))
    one = played(whole(completion("a book")), asked(), judge=judge)
    assert one.headers["X-Postern-Audit-Failed"] == "internal-error"
    assert str(one.reports[0].failure) == "a defect (ValueError)"


def test_what_cannot_be_read_passes_as_it_came() -> None:
    body = asked(messages=[{"role": "user", "content": [{"type": "image_url"}]}])
    one = played(whole(completion("a book")), body)
    assert isinstance(one.reports[0].failure, UnreadableContent)
    assert one.bodies == [body]
    assert one.judge.asked == []


def test_more_than_can_be_kept_passes_and_is_not_called_harmless() -> None:
    long = "book " * MAX_BYTES
    one = played(
        PlayedReply([json.dumps(completion(long)).encode()[n::7] for n in range(7)]), asked()
    )
    assert len(one.out) > MAX_BYTES
    assert isinstance(one.reports[0].failure, UpstreamInvalid)
    assert one.headers["X-Postern-Verdict"] == "pending"


def test_a_stream_that_breaks_off_says_so() -> None:
    one = played(stream(chunk("a book"), breaks=True), asked(stream=True))
    assert one.out.startswith(chunk("a book"))
    assert b"upstream_unreachable" in one.out
    assert DONE not in one.out
    assert one.outcomes == ["failed"]
    assert one.reports[0].outcome == "failed"


def test_a_stream_breaks_off_as_its_api_says() -> None:
    one = played(stream(b"a book", breaks=True), b"tell me", shape=NOTES)
    assert one.out == b"a book\n\n! broken off"


def test_a_whole_answer_that_breaks_off_is_an_error() -> None:
    one = Played(PlayedReply([b"{"], breaks=True), asked())
    with pytest.raises(UpstreamUnreachable):
        asyncio.run(one.run())
    assert one.outcomes == ["failed"]
    assert one.reply.closed


def test_a_client_that_leaves_ends_the_audit() -> None:
    one = Played(stream(chunk("a "), chunk("book"), DONE), asked(stream=True))
    asyncio.run(one.run(leaves_after=1))
    assert one.outcomes == ["left"]
    assert one.reports[0].outcome == "left"


def test_a_client_that_leaves_before_the_first_piece_ends_it_too() -> None:
    one = Played(stream(chunk("read "), DONE), asked(stream=True))
    asyncio.run(one.run(leaves_after=0))
    assert [report.outcome for report in one.reports] == ["left"]


def test_a_copy_is_bounded() -> None:
    got: list[bytes] = []

    async def run() -> None:
        copy = Copied(10)
        for piece in (b"12345", b"123456", b"1"):
            copy.add(piece)
        async for piece in copy.chunks():
            got.append(piece)

    with pytest.raises(UpstreamInvalid):
        asyncio.run(run())
    assert got == [b"12345"]


def test_events_of_an_unknown_type_are_counted_as_when_enforcing() -> None:
    note = b'data: {"object": "x.new", "note": "a bomb"}\n\n'
    events = (chunk("a book. "), note, chunk({}, finish="stop"), DONE)
    one = played(stream(*events), asked(stream=True))
    assert one.out == b"".join(events)
    assert one.reports[0].outcome == "blocked_response"
    line = b'postern_upstream_unknown_total{api="chat_completions",part="event"} 1.0'
    assert line in one.metrics.render()
