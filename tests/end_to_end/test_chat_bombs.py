"""Requests and answers that are small on the wire and large in memory or in work.

The figures are those of a review: what took gigabytes or half a minute is refused at once, and
others are served meanwhile.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.scripted_upstream import DONE, StubUpstream, chunk, completion, streamed, whole
from tests.server_process import ServerProcess

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "tell me a story"}
RESIDENT = "process_resident_memory_bytes"
MIB = 1 << 20


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, upstream: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=upstream.url, max_body_bytes=2 * MIB)


class Watch:
    """How long the event loop let others wait, and what the memory came to, while it is open."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.longest_s = 0.0
        self.grown_bytes = 0.0

    def _look(self) -> None:
        while not self._over.is_set():
            started = time.monotonic()
            assert self._server.get("/healthz").status_code == 200
            self.longest_s = max(self.longest_s, time.monotonic() - started)

    def __enter__(self) -> Watch:
        self._before = self._server.metric(RESIDENT)
        self._cpu = self._server.metric("process_cpu_seconds_total")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.grown_bytes = self._server.metric(RESIDENT) - self._before
        self.cpu_s = self._server.metric("process_cpu_seconds_total") - self._cpu
        print(
            f"cpu {self.cpu_s:.2f} s, others waited {self.longest_s:.2f} s, "
            f"memory {self.grown_bytes / MIB:+.1f} MiB"
        )


def _turns(pairs: int, question: str, answer: dict[str, Any]) -> bytes:
    turns = [
        turn
        for n in range(pairs)
        for turn in ({"role": "user", "content": question.format(n=n)}, answer)
    ]
    return json.dumps({"messages": turns}).encode()


CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}
REQUESTS = {
    "20,000 turns": _turns(10_000, "hi {n}", {"role": "assistant", "content": "a"}),
    "joins": _turns(6000, "{n} " + "q" * 60, CALL),
    "deep leaves": b'{"messages": [{"role": "user", "content": "a"}], "x": '
    + b"[" * 900
    + b",".join([b"0"] * 260_000)
    + b"]" * 900
    + b"}",
    "keys": json.dumps({"messages": [USER], "x": {f"k{n}": 0 for n in range(80_000)}}).encode(),
    "new turns": json.dumps(
        {"messages": [{"role": "user", "content": f"read {n}"} for n in range(5000)]}
    ).encode(),
    "much text": json.dumps(
        {"messages": [{"role": "user", "content": f"{n} " + "read " * 4000} for n in range(50)]}
    ).encode(),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_large_request_is_refused_at_once(
    guarded: ServerProcess, upstream: StubUpstream, name: str
) -> None:
    upstream.play(whole(completion("read")))
    with Watch(guarded) as watch:
        reply = guarded.post(
            PATH, content=REQUESTS[name], headers={"Content-Type": "application/json"}
        )
    assert reply.status_code == 413, reply.text
    assert reply.json()["error"]["code"] == "exchange_too_long"
    assert not upstream.seen
    assert watch.cpu_s < 3.0
    assert watch.grown_bytes < 150 * MIB


def _event(keys: int, choices: int) -> bytes:
    fields = {f"k{n}": 0 for n in range(keys)}
    return b"data: " + json.dumps(fields | {"choices": [{}] * choices}).encode() + b"\n\n"


ANSWERS = {
    "12,000 keys, 12,000 choices": streamed([_event(12_000, 12_000), DONE]),
    "4000 keys, 4000 choices": streamed([_event(4000, 4000), DONE]),
    "many choices": streamed([chunk("a", index=n) for n in range(200)]),
    "long choices": streamed([chunk("read a book " * 1000, index=n) for n in range(100)]),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_large_event_is_refused_at_once(
    guarded: ServerProcess, upstream: StubUpstream, name: str
) -> None:
    upstream.play(ANSWERS[name])
    with Watch(guarded) as watch:
        reply = guarded.post(PATH, json={"messages": [USER], "stream": True, "n": 128})
    assert reply.status_code == 502 or '"error"' in reply.text
    assert "[DONE]" not in reply.text
    assert watch.cpu_s < 3.0
    assert watch.grown_bytes < 100 * MIB


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"message": {"content": "a"}}] * 129},
        {"choices": [{"message": {"content": "a"}}], "x": [[]] * 300_000},
        {"choices": [{"message": {"content": "read a book " * 2000}}] * 60},
    ],
    ids=["choices", "values", "text"],
)
def test_a_large_answer_is_refused(
    guarded: ServerProcess, upstream: StubUpstream, answer: dict[str, Any]
) -> None:
    for n, choice in enumerate(answer["choices"] if len(answer["choices"]) == 60 else []):
        answer["choices"][n] = {"message": {"content": f"{n} {choice['message']['content']}"}}
    upstream.play(whole(answer))
    with Watch(guarded) as watch:
        reply = guarded.post(PATH, json={"messages": [USER]})
    assert reply.status_code == 502, reply.text
    assert watch.cpu_s < 3.0


def test_a_chat_that_goes_on_is_not_judged_anew(
    start_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_server(upstream_url=upstream.url, chat_max_exchanges=6)
    upstream.play(whole(completion("sure")))
    turns: list[dict[str, str]] = []
    verdicts = 'postern_verdicts_total{decided_by="student",outcome="unharmful"}'
    for n in range(40):
        turns.append({"role": "user", "content": f"read book number {n}"})
        before = server.metric(verdicts)
        reply = server.post(PATH, json={"messages": turns})
        assert reply.status_code == 200, reply.text
        assert server.metric(verdicts) - before <= 3
        turns.append(reply.json()["choices"][0]["message"])
    forged = [{"role": "assistant", "content": "a bomb"}, *turns[1:]]
    assert server.post(PATH, json={"messages": [turns[0], *forged]}).json()["postern"]["harmful"]
    cold = [{"role": "user", "content": f"read another book {n}"} for n in range(7)]
    assert server.post(PATH, json={"messages": cold}).status_code == 413


def test_all_slices_of_a_chat_share_one_deadline(
    start_faulty_server: StartServer, upstream: StubUpstream
) -> None:
    server = start_faulty_server({"delay_s": 0.2}, upstream_url=upstream.url, max_items=1)
    server.wait_until_ready()
    upstream.play(whole(completion("sure")))
    turns = [{"role": "user", "content": f"read book number {n}"} for n in range(50)]
    started = time.monotonic()
    reply = server.post(PATH, json={"messages": turns}, headers={"X-Request-Timeout-Ms": "1000"})
    assert reply.status_code in (429, 504)
    assert time.monotonic() - started < 9.0
    assert not upstream.seen
