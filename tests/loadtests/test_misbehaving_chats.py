"""What a soak asserts of chats: it tells good answers from bad ones, and counts them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from loadtests.bench import run
from loadtests.chats import BUSY, Chat, ChatTally, Expected, Reply
from loadtests.hostile_upstream import HostileUpstream, answer_to
from loadtests.misbehaving import Connection, Kind
from loadtests.misbehaving_chats import MisbehavingChats
from loadtests.server_counts import ServerCounts, chat_differences, differences_with_chats
from tests.ports import free_port

RIGHT = "".join(answer_to("17"))


def reply(body: str, *, status: int = 200, length: int | None = None) -> Reply:
    length = len(body) if length is None else length
    return Reply.read(f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}".encode())


def whole(text: str) -> str:
    return json.dumps({"choices": [{"message": {"content": text}}]})


def streamed(*texts: str, end: str = "[DONE]") -> str:
    events = [json.dumps({"choices": [{"delta": {"content": text}}]}) for text in texts]
    return "".join(f"data: {one}\n\n" for one in [*events, end])


ERROR = json.dumps({"error": {"code": "upstream_invalid"}})
FULL = json.dumps({"error": {"code": "queue_full"}})


@pytest.mark.parametrize(
    ("stream", "got", "seen"),
    [
        (False, reply(whole(RIGHT)), "200"),
        (False, reply(whole(RIGHT[:-1])), "200 other"),
        (False, reply(whole("".join(answer_to("18")))), "200 other"),
        (False, reply(streamed(RIGHT)), "200 other"),
        (False, reply(whole(RIGHT), length=1000), "cut"),
        (False, reply("", status=502), "502"),
        (False, reply(ERROR, status=504), "504"),
        (False, reply(FULL, status=429), BUSY),
        (True, reply(streamed(*answer_to("17"))), "200"),
        (True, reply(streamed(*answer_to("17")[:2])), "200 other"),
        (True, reply(streamed(*answer_to("17"), end="{}")), "200 other"),
        (True, reply(whole(RIGHT)), "200 other"),
        (True, reply(streamed(RIGHT, end=ERROR)), "200 error"),
        (True, reply(streamed(RIGHT, end=FULL)), BUSY),
        (True, reply(streamed(RIGHT, ERROR)), "200 other"),
        (True, Reply.read(b""), "cut"),
        (True, Reply.read(b"garbage"), "cut"),
    ],
)
def test_only_the_whole_right_answer_is_good(stream: bool, got: Reply, seen: str) -> None:
    assert Chat("good", stream, number="17").seen(got) == seen


async def _on_a_connection(url: str, kind: Kind) -> None:
    connection = await Connection.to(url)
    await kind(connection)
    await connection.close()


async def _without_a_guard(port: int) -> tuple[ChatTally, HostileUpstream]:
    """The clients ask the upstream itself."""
    upstream, tally = HostileUpstream(port), ChatTally()
    await upstream.start()
    chats = MisbehavingChats(upstream.url, tally)
    try:
        asking = [
            _on_a_connection(upstream.url, kind)
            for name, kind in chats.kinds.items()
            if "upstream" in name or "Authorization" in name
        ]
        await asyncio.gather(*asking)
    finally:
        await upstream.close()
    return tally, upstream


def test_what_an_upstream_does_is_noticed_where_nobody_guards() -> None:
    """Otherwise a guard that lets all of it through would pass the soak."""
    tally, upstream = run(_without_a_guard(free_port()))
    noticed = {name.partition(":")[0].removeprefix("upstream ") for name in tally.unexpected}
    assert noticed == {
        *("keys streamed", "keys-later streamed", "choices", "choices streamed", "nan"),
        *("nan streamed", "status-999", "redirect", "header", "surplus", "cut", "cut streamed"),
        "error-first streamed",
    }
    assert upstream.faults == {"two Authorization": 1, "a cookie": 1}


def test_chats_are_counted() -> None:
    text = (
        'postern_requests_total{route="/classify",status="200"} 5.0\n'
        'postern_requests_total{route="/v1/chat/completions",status="200"} 12.0\n'
        'postern_requests_total{route="/v1/chat/completions",status="413"} 1.0\n'
        'postern_requests_total{route="/v1/chat/completions",status="499"} 2.0\n'
        'postern_proxied_total{outcome="passed"} 12.0\n'
        'postern_proxied_total{outcome="left"} 1.0\n'
        'postern_verdicts_total{decided_by="student",verdict="unharmful"} 40.0\n'
    )
    before = ServerCounts(Counter({"200": 1}), 3, Counter({"200": 2}), Counter({"passed": 2}))
    server = ServerCounts.parsed(text).since(before)
    tally = ChatTally()
    for _ in range(10):
        tally.note("good", "200", "200", Expected.of("200", outcome="passed"))
    tally.note("deep", "413", "413", Expected.of("413", outcome=None))
    tally.leave()
    assert "chats lost" in chat_differences(tally, server)
    tally.leave()
    assert chat_differences(tally, server) == {}
    assert differences_with_chats({"200": 4}, 4, tally, server) == {}
    assert "verdicts" in differences_with_chats({"200": 4}, 18, tally, server)
    tally.note("good", "200", "200 other", Expected.of("200", outcome="passed"))
    assert chat_differences(tally, server).keys() == {"chats 200"}
    tally.statuses["200"] -= 1
    tally.outcomes["passed"] += 1
    assert chat_differences(tally, server).keys() == {"proxied passed"}
